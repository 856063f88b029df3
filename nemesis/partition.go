package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

func partitionKind() *kind {
	return &kind{
		name:  Partition,
		help:  "drops all packets on some links between nodes; clients still reach every node",
		needs: "CAP_NET_ADMIN and nf_tables in the pod",
		shapes: []shape{
			{IsolateOne, "one node hears no one, and no one hears it", 2, true},
			{MajorityMinority, "a majority and the rest are apart", 3, true},
			{RandomHalves, "two sides of equal size are apart", 2, false},
			{Bridge, "two halves are apart, one node hears both", 3, false},
			{MajoritiesRing, "each node hears a majority, no two the same", 4, false},
			{OneWay, "one side hears nothing of the other, which hears everything", 2, false},
			{Datacenters, "data centres are apart (targets with several only)", 2, false},
		},
		span: func(_ string, _ time.Duration, o ScheduleOptions) (time.Duration, time.Duration) {
			return o.Shortest, o.Longest
		},
		draw:     drawPartition,
		describe: describePartition,
		check:    checkPartition,
		begin: func(n *Nemesis, f *plan.Fault) effect {
			return &partition{n: n, fault: f.ID, cuts: sortCuts(n.nodes, slices.Clone(f.Cuts))}
		},
	}
}

func drawPartition(r *rand.Rand, nodes []string, _ bool, f *plan.Fault) {
	p := shuffled(r, nodes)
	n := len(p)
	minority := max(1, (n-1)/2)
	switch f.Shape {
	case RandomHalves:
		f.Targets, f.Cuts = p[:n/2], SplitCuts(p[:n/2], p[n/2:])
	case IsolateOne:
		f.Targets, f.Cuts = p[:1], SplitCuts(p[:1], p[1:])
	case MajorityMinority:
		k := 1 + r.IntN(minority)
		f.Targets, f.Cuts = p[:k], SplitCuts(p[:k], p[k:])
	case MajoritiesRing:
		f.Targets, f.Cuts = nodes, RingCuts(p)
	case Bridge:
		half := 1 + (n-1)/2
		f.Targets, f.Cuts = p[:1], BridgeCuts(p[1:half], p[half:])
	case OneWay:
		k := 1 + r.IntN(minority)
		f.Targets = p[:k]
		if r.IntN(2) == 0 {
			f.Cuts = OneWayCuts(p[k:], p[:k])
		} else {
			f.Cuts = OneWayCuts(p[:k], p[k:])
		}
	}
	f.Targets, f.Cuts = inOrder(nodes, f.Targets), sortCuts(nodes, f.Cuts)
}

// drawDatacenters cuts one data centre off all others, or, of three or more, in
// every second case all of them from one another.
func drawDatacenters(r *rand.Rand, nodes []string, datacenters [][]string, f *plan.Fault) {
	one := r.IntN(len(datacenters))
	f.Targets, f.Cuts = datacenters[one], nil
	apart := len(datacenters) > 2 && r.IntN(2) == 0
	for i := range datacenters {
		for j := range i {
			if apart || i == one || j == one {
				f.Cuts = append(f.Cuts, SplitCuts(datacenters[i], datacenters[j])...)
			}
		}
	}
	f.Targets, f.Cuts = inOrder(nodes, f.Targets), sortCuts(nodes, f.Cuts)
}

func describePartition(nodes []string, f *plan.Fault) string {
	text := describeCuts(nodes, f.Cuts)
	if f.Hold {
		text += ", messages held back"
	}
	return text
}

func checkPartition(nodes []string, f *plan.Fault) error {
	if len(f.Cuts) == 0 {
		return errors.New("a partition without cuts: name the links, for instance {\"from\":\"n1\",\"to\":\"n2\"}")
	}
	for _, c := range f.Cuts {
		for _, node := range []string{c.From, c.To} {
			if !slices.Contains(nodes, node) {
				return fmt.Errorf("the cut %s→%s: there is no node %q", c.From, c.To, node)
			}
		}
		if c.From == c.To {
			return fmt.Errorf("the cut %s→%s: a node cannot be cut off itself", c.From, c.To)
		}
	}
	return nil
}

// partition is the effect of one partition: packets are dropped where they
// arrive, because a sender that drops its own packets notices (sendto fails
// with EPERM), as it would not in a real partition.
type partition struct {
	n     *Nemesis
	fault string
	cuts  []history.Cut
	took  time.Duration
}

// receivers returns the nodes on which packets are dropped, in order.
func (p *partition) receivers() []string {
	var set []string
	for _, c := range p.cuts {
		set = append(set, c.To)
	}
	return inOrder(p.n.nodes, set)
}

func (p *partition) leased() []string { return p.receivers() }

func (p *partition) inject(ctx context.Context) error {
	p.n.links.cut(p.fault, p.cuts)
	defer p.n.links.settle(p.cuts)
	began := p.n.timer.Now()
	err := fan(p.receivers(), func(node string) error {
		var addresses []string
		for _, c := range p.cuts {
			if c.To == node {
				addresses = append(addresses, p.n.cluster.Address(c.From))
			}
		}
		_, err := call[protocol.Cuts](ctx, p.n, node, protocol.Request{
			Op: protocol.OpCut, Fault: p.fault, Addresses: addresses, LeaseMillis: p.n.leaseMillis(p.fault)})
		return err
	})
	p.took = p.n.timer.Now().Sub(began)
	return err
}

func (p *partition) verify(ctx context.Context, until time.Time) observation {
	o := p.n.probe(ctx, until, p.fault, p.cuts)
	o.text += fmt.Sprintf(", cut in %s", shortDuration(p.took))
	return o
}

func (p *partition) heal(ctx context.Context) error {
	p.n.links.moving(p.cuts)
	began := p.n.timer.Now()
	err := fan(p.receivers(), func(node string) error {
		_, err := call[protocol.Cuts](ctx, p.n, node, protocol.Request{Op: protocol.OpMend, Fault: p.fault})
		return err
	})
	p.took = p.n.timer.Now().Sub(began)
	// Whether or not the agents said so, the links should be open from here on; probes tell.
	p.n.links.mend(p.fault, p.cuts)
	p.n.links.settle(p.cuts)
	return err
}

func (p *partition) healed(ctx context.Context, until time.Time) observation {
	o := p.n.probe(ctx, until, p.fault, nil)
	o.text += fmt.Sprintf(", mended in %s", shortDuration(p.took))
	return o
}

// shuffled returns the nodes in random order.
func shuffled(r *rand.Rand, nodes []string) []string {
	p := slices.Clone(nodes)
	r.Shuffle(len(p), func(i, j int) { p[i], p[j] = p[j], p[i] })
	return p
}
