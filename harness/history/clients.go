package history

// clientTable holds the records of the clients' processes. Those that are
// still active are few. Of a retired one, and a long run has hundreds of
// thousands, no more is kept than it takes to say what is wrong with a later event.
type clientTable struct {
	// dense and sparse say where a process's record is: its number in active
	// and one more, or the negative of its number in retired and one more, or
	// 0. Processes are numbered from 0 with few gaps, which makes a slice do
	// for most.
	dense  []int32
	sparse map[Process]int32

	active  []pairState
	free    []int32 // places in active
	retired []retiredClient
	names   []operationName
	numbers map[operationName]int32
	shown   pairState // of the retired process that was asked about last
}

type operationName struct{ f, key string }

// retiredClient is what is kept of a retired process: its last operation.
type retiredClient struct {
	invocation, completion int64
	name                   int32
}

// get returns the process's record, valid until another is asked for, or nil.
func (t *clientTable) get(p Process) *pairState {
	place := int32(0)
	if p >= 0 && int64(p) < int64(len(t.dense)) {
		place = t.dense[p]
	}
	if place == 0 && len(t.sparse) > 0 {
		place = t.sparse[p]
	}
	switch {
	case place > 0:
		return &t.active[place-1]
	case place < 0:
		r := &t.retired[-place-1]
		name := t.names[r.name]
		t.shown = pairState{retired: true, invocation: r.invocation, completion: r.completion, f: name.f, key: name.key}
		return &t.shown
	}
	return nil
}

// add makes a record for a process that has none, after that many operations of all.
func (t *clientTable) add(p Process, operations int64) *pairState {
	place := int32(len(t.active))
	if n := len(t.free); n > 0 {
		place = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		t.active = append(t.active, pairState{})
	}
	t.put(p, place+1, operations)
	return &t.active[place]
}

func (t *clientTable) put(p Process, place int32, operations int64) {
	switch {
	case int64(p) < int64(len(t.dense)):
		t.dense[p] = place
	case int64(p) < 1024+16*operations:
		for int64(p) >= int64(len(t.dense)) {
			t.dense = append(t.dense, 0)
		}
		t.dense[p] = place
	default:
		if t.sparse == nil {
			t.sparse = make(map[Process]int32)
		}
		t.sparse[p] = place
	}
}

// retire moves the record of an active process whose operation ended as info.
func (t *clientTable) retire(p Process) {
	inDense := int64(p) < int64(len(t.dense)) && t.dense[p] != 0
	var place int32
	if inDense {
		place = t.dense[p]
	} else {
		place = t.sparse[p]
	}
	s := &t.active[place-1]
	name := operationName{s.f, s.key}
	number, known := t.numbers[name]
	if !known {
		if t.numbers == nil {
			t.numbers = make(map[operationName]int32)
		}
		number = int32(len(t.names))
		t.names = append(t.names, name)
		t.numbers[name] = number
	}
	t.retired = append(t.retired, retiredClient{s.invocation, s.completion, number})
	if inDense {
		t.dense[p] = -int32(len(t.retired))
	} else {
		t.sparse[p] = -int32(len(t.retired))
	}
	*s = pairState{}
	t.free = append(t.free, place-1)
}
