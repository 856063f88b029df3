package core

import "fmt"

// Quorums. A request names how many replicas must answer it by numbers (n, w,
// r) or by a consistency level; either becomes a demand for each of its
// phases: so many answers, from anywhere, from the coordinator's own data
// centre, or equally many from each (see Level). With w + r > n every read asks
// a replica that acknowledged the newest completed write (Gifford, Weighted
// voting for replicated data, SOSP 1979); with several data centres n stands
// for all home replicas together.
//
// Before anything is sent, the coordinator asks its failure detector whether
// enough replicas are up (Cassandra: assureSufficientLiveReplicas, which raises
// Unavailable). If not, the request fails at once, and for certain: nothing was
// sent. If so, and they turn out to be down after all, a write ends in a timeout
// that says nothing about the outcome, and its hints are kept all the same.
//
// More may be demanded than a number of answers: see primaries.go.

// quorum is what holds for one request.
type quorum struct {
	// n is how many home replicas each data centre has, homes how many there are in all.
	n, homes int
	// w and r are how many must acknowledge a write and answer a read, and
	// writes and reads which of them.
	w, r          int
	writes, reads scope
	// level is the level that was asked for, or that of the settings.
	level Level
	// pr, pw and dw: see primaries.go.
	pr, pw, dw int
	// pending are the nodes that a write goes to beside the homes while the
	// ring changes; each is one more acknowledgement. See membership.go.
	pending int
}

// resolve fills in the parts of the settings that requests need again and
// again, and finds out whether they can be had at all.
func (s *Settings) resolve() error {
	u := quorum{n: s.N, homes: s.N * s.Datacenters}
	w, r := s.WriteLevel.demand(s.W, s.N, s.Datacenters), s.ReadLevel.demand(s.R, s.N, s.Datacenters)
	u.w, u.writes, u.r, u.reads = w.count, w.scope, r.count, r.scope
	u.pr, u.pw, u.dw = s.PR, s.PW, s.DW
	for _, d := range []struct {
		demand
		level  Level
		name   string
		number int
		does   string
	}{{w, s.WriteLevel, "w", s.W, "a write can never be acknowledged by more replicas than it has"}, {r, s.ReadLevel, "r", s.R, "a read can never be answered by more replicas than there are"}} {
		switch most := d.available(s.N, s.Datacenters); {
		case d.count <= most:
		case d.level == LevelNumbers && s.Datacenters == 1:
			return fmt.Errorf("%s=%d > n=%d: %s; set %s ≤ %d or n ≥ %d", d.name, d.number, s.N, d.does, d.name, s.N, d.number)
		case d.level == LevelNumbers:
			return fmt.Errorf("%s=%d > n=%d in each of datacenters=%d, %d in all: %s; set %s ≤ %d", d.name, d.number, s.N, s.Datacenters, most, d.does, d.name, most)
		default:
			return fmt.Errorf("level %s with %d replicas of each key: %s; set n ≥ %d or another level", d.level, most, d.does, (d.count+s.Datacenters-1)/s.Datacenters)
		}
	}
	s.quorum = u
	s.special = s.choosy() || !s.NotFoundOK
	return nil
}

// Overlaps says that whatever read and write satisfy the settings' levels, or
// numbers, have a home replica in common, wherever they are coordinated.
func (s *Settings) Overlaps() bool {
	return Overlap(s.WriteLevel, s.W, s.ReadLevel, s.R, s.N, s.Datacenters, s.Datacenters == 1)
}

// quorum returns what holds for the request: its own numbers or level, and the
// settings' where it has none.
func (n *Node) quorum(q *Request) quorum {
	u := n.settings.quorum
	if q.Kind == RequestGet {
		u.level = n.settings.ReadLevel
	} else {
		u.level = n.settings.WriteLevel
	}
	if q.N|q.R|q.W|int(q.quorumLevel())|q.PR|q.PW|q.DW != 0 {
		u.override(n.settings, q)
	}
	return u
}

