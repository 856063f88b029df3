package core

// QuorumSettings are the settings of quorums, consistency levels and data centres.
type QuorumSettings struct {
}

// quorumRows are their rows of the table.
var quorumRows = []settingRow{}

// check finds what is wrong between these settings and others.
func (*QuorumSettings) check(*Settings) error { return nil }
