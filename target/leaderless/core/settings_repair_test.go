package core

// defaultRepairSettings are those of RepairSettings when nothing is set.
var defaultRepairSettings = RepairSettings{AntiEntropyEvery: 15e9, AntiEntropyDepth: 10, AntiEntropyRate: 1000, RepairChance: 100, ReapAfter: 3e9}
