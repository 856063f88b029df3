package core

// DurabilitySettings are the settings of durability.
type DurabilitySettings struct {
}

// durabilityRows are their rows of the table.
var durabilityRows = []settingRow{}

// check finds what is wrong between these settings and others.
func (*DurabilitySettings) check(*Settings) error { return nil }
