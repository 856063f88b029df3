package checker

// place is when a block that a backward zone allows many times has its turn
// in an order of all blocks.
type place struct {
	at    int64
	value int32
}

// certificate builds an order of the prepared operations that follows the zones
// of their blocks and returns whether it proves the history linearizable: the
// order is replayed step by step against the definition, so nothing rests on
// how it was built.
func (d *decider) certificate(p prepared) bool {
	d.arrange(p, earliest)
	d.chains.load(p)
	return d.replays(p)
}

// A chooser says when a backward zone has its turn, if there were no others.
type chooser func(z zone, i int) int64

func earliest(z zone, _ int) int64 { return z.low }

// arrange puts the blocks into an order of their zones: forward ones by time,
// backward ones where choose says, moved out of forward zones.
func (d *decider) arrange(p prepared, choose chooser) {
	d.places = d.places[:0]
	for k, z := range d.backward {
		at := choose(z, k)
		if i := lastBelow(d.forward, at); i >= 0 && at < d.forward[i].high {
			if at = d.forward[i].high; at > z.high {
				at = d.forward[i].low
			}
		}
		d.places = append(d.places, place{at, z.value})
	}
	sortNearly(d.places, func(a, b place) bool { return a.at < b.at || a.at == b.at && a.value < b.value })
	order := d.sweeper.order[:0]
	for b, f := 0, 0; b < len(d.places) || f < len(d.forward); {
		if b < len(d.places) && (f == len(d.forward) || d.places[b].at <= d.forward[f].low) {
			order = append(order, piece{d.places[b].value, none})
			b++
		} else {
			order = append(order, piece{d.forward[f].value, none})
			f++
		}
	}
	d.sweeper.order = order
}

// replays carries the pieces out in their order and says whether that explains
// every operation that certainly took effect. The chains are loaded.
func (d *decider) replays(p prepared) bool {
	replay := replayer{at: never, value: initial}
	for _, x := range d.sweeper.order {
		switch {
		case x.root == none && !replay.step(&p.operations[x.operation]):
			return false
		case x.root != none && !d.chains.replay(x.root, &replay):
			return false
		}
	}
	return replay.steps == d.chains.certain
}

// replayer carries out operations one after the other, each at the earliest
// instant that its interval and its predecessors allow.
type replayer struct {
	at    int64
	value int32
	steps int // those that certainly took effect
}

func (y *replayer) step(o *registerOperation) bool {
	y.at = max(y.at, o.start)
	if y.at > o.end {
		return false
	}
	if seen := o.observes(); seen != none && seen != y.value {
		return false
	}
	if o.mutates() {
		y.value = o.value
	}
	if o.outcome != possible {
		y.steps++
	}
	return true
}

// chains groups the prepared operations by value and ties together values
// that compare-and-sets made from one another. Mismatches, and mutations that
// may not have taken effect, have no place in it.
type chains struct {
	operations []registerOperation
	deletes    bool
	certain    int     // operations that certainly took effect
	writer     []int32 // by value; of not-found none
	successor  []int32 // by value: the compare-and-set that replaced it, or none
	ends       []int32 // by value: where its part of reads ends, and the next one's begins
	reads      []int32 // in the order of their start, for each value
}

// load keeps its storage from one use to the next.
func (c *chains) load(p prepared) {
	c.operations, c.deletes, c.certain = p.operations, p.deletes, 0
	c.writer, c.successor, c.ends = resize(c.writer, p.values), resize(c.successor, p.values), resize(c.ends, p.values)
	for v := range c.writer {
		c.writer[v], c.successor[v], c.ends[v] = none, none, 0
	}
	total := int32(0)
	for i := range p.operations {
		o := &p.operations[i]
		if o.outcome == possible || o.outcome == mismatch {
			continue
		}
		c.certain++
		if !o.mutates() {
			c.ends[o.value]++
			total++
			continue
		}
		if o.value != initial {
			c.writer[o.value] = int32(i)
		}
		if o.kind == compareAndSet {
			c.successor[o.expected] = int32(i)
		}
	}
	begin := int32(0)
	for v := range c.ends {
		begin, c.ends[v] = begin+c.ends[v], begin
	}
	c.reads = resize(c.reads, int(total))
	for i := range p.operations {
		if o := &p.operations[i]; !o.mutates() && o.outcome != mismatch {
			c.reads[c.ends[o.value]] = int32(i)
			c.ends[o.value]++
		}
	}
	before := func(a, b int32) bool { return p.operations[a].start < p.operations[b].start }
	for v := range c.writer {
		sortNearly(c.readsOf(int32(v)), before)
	}
}

// readsOf are the reads of the value.
func (c *chains) readsOf(value int32) []int32 {
	begin := int32(0)
	if value > 0 {
		begin = c.ends[value-1]
	}
	return c.reads[begin:c.ends[value]]
}

// replay carries out the value's write and reads and those of all values that follow in its chain.
func (c *chains) replay(value int32, y *replayer) bool {
	if w := c.writer[value]; w != none && !y.step(&c.operations[w]) {
		return false
	}
	for {
		for _, i := range c.readsOf(value) {
			if !y.step(&c.operations[i]) {
				return false
			}
		}
		next := c.successor[value]
		if next == none {
			return true
		}
		if !y.step(&c.operations[next]) || y.steps > len(c.operations) {
			return false
		}
		if value = c.operations[next].value; value == initial {
			return true // deleted: what comes then is another piece
		}
	}
}
