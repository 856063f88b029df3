package core

// DataTypeSettings are the settings of data types.
type DataTypeSettings struct {
	// DataType is what every key is.
	DataType DataType
}

// DataType is what a key is.
type DataType uint8

// The data types.
const (
	// DataTypeRegister is a value that is written and read whole.
	DataTypeRegister DataType = iota
	// DataTypeRow is columns with a value and a version each; see row.go.
	DataTypeRow
	// DataTypeCounter, DataTypeSet and DataTypeMap are updated by a replica
	// and joined; see counter.go, orset.go and ormap.go.
	DataTypeCounter
	DataTypeSet
	DataTypeMap
)

var dataTypeNames = []string{DataTypeRegister: "register", DataTypeRow: "row", DataTypeCounter: "counter", DataTypeSet: "or-set", DataTypeMap: "map"}

// String returns the data type as it is written in settings.
func (t DataType) String() string { return enumName(dataTypeNames, int(t)) }

// joined says that keys are updated by a replica and joined, whatever their versions.
func (t DataType) joined() bool { return t >= DataTypeCounter }

// object is the kind of object that keys of the data type hold; 0 for registers.
func (t DataType) object() ObjectKind {
	return [...]ObjectKind{DataTypeRow: ObjectRow, DataTypeCounter: ObjectCounter, DataTypeSet: ObjectSet, DataTypeMap: ObjectMap}[t]
}

// dataTypeRows are their rows of the table.
var dataTypeRows = []settingRow{
	choice("data-type", "register", dataTypeNames, "What every key is: a register, a row of columns of which each keeps its newest write, or a counter, an observed-remove set or a map, which replicas join without losing updates.",
		func(s *Settings) *DataType { return &s.DataType }),
}

// check finds what is wrong between these settings and others.
func (*DataTypeSettings) check(*Settings) error { return nil }
