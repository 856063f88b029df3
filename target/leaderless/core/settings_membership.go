package core

import "fmt"

// RingChange says whether and how the ring can change.
type RingChange uint8

// The ways.
const (
	// RingStatic: the members are those of the start, for good.
	RingStatic RingChange = iota
	// RingGossip: nodes join and leave; the others hear of it in time, and until
	// then route by the ring that they know. See membership.go.
	RingGossip
	// RingEpochs: and no replica serves a coordinator that knows another ring than it. See epoch.go.
	RingEpochs
)

// Detector says how nodes are suspected.
type Detector uint8

// The detectors.
const (
	// DetectorTimeout suspects after SuspectAfter; see detector.go.
	DetectorTimeout Detector = iota
	// DetectorPhi suspects when φ exceeds PhiThreshold; see phi.go.
	DetectorPhi
)

// Bootstrap says when a node that joins serves reads.
type Bootstrap uint8

// The times.
const (
	// BootstrapStreamFirst: when it has all that it missed.
	BootstrapStreamFirst Bootstrap = iota
	// BootstrapServeAtOnce is unsafe on purpose: at once, with nothing yet.
	BootstrapServeAtOnce
)

// Rejoin says what a node does before it serves reads after a start.
type Rejoin uint8

// The possibilities.
const (
	// RejoinServe: nothing. It trusts its disk.
	RejoinServe Rejoin = iota
	// RejoinRepairFirst: it asks the other replicas for what its disk may lack; see rejoin.go.
	RejoinRepairFirst
)

// MembershipSettings are the settings of membership and failure detection.
type MembershipSettings struct {
	// Members is how many of the nodes, the first ones, are on the ring from the start; 0: all.
	Members int
	// RingChange, Detector, Bootstrap and Rejoin: see their types.
	RingChange RingChange
	Detector   Detector
	Bootstrap  Bootstrap
	Rejoin     Rejoin
	// GossipEvery is the interval, in nanoseconds, at which a node tells another what it knows of the members.
	GossipEvery int64
	// PhiThreshold is the φ above which a node counts as down.
	PhiThreshold int
}

var (
	ringChangeNames = []string{RingStatic: "static", RingGossip: "gossip", RingEpochs: "epochs"}
	detectorNames   = []string{DetectorTimeout: "timeout", DetectorPhi: "phi"}
	bootstrapNames  = []string{BootstrapStreamFirst: "stream-first", BootstrapServeAtOnce: "serve-at-once"}
	rejoinNames     = []string{RejoinServe: "serve", RejoinRepairFirst: "repair-first"}
)

// String returns the way as it is written in settings.
func (r RingChange) String() string { return enumName(ringChangeNames, int(r)) }

// String returns the detector as it is written in settings.
func (d Detector) String() string { return enumName(detectorNames, int(d)) }

// String returns the time as it is written in settings.
func (b Bootstrap) String() string { return enumName(bootstrapNames, int(b)) }

// String returns the possibility as it is written in settings.
func (r Rejoin) String() string { return enumName(rejoinNames, int(r)) }

// membershipRows are their rows of the table.
var membershipRows = []settingRow{
	count("members", "0", "0 … nodes; 0: all", "Nodes that are on the ring from the start, the first ones; the others can join later.", MaxNodes,
		func(s *Settings) *int { return &s.Members }),
	choice("ring", "static", ringChangeNames, "Whether nodes can join and leave: not at all, known to the others as soon as gossip has told them, or with replicas that refuse coordinators of another ring.",
		func(s *Settings) *RingChange { return &s.RingChange }),
	duration("gossip-every", "1s", "With ring=gossip or epochs, the interval at which each node tells another one what it knows of the members.",
		func(s *Settings) *int64 { return &s.GossipEvery }),
	choice("bootstrap", "stream-first", bootstrapNames, "When a node that joins serves reads: with what it missed, or, unsafe on purpose, at once.",
		func(s *Settings) *Bootstrap { return &s.Bootstrap }),
	choice("rejoin", "serve", rejoinNames, "What a node does at each start before it serves reads: nothing, or ask the other replicas for what its disk may have lost.",
		func(s *Settings) *Rejoin { return &s.Rejoin }),
	choice("detector", "timeout", detectorNames, "How a node counts as down: by suspect-after, or by a suspicion that accrues as its heartbeats would lead one to expect (φ).",
		func(s *Settings) *Detector { return &s.Detector }),
	number("phi-threshold", "8", "1 … 100", "With detector=phi, the suspicion above which a node counts as down: 8 is wrong once in a hundred million times if the intervals between heartbeats are as the detector assumes.", 100,
		func(s *Settings) *int { return &s.PhiThreshold }),
}

// check finds what is wrong between these settings and others.
func (m *MembershipSettings) check(s *Settings) error {
	if m.Members > len(s.Nodes) {
		return fmt.Errorf("members=%d > %d nodes: there are no more nodes; set members ≤ %d or run at least %d nodes",
			m.Members, len(s.Nodes), len(s.Nodes), m.Members)
	}
	if m.Members != 0 && s.N > m.Members {
		return fmt.Errorf("n=%d > members=%d: every replica needs a member of its own; set n ≤ %d or members ≥ %d", s.N, m.Members, m.Members, s.N)
	}
	if m.RingChange == RingStatic && m.Members != 0 && m.Members < len(s.Nodes) {
		return fmt.Errorf("members=%d of %d nodes with ring=static: the others could never join; set ring=gossip or epochs, or members=0", m.Members, len(s.Nodes))
	}
	return nil
}

// members is how many nodes are on the ring from the start.
func (s *Settings) members() int {
	if s.Members == 0 {
		return len(s.Nodes)
	}
	return s.Members
}

// firstRing is the ring at the start.
func (s *Settings) firstRing() *Ring {
	return newRing(s.Nodes, firstView(len(s.Nodes), s.members()).owners(inRead), s.VirtualNodes)
}
