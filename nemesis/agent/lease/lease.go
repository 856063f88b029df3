package lease

import (
	"fmt"
	"sync"
	"time"
)

const (
	// attempts is how often undoing is tried before the table gives up and says so.
	attempts = 20
	// pause is the time between two attempts.
	pause = 250 * time.Millisecond
)

// Table holds the leases of one agent. Its methods may be called by several goroutines.
type Table struct {
	undo    func(fault string) error
	expired func(fault string, err error)

	mu     sync.Mutex
	leases map[string]*grant
}

// grant is one lease. Its address is its identity: a timer that fires late must
// not end the lease that replaced its own.
type grant struct {
	timer *time.Timer
}

// New returns an empty table. undo ends a fault whose lease ran out; expired is
// then told, with the last error if undo never succeeded. Neither is called with
// the table locked.
func New(undo func(fault string) error, expired func(fault string, err error)) *Table {
	return &Table{undo: undo, expired: expired, leases: map[string]*grant{}}
}

// Grant gives the fault d from now, in place of what is left of an earlier lease.
func (t *Table) Grant(fault string, d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.grant(fault, d)
}

// Renew is Grant for a fault that has a lease; for one that has none it is an error.
func (t *Table) Renew(fault string, d time.Duration) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.leases[fault]; !ok {
		return fmt.Errorf("fault %q has no lease here: it was healed or its lease ran out", fault)
	}
	t.grant(fault, d)
	return nil
}

// End forgets the fault's lease without undoing the fault.
func (t *Table) End(fault string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g, ok := t.leases[fault]; ok {
		g.timer.Stop()
		delete(t.leases, fault)
	}
}

// EndAll forgets every lease without undoing anything.
func (t *Table) EndAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range t.leases {
		g.timer.Stop()
	}
	clear(t.leases)
}

// Holds says whether the fault has a lease.
func (t *Table) Holds(fault string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.leases[fault]
	return ok
}

// grant replaces the fault's lease. t.mu is held.
func (t *Table) grant(fault string, d time.Duration) {
	if g, ok := t.leases[fault]; ok {
		g.timer.Stop()
	}
	g := &grant{}
	g.timer = time.AfterFunc(d, func() { t.expire(fault, g) })
	t.leases[fault] = g
}

func (t *Table) expire(fault string, g *grant) {
	t.mu.Lock()
	current := t.leases[fault] == g
	if current {
		delete(t.leases, fault)
	}
	t.mu.Unlock()
	if !current {
		return
	}
	err := t.undo(fault)
	for i := 1; err != nil && i < attempts; i++ {
		timer := time.NewTimer(pause)
		<-timer.C
		err = t.undo(fault)
	}
	t.expired(fault, err)
}
