package core

// CASSettings are the settings of compare-and-set.
type CASSettings struct {
}

// casRows are their rows of the table.
var casRows = []settingRow{}

// check finds what is wrong between these settings and others.
func (*CASSettings) check(*Settings) error { return nil }