// override puts the request's own numbers and level in place of the settings'.
// What is impossible about them is found later, by problem.
func (u *quorum) override(s *Settings, q *Request) {
	writeLevel, readLevel, w, r := s.WriteLevel, s.ReadLevel, s.W, s.R
	if q.N != 0 {
		u.n = q.N
		u.homes = q.N * s.Datacenters
	}
	if q.W != 0 {
		writeLevel, w = LevelNumbers, q.W
	}
	if q.R != 0 {
		readLevel, r = LevelNumbers, q.R
	}
	for _, own := range []struct {
		of    *int
		given int
	}{{&u.pr, q.PR}, {&u.pw, q.PW}, {&u.dw, q.DW}} {
		if own.given != 0 {
			*own.of = own.given
		}
	}
	if level := q.quorumLevel(); level != LevelNumbers {
		if q.Kind == RequestGet {
			readLevel = level
		} else {
			writeLevel = level
		}
	}
	writes, reads := writeLevel.demand(w, u.n, s.Datacenters), readLevel.demand(r, u.n, s.Datacenters)
	u.w, u.writes, u.r, u.reads = writes.count, writes.scope, reads.count, reads.scope
	u.level = writeLevel
	if q.Kind == RequestGet {
		u.level = readLevel
	}
}

// impossible says why the quorum of a request can never be reached; empty: it can.
func (n *Node) impossible(q *Request, u *quorum) string {
	s := n.settings
	get := q.Kind == RequestGet
	if least := smallestDatacenter(len(s.Nodes), s.Datacenters); u.n < 1 || u.w < 1 || u.r < 1 {
		return fmt.Sprintf("n=%d w=%d r=%d: each must be at least 1", u.n, u.w, u.r)
	} else if s.Datacenters == 1 && u.n > n.ring.Nodes() {
		return fmt.Sprintf("n=%d > %d nodes: every replica needs a node of its own", u.n, n.ring.Nodes())
	} else if u.n > least {
		return fmt.Sprintf("n=%d > %d nodes in a data centre: every replica needs a node of its own", u.n, least)
	}
	if q.quorumLevel() != LevelNumbers {
		if get && q.R != 0 || !get && q.W != 0 {
			return fmt.Sprintf("both a number of replicas and the level %s: give one of them", q.Level)
		}
		if why := levelProblem(q.Level, !get); why != "" {
			return why
		}
		if why := s.anyProblem(); q.Level == LevelAny && why != "" {
			return why
		}
		if q.Level.Serial() && !s.decides() {
			return fmt.Sprintf("level %s, but with cas=off no value is ever decided by consensus: use another level", q.Level)
		}
	}
	if get && (q.PW != 0 || q.DW != 0) || !get && q.PR != 0 {
		return "pr is for reads, pw and dw are for writes: leave out what is not this request's"
	}
	for _, own := range []struct {
		name   string
		number int
	}{{"pr", u.pr}, {"pw", u.pw}, {"dw", u.dw}} {
		if own.number < 0 || own.number > u.homes {
			return fmt.Sprintf("%s=%d with %d home replicas: want 0 to %d", own.name, own.number, u.homes, u.homes)
		}
	}
	// Only the numbers that the request uses can make it impossible.
	w, r := u.w, u.r
	if !get && !s.Fetches() {
		r = 1
	}
	if get && s.Repair != RepairABD {
		w = 1
	}
	if err := checkQuorums(u.homes, w, r); err != nil {
		return err.Error()
	}
	return ""
}

// shortage says why too few replicas are up for the request to have a chance,
// as far as this node can tell, and with which code it fails; empty: enough are.
func (n *Node) shortage(get bool, u *quorum, order []NodeID) (code, why string) {
	need := n.needed(get, u)
	if up := n.reachable(order, u.homes+u.pending); up < need {
		return CodeUnavailable, n.unavailable(u.homes+u.pending, "", up, need)
	}
	if u.pr|u.pw != 0 {
		if code, why := n.primaryShortage(get, u, order); code != "" {
			return code, why
		}
	}
	if u.reads|u.writes == scopeAll {
		return "", ""
	}
	if get || n.settings.Fetches() {
		why = n.shortageIn(u, demand{u.r, u.reads}, order)
	}
	if why == "" && (!get || n.settings.Repair == RepairABD) {
		why = n.shortageIn(u, demand{u.w, u.writes}, order)
	}
	if why != "" {
		code = CodeUnavailable
	}
	return code, why
}

