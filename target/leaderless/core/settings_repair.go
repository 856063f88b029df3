package core

// RepairSettings are the settings of repair, hints and deletion.
type RepairSettings struct {
}

// repairRows are their rows of the table.
var repairRows = []settingRow{}

// check finds what is wrong between these settings and others.
func (*RepairSettings) check(*Settings) error { return nil }
