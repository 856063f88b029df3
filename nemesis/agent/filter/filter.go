package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

const (
	tableName = "refute"
	chainName = "cut"
	setName   = "cut"
	// priority is that of the raw table, ahead of connection tracking (−200).
	priority = -400
	// sourceOffset and addressLength locate the source address in an IPv4 header (RFC 791).
	sourceOffset  = 12
	addressLength = 4
)

// Filter is the packet filter of one network namespace. Its methods may be
// called by several goroutines.
type Filter struct {
	mu    sync.Mutex
	conn  *nftables.Conn
	table *nftables.Table
	chain *nftables.Chain
	set   *nftables.Set
	cuts  map[string][]netip.Addr
}

// Open installs the table, with nothing cut. A table that an earlier agent left
// is replaced. Use Explain to tell a user what an error means.
func Open() (*Filter, error) {
	conn, err := nftables.New(nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("open nftables: %w", err)
	}
	f := &Filter{conn: conn, cuts: map[string][]netip.Addr{}}
	f.table = &nftables.Table{Name: tableName, Family: nftables.TableFamilyIPv4}
	// Adding before deleting makes the deletion succeed whether the table exists or not.
	conn.AddTable(f.table)
	conn.DelTable(f.table)
	conn.AddTable(f.table)
	accept := nftables.ChainPolicyAccept
	f.chain = conn.AddChain(&nftables.Chain{
		Name: chainName, Table: f.table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityRef(priority), Policy: &accept,
	})
	f.set = &nftables.Set{Table: f.table, Name: setName, KeyType: nftables.TypeIPAddr}
	if err := conn.AddSet(f.set, nil); err != nil {
		return nil, errors.Join(fmt.Errorf("install the packet filter: %w", err), conn.CloseLasting())
	}
	conn.AddRule(&nftables.Rule{Table: f.table, Chain: f.chain, Exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: sourceOffset, Len: addressLength},
		&expr.Lookup{SourceRegister: 1, SetName: f.set.Name, SetID: f.set.ID},
		&expr.Counter{},
		&expr.Verdict{Kind: expr.VerdictDrop},
	}})
	if err := conn.Flush(); err != nil {
		return nil, errors.Join(fmt.Errorf("install the packet filter: %w", err), conn.CloseLasting())
	}
	return f, nil
}

// Cut drops every packet from the addresses until fault is mended. A second Cut
// of the same fault replaces its first. On error the filter is as it was before.
func (f *Filter) Cut(fault string, addresses []netip.Addr) error {
	for _, a := range addresses {
		if !a.Is4() {
			return fmt.Errorf("cut %s: only IPv4 addresses can be cut", a)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	before, had := f.cuts[fault]
	f.cuts[fault] = slices.Clone(addresses)
	if err := f.apply(); err != nil {
		if had {
			f.cuts[fault] = before
		} else {
			delete(f.cuts, fault)
		}
		return fmt.Errorf("cut %v: %w", addresses, err)
	}
	return nil
}

// Mend ends what fault cut and returns the addresses that no other fault cuts
// either, in order. An unknown fault is no error.
func (f *Filter) Mend(fault string) ([]netip.Addr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cut, had := f.cuts[fault]
	if !had {
		return nil, nil
	}
	delete(f.cuts, fault)
	if err := f.apply(); err != nil {
		f.cuts[fault] = cut
		return nil, fmt.Errorf("mend %s: %w", fault, err)
	}
	still := f.union()
	var freed []netip.Addr
	for _, a := range cut {
		if !slices.Contains(still, a) {
			freed = append(freed, a)
		}
	}
	return ordered(freed), nil
}

// MendAll ends every cut.
func (f *Filter) MendAll() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.cuts) == 0 {
		return nil
	}
	before := f.cuts
	f.cuts = map[string][]netip.Addr{}
	if err := f.apply(); err != nil {
		f.cuts = before
		return fmt.Errorf("mend all: %w", err)
	}
	return nil
}

// Addresses returns every address whose packets are dropped now, in order.
func (f *Filter) Addresses() []netip.Addr {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.union()
}

// Dropped returns how many packets have been dropped since Open, as the kernel counts them.
func (f *Filter) Dropped() (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rules, err := f.conn.GetRules(f.table, f.chain)
	if err != nil {
		return 0, fmt.Errorf("read the packet filter's counter: %w", err)
	}
	for _, r := range rules {
		for _, e := range r.Exprs {
			if c, ok := e.(*expr.Counter); ok {
				return c.Packets, nil
			}
		}
	}
	return 0, errors.New("read the packet filter's counter: the rule is gone: something else changed table " + tableName)
}

// Installed returns the addresses in the kernel's set, in order: what is in
// force rather than what was asked for.
func (f *Filter) Installed() ([]netip.Addr, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	elements, err := f.conn.GetSetElements(f.set)
	if err != nil {
		return nil, fmt.Errorf("read the packet filter's set: %w", err)
	}
	var as []netip.Addr
	for _, e := range elements {
		if a, ok := netip.AddrFromSlice(e.Key); ok {
			as = append(as, a)
		}
	}
	return ordered(as), nil
}

// Close removes the table; nothing is cut any more.
func (f *Filter) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conn.AddTable(f.table)
	f.conn.DelTable(f.table)
	return errors.Join(f.conn.Flush(), f.conn.CloseLasting())
}

// union returns what all faults together cut, in order. f.mu is held.
func (f *Filter) union() []netip.Addr {
	var as []netip.Addr
	for _, cut := range f.cuts {
		as = append(as, cut...)
	}
	return ordered(as)
}

// apply makes the kernel's set the union, in one transaction. f.mu is held.
func (f *Filter) apply() error {
	f.conn.FlushSet(f.set)
	if as := f.union(); len(as) > 0 {
		elements := make([]nftables.SetElement, len(as))
		for i, a := range as {
			elements[i].Key = a.AsSlice()
		}
		if err := f.conn.SetAddElements(f.set, elements); err != nil {
			return err
		}
	}
	return f.conn.Flush()
}

func ordered(as []netip.Addr) []netip.Addr {
	slices.SortFunc(as, netip.Addr.Compare)
	return slices.Compact(as)
}

// Explain turns an error of Open into one line with the cause and the remedy.
func Explain(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Sprintf("the packet filter is refused (%v): the pod needs the NET_ADMIN capability; allow it in the engine's security policy", err)
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EAFNOSUPPORT):
		return fmt.Sprintf("the kernel has no nftables (%v): load the modules nf_tables and nft_counter on the engine's host (modprobe nf_tables)", err)
	}
	return fmt.Sprintf("the packet filter can't be installed: %v: check that `nft list ruleset` works on the engine's host", err)
}
