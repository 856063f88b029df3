package core

// VersionSettings are the settings of versions and conflicts.
type VersionSettings struct {
}

// versionRows are their rows of the table.
var versionRows = []settingRow{}

// check finds what is wrong between these settings and others.
func (*VersionSettings) check(*Settings) error { return nil }
