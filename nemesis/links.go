package nemesis

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// links is what the nemesis has done to the directed links of the cluster:
// the union of all partitions. A probe that ran while somebody changed a link
// says nothing about that link; the counters of changes tell.
type links struct {
	mu       sync.Mutex
	by       map[history.Cut]map[string]bool // the faults that cut a link
	inMotion map[history.Cut]int             // how many faults are cutting or mending a link right now
	changes  map[history.Cut]int             // how often a link's state may have changed
}

func newLinks() *links {
	return &links{by: map[history.Cut]map[string]bool{}, inMotion: map[history.Cut]int{}, changes: map[history.Cut]int{}}
}

// cut notes that the fault begins to cut the links; settle must follow.
func (l *links) cut(fault string, cuts []history.Cut) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range cuts {
		if l.by[c] == nil {
			l.by[c] = map[string]bool{}
		}
		l.by[c][fault] = true
		l.inMotion[c]++
		l.changes[c]++
	}
}

// moving notes that the links are about to change; settle must follow.
func (l *links) moving(cuts []history.Cut) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range cuts {
		l.inMotion[c]++
		l.changes[c]++
	}
}

// settle notes that a change is complete.
func (l *links) settle(cuts []history.Cut) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range cuts {
		l.inMotion[c]--
		l.changes[c]++
	}
}

// mend notes that the fault cuts the links no longer.
func (l *links) mend(fault string, cuts []history.Cut) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range cuts {
		delete(l.by[c], fault)
	}
}

// linkState is what is known of a link at one moment.
type linkState struct {
	cut, moving bool
	changes     int
}

func (l *links) state(c history.Cut) linkState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return linkState{cut: len(l.by[c]) > 0, moving: l.inMotion[c] > 0, changes: l.changes[c]}
}

const (
	// silence is how long a probe must stay away before its link counts as
	// silent. Links that are open answer in well under a millisecond, and the
	// wait begins only when they have.
	silence = 150 * time.Millisecond
	// answerWait is how long an open link may take for one probe.
	answerWait = 250 * time.Millisecond
	// probeTries is how often an open link is asked before it counts as not answering.
	probeTries = 4
)

// probe observes every directed link of the cluster: those of silent must let
// nothing through, and those that no fault cuts must let probes through.
// Links that other faults cut are left to them.
func (n *Nemesis) probe(ctx context.Context, until time.Time, fault string, silent []history.Cut) observation {
	p := &prober{n: n, fault: fault, pending: map[history.Cut]bool{}, failures: map[history.Cut]int{}, problems: map[string]bool{}}
	for _, from := range n.nodes {
		for _, to := range n.nodes {
			if from != to {
				p.links = append(p.links, history.Cut{From: from, To: to})
				p.pending[history.Cut{From: from, To: to}] = false
			}
		}
	}
	for _, c := range silent {
		p.pending[c] = true
	}
	p.silent = len(silent)
	for p.round = 1; ; p.round++ {
		p.once(ctx)
		if len(p.pending) == 0 || p.hopeless() || ctx.Err() != nil || !n.timer.Now().Before(until) {
			return p.result(ctx)
		}
		if n.timer.Sleep(ctx, 5*time.Millisecond) != nil {
			return p.result(ctx)
		}
	}
}

// prober is one observation of all links, in as many rounds as it takes.
type prober struct {
	n     *Nemesis
	fault string
	round int
	links []history.Cut // all links, in order
	// pending has the links about which nothing is known yet; true: must be silent.
	pending  map[history.Cut]bool
	failures map[history.Cut]int
	silent   int // how many must be silent
	quiet    int // how many were
	answered int
	others   int             // cut by other faults
	leaks    []history.Cut   // got through although cut
	problems map[string]bool // errors of agents
}

// once sends probes over all pending links that are not being changed and looks where they arrived.
func (p *prober) once(ctx context.Context) {
	before := map[history.Cut]linkState{}
	to := map[string][]string{}   // sender → receivers
	want := map[string][]string{} // receiver → senders that must be heard
	mute := map[string][]string{} // receiver → senders that must not be heard
	for _, c := range p.links {
		mustBeSilent, pending := p.pending[c]
		state := p.n.links.state(c)
		switch {
		case !pending || state.moving:
			continue
		case mustBeSilent:
			mute[c.To] = append(mute[c.To], c.From)
		case state.cut:
			p.others++
			delete(p.pending, c)
			continue
		default:
			want[c.To] = append(want[c.To], c.From)
		}
		before[c] = state
		to[c.From] = append(to[c.From], c.To)
	}
	token := fmt.Sprintf("%s.%d.%x", p.fault, p.round, p.n.timer.Now().UnixNano())
	sent := p.send(ctx, token, to)
	heard := p.listen(ctx, token, want, mute)
	for _, c := range p.links {
		state, probed := before[c]
		if !probed || !sent[c.From] || heard[c.To] == nil || p.n.links.state(c) != state {
			if probed {
				p.failures[c]++
			}
			continue
		}
		p.judge(c, heard[c.To][c.From])
	}
}