func (n *Node) unavailable(replicas int, where string, up, need int) string {
	return fmt.Sprintf("of %d replicas%s only %d are up as far as node %s can tell, %d are needed: nothing was sent",
		replicas, where, up, n.settings.Nodes[n.id], need)
}

// shortageIn is shortage for a demand that tells data centres apart.
func (n *Node) shortageIn(u *quorum, d demand, order []NodeID) string {
	if d.scope == scopeAll {
		return ""
	}
	for dc := range n.settings.Datacenters {
		if d.scope == scopeLocal && dc != n.settings.Datacenter(n.id) {
			continue
		}
		candidates := order[:u.homes]
		if n.settings.Sloppy {
			candidates = order
		}
		up := 0
		for _, node := range candidates {
			if n.settings.Datacenter(node) == dc && !n.detector.suspects(n, node, n.now.Mono) {
				up++
			}
		}
		if up, need := min(up, u.n), d.perDatacenter(n.settings.Datacenters); up < need {
			return n.unavailable(u.n, fmt.Sprintf(" in dc%d", dc+1), up, need)
		}
	}
	return ""
}

// needed returns how many replicas must be up for the request to have a chance.
func (n *Node) needed(get bool, u *quorum) int {
	switch {
	case !get && u.level == LevelAny && !n.settings.Fetches():
		return 0 // a hint will do
	case !get && u.level == LevelAny:
		return u.r
	case get && n.settings.Repair == RepairABD, !get && n.settings.Fetches():
		return max(u.w+u.pending, u.r)
	case get:
		return u.r
	}
	return u.w + u.pending
}

// demands makes a demand the one that answers are counted against from now on.
func (op *operation) demands(need int, s scope) {
	op.counted, op.need, op.scope = 0, need, s
}

// inScope says that an answer of the leg may count: with scopeEach as long as
// its data centre lacks one. counted tells the legs that count already.
func (op *operation) inScope(l *leg, counted legFlags) bool {
	switch op.scope {
	case scopeLocal:
		return l.datacenter == op.datacenter
	case scopeEach:
		have := 0
		for i := range op.legs {
			if other := &op.legs[i]; other != l && other.datacenter == l.datacenter && other.is(counted) && op.first(other, counted) {
				have++
			}
		}
		return have < op.need/int(op.datacenters)
	}
	return true
}

// first says that no leg before this one has the flag for the same home replica.
func (op *operation) first(l *leg, f legFlags) bool {
	for i := range op.legs {
		other := &op.legs[i]
		if other == l {
			return true
		}
		if other.home == l.home && other.is(f) {
			return false
		}
	}
	return true
}

// homeSet is a set of positions in the preference list.
type homeSet [(MaxNodes + 63) / 64]uint64

func (s *homeSet) add(home uint8)      { s[home/64] |= 1 << (home % 64) }
func (s *homeSet) remove(home uint8)   { s[home/64] &^= 1 << (home % 64) }
func (s *homeSet) has(home uint8) bool { return s[home/64]&(1<<(home%64)) != 0 }

// tally counts the home replicas for which some leg has the flag: a home
// replica and its stand-ins count once.
func (op *operation) tally(f legFlags) int {
	if op.scope != scopeAll {
		return op.tallyIn(f)
	}
	count := 0
	if len(op.legs) == op.n { // no stand-ins
		for i := range op.legs {
			if op.legs[i].is(f) {
				count++
			}
		}
		return count
	}
	var seen homeSet
	for i := range op.legs {
		if l := &op.legs[i]; l.is(f) && !seen.has(l.home) {
			seen.add(l.home)
			count++
		}
	}
	return count
}

// tallyIn is tally where data centres are told apart: how many home replicas,
// for which some leg has the flag, count toward the demand.
func (op *operation) tallyIn(f legFlags) int {
	var per [MaxNodes]int
	count, most := 0, op.need
	if op.scope == scopeEach {
		most = op.need / int(op.datacenters)
	}
	for i := range op.legs {
		l := &op.legs[i]
		if !l.is(f) || !op.first(l, f) || op.scope == scopeLocal && l.datacenter != op.datacenter || per[l.datacenter] >= most {
			continue
		}
		per[l.datacenter]++
		count++
	}
	return count
}
