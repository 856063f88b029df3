package nemesis

func powerKind() *kind {
	return &kind{
		name:       Power,
		help:       "cuts the power of nodes: their processes die, and what their disks had not synced is lost; they are started again after the fault's duration",
		simulation: "on containers a process that is killed loses nothing of what it wrote, because the machine below keeps its power",
		shapes:     outageShapes(),
		resource:   process,
		span:       spanOutage,
		draw:       drawTargets,
		describe:   describePower,
		check:      checkTargets,
	}
}
