package core

// table finds what is open by its number. Numbers only grow, and what they
// stand for is usually closed soon, so a number's place is simply its remainder
// by the table's size. One whose place is still taken is never given out: it
// is skipped, which keeps numbers unique and needs no list of collisions.
type table[T any] struct {
	places []place[T] // a power of two, or none; at most half of them are taken
	taken  int
	last   uint64 // the last number that was given out or skipped; the first is 1
}

type place[T any] struct {
	number uint64
	item   *T // nil: free
}

func (t *table[T]) at(number uint64) *place[T] {
	return &t.places[number&uint64(len(t.places)-1)]
}

// add gives the item a number.
func (t *table[T]) add(item *T) uint64 {
	if 2*t.taken >= len(t.places) {
		t.grow()
	}
	t.taken++
	for {
		t.last++
		if p := t.at(t.last); p.item == nil {
			*p = place[T]{t.last, item}
			return t.last
		}
	}
}

// skip returns a number that stands for nothing.
func (t *table[T]) skip() uint64 {
	t.last++
	return t.last
}

// find returns the item, or nil if there is none with that number.
func (t *table[T]) find(number uint64) *T {
	if len(t.places) == 0 {
		return nil
	}
	if p := t.at(number); p.number == number {
		return p.item
	}
	return nil
}

// remove forgets the item with that number, which must be there.
func (t *table[T]) remove(number uint64) {
	*t.at(number) = place[T]{}
	t.taken--
}

// grow doubles the size: numbers that differed by the old one differ by the new one.
func (t *table[T]) grow() {
	old := t.places
	t.places = make([]place[T], max(8, 2*len(old)))
	for i := range old {
		if old[i].item != nil {
			*t.at(old[i].number) = old[i]
		}
	}
}
