package history

// Nearly every line that is read was written by AppendEvent, so that its
// fields stand in one order without spaces and its strings have no escapes.
// Such a line is read against that template; whatever differs from it in the
// least is left to the general decoder, which reads all of JSON.

// template reads a line of exactly the form that AppendEvent gives it, and
// says whether it was one. What it leaves in the event otherwise means nothing.
func (d *Decoder) template(line []byte, e *Event) bool {
	*e = Event{}
	i := after(line, 0, `{"index":`)
	if e.Index, i = natural(line, i); i < 0 {
		return false
	}
	i = after(line, i, `,"time":`)
	if e.Time, i = natural(line, i); i < 0 {
		return false
	}
	i = after(line, i, `,"process":`)
	if k := after(line, i, `"nemesis"`); k >= 0 {
		e.Process, i = Nemesis, k
	} else {
		var n int64
		if n, i = natural(line, i); i < 0 {
			return false
		}
		e.Process = Process(n)
	}
	i = after(line, i, `,"type":"`)
	if e.Type, i = typeAt(line, i); i < 0 {
		return false
	}
	i = after(line, i, `,"f":"`)
	if e.F, i = d.nameAt(line, i); i < 0 {
		return false
	}
	if k := after(line, i, `,"key":"`); k >= 0 {
		if e.Key, i = d.textAt(line, k); i < 0 {
			return false
		}
	}
	if k := after(line, i, `,"value":`); k >= 0 {
		if e.Value, i = d.valueAt(line, k); i < 0 {
			return false
		}
	}
	if k := after(line, i, `,"error":"`); k >= 0 {
		if e.Error, i = d.textAt(line, k); i < 0 {
			return false
		}
	}
	if k := after(line, i, `,"node":"`); k >= 0 {
		if e.Node, i = d.textAt(line, k); i < 0 {
			return false
		}
	}
	if k := after(line, i, `,"evidence":`); k >= 0 {
		if e.Evidence, i = d.evidenceAt(line, k); i < 0 {
			return false
		}
	}
	return i == len(line)-1 && line[i] == '}'
}

// after returns the place after the literal if that stands at i, else -1; also if i is -1 already.
func after(line []byte, i int, literal string) int {
	if end := i + len(literal); i >= 0 && end <= len(line) && string(line[i:end]) == literal {
		return end
	}
	return -1
}

// natural reads a number of up to 18 digits at i and returns the place after it, or -1.
func natural(line []byte, i int) (n int64, next int) {
	if i < 0 {
		return 0, -1
	}
	start := i
	for i < len(line) {
		c := line[i] - '0'
		if c > 9 {
			break
		}
		n = n*10 + int64(c)
		i++
	}
	if digits := i - start; digits == 0 || digits > 18 || digits > 1 && line[start] == '0' {
		return 0, -1
	}
	return n, i
}

// typeAt reads the name of a type and its closing quote.
func typeAt(line []byte, i int) (Type, int) {
	if k := after(line, i, `invoke"`); k >= 0 {
		return Invoke, k
	}
	if k := after(line, i, `ok"`); k >= 0 {
		return Ok, k
	}
	if k := after(line, i, `info"`); k >= 0 {
		return Info, k
	}
	return Fail, after(line, i, `fail"`)
}

// unplain marks the bytes that end a string or make it one for the general decoder.
var unplain = func() (table [256]bool) {
	for c := range table {
		table[c] = c < ' ' || c == '"' || c == '\\' || c >= 0x80
	}
	return table
}()

// plainText returns the place of the quote that closes the string of plain
// letters whose inside begins at i, or -1.
func plainText(line []byte, i int) int {
	if i < 0 {
		return -1
	}
	for ; i < len(line); i++ {
		if unplain[line[i]] {
			if line[i] == '"' {
				return i
			}
			return -1
		}
	}
	return -1
}

// nameAt reads the rest of the name of an operation, most of which are known.
func (d *Decoder) nameAt(line []byte, i int) (string, int) {
	if k := after(line, i, `read"`); k >= 0 {
		return FRead, k
	}
	if k := after(line, i, `write"`); k >= 0 {
		return FWrite, k
	}
	return d.textAt(line, i)
}