func (p *prober) judge(c history.Cut, heard bool) {
	switch {
	case p.pending[c] && heard:
		p.leaks = append(p.leaks, c)
	case p.pending[c]:
		p.quiet++
	case heard:
		p.answered++
	default:
		p.failures[c]++
		return
	}
	delete(p.pending, c)
}

// send has every sender send its probes and returns which of them did.
func (p *prober) send(ctx context.Context, token string, to map[string][]string) map[string]bool {
	var mu sync.Mutex
	sent := map[string]bool{}
	_ = fan(inOrder(p.n.nodes, keysOf(to)), func(node string) error {
		_, err := call[struct{}](ctx, p.n, node, protocol.Request{Op: protocol.OpProbeSend, Fault: p.fault, Token: token, Addresses: p.n.addresses(to[node])})
		mu.Lock()
		defer mu.Unlock()
		sent[node] = err == nil
		if err != nil {
			p.problems[fmt.Sprintf("probing: %v", err)] = true
		}
		return err
	})
	return sent
}

// listen asks every receiver whom it heard: first those that must be heard,
// however long that takes, and then, after a silence, those that must not be.
func (p *prober) listen(ctx context.Context, token string, want, mute map[string][]string) map[string]map[string]bool {
	var mu sync.Mutex
	heard := map[string]map[string]bool{}
	ask := func(node string, senders []string, wait time.Duration) ([]string, error) {
		if len(senders) == 0 {
			return nil, nil
		}
		seen, err := call[protocol.Seen](ctx, p.n, node, protocol.Request{Op: protocol.OpProbeSeen, Fault: p.fault,
			Token: token, Addresses: p.n.addresses(senders), WaitMillis: wait.Milliseconds()})
		return seen.Addresses, err
	}
	_ = fan(inOrder(p.n.nodes, append(keysOf(want), keysOf(mute)...)), func(node string) error {
		seen, err := ask(node, want[node], answerWait)
		var leaked []string
		if err == nil {
			leaked, err = ask(node, mute[node], silence)
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			p.problems[fmt.Sprintf("probing: %v", err)] = true
			return err
		}
		heard[node] = map[string]bool{}
		for _, address := range append(seen, leaked...) {
			heard[node][p.n.nodeAt(address)] = true
		}
		return nil
	})
	return heard
}

// hopeless says that no more rounds are worth while: each link that is still pending has had its tries.
func (p *prober) hopeless() bool {
	for c := range p.pending {
		if p.failures[c] < probeTries {
			return false
		}
	}
	return true
}

func (p *prober) result(ctx context.Context) observation {
	var dumb, unknown []history.Cut
	for _, c := range p.links {
		if mustBeSilent, pending := p.pending[c]; pending && mustBeSilent {
			unknown = append(unknown, c)
		} else if pending {
			dumb = append(dumb, c)
		}
	}
	var text []string
	if p.silent > 0 {
		text = append(text, fmt.Sprintf("%d of %d cut links silent", p.quiet, p.silent))
	}
	text = append(text, fmt.Sprintf("%d of %d open links answered", p.answered, p.answered+len(dumb)))
	if p.others > 0 {
		text = append(text, fmt.Sprintf("%d links cut by other faults", p.others))
	}
	if len(p.leaks) > 0 {
		text = append(text, "got through: "+strings.TrimPrefix(listCuts(p.leaks), "cut "))
	}
	if len(dumb) > 0 {
		text = append(text, "no answer: "+strings.TrimPrefix(listCuts(dumb), "cut "))
	}
	if len(unknown) > 0 {
		text = append(text, "not known: "+strings.TrimPrefix(listCuts(unknown), "cut "))
	}
	if len(p.pending) > 0 {
		text = append(text, inOrderOf(p.problems)...)
		if ctx.Err() != nil {
			text = append(text, "the run was ended meanwhile")
		}
	}
	return observation{ok: len(p.pending) == 0 && len(p.leaks) == 0, text: strings.Join(text, ", ")}
}
