package core

// MembershipSettings are the settings of membership and failure detection.
type MembershipSettings struct {
}

// membershipRows are their rows of the table.
var membershipRows = []settingRow{}

// check finds what is wrong between these settings and others.
func (*MembershipSettings) check(*Settings) error { return nil }