// textAt reads the rest of a string, quote included, and returns the one copy of its text.
func (d *Decoder) textAt(line []byte, i int) (string, int) {
	end := plainText(line, i)
	if end < 0 {
		return "", -1
	}
	return d.recall(line[i:end]), end + 1
}

// recentTexts is how many strings are remembered by their last letters.
const recentTexts = 4096

// recall is intern, which need not ask the map for most strings.
func (d *Decoder) recall(text []byte) string {
	hash := uint(0)
	for i := max(0, len(text)-4); i < len(text); i++ {
		hash = hash*10 + uint(text[i]-'0')
	}
	if d.recent == nil {
		d.recent = new([recentTexts]string)
	}
	slot := &d.recent[hash%recentTexts]
	if *slot != string(text) {
		*slot = d.intern(text)
	}
	return *slot
}

// valueAt reads a value.
func (d *Decoder) valueAt(line []byte, i int) (Value, int) {
	if n, k := natural(line, i); k >= 0 {
		return IntValue(n), k
	}
	if k := after(line, i, `null`); k >= 0 {
		return NilValue(), k
	}
	d.scan.data, d.scan.pos = line, i
	v, err := d.value(&d.scan)
	if err != nil {
		return Value{}, -1
	}
	return v, d.scan.pos
}

// evidenceAt reads or skips evidence.
func (d *Decoder) evidenceAt(line []byte, i int) (*Evidence, int) {
	if !d.Evidence {
		if k := skipEvidence(line, i); k >= 0 {
			return nil, k
		}
	}
	d.scan.data, d.scan.pos = line, i
	e, err := d.evidence(&d.scan)
	if err != nil {
		return nil, -1
	}
	return e, d.scan.pos
}

// skipEvidence returns the place after evidence of exactly the form that
// AppendEvent gives it, else -1.
func skipEvidence(line []byte, i int) int {
	i = after(line, i, `{`)
	if k := after(line, i, `"coordinator":"`); k >= 0 {
		i = after(line, skipText(line, k), `,`)
	}
	if k := after(line, i, `"required":`); k >= 0 {
		_, k = natural(line, k)
		i = after(line, k, `,`)
	}
	if k := after(line, i, `"version":"`); k >= 0 {
		i = after(line, skipText(line, k), `,`)
	}
	if k := after(line, i, `"timestamp":`); k >= 0 {
		_, k = natural(line, k)
		i = after(line, k, `,`)
	}
	// What comes last in an object without these two has an object's end, not a comma, after it.
	if i = after(line, i, `"replicas":[`); i < 0 {
		return -1
	}
	for {
		if i = skipReplica(line, i); i < 0 || i >= len(line) {
			return -1
		}
		if line[i] == ']' {
			i++
			break
		}
		i = after(line, i, `,`)
	}
	if k := after(line, i, `,"phases":[`); k >= 0 {
		i = skipTexts(line, k)
	}
	if k := after(line, i, `,"hints":[`); k >= 0 {
		i = skipTexts(line, k)
	}
	return after(line, i, `}`)
}

func skipReplica(line []byte, i int) int {
	i = skipText(line, after(line, i, `{"node":"`))
	if k := after(line, i, `,"answered":true`); k >= 0 {
		i = k
	} else {
		i = after(line, i, `,"answered":false`)
	}
	if k := after(line, i, `,"counted":true`); k >= 0 {
		i = k
	}
	if k := after(line, i, `,"version":"`); k >= 0 {
		i = skipText(line, k)
	}
	if k := after(line, i, `,"hint_for":"`); k >= 0 {
		i = skipText(line, k)
	}
	return after(line, i, `}`)
}

// skipTexts returns the place after the rest of a list of at least one string, or -1.
func skipTexts(line []byte, i int) int {
	for {
		if i = skipText(line, after(line, i, `"`)); i < 0 || i >= len(line) {
			return -1
		}
		if line[i] == ']' {
			return i + 1
		}
		i = after(line, i, `,`)
	}
}

// skipText returns the place after the rest of a string, quote included, or -1.
func skipText(line []byte, i int) int {
	if i = plainText(line, i); i >= 0 {
		return i + 1
	}
	return -1
}
