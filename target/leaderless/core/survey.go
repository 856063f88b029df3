package core

import "fmt"

// A survey tells an operator what every node of the cluster holds of one key. A
// read would not do: it asks the home replicas alone, returns the join of what
// they hold, and repairs what it sees, so that the question would change the
// answer. A survey asks all nodes, for what they answer reads from, and leaves
// everything as it is. It waits for all of them, or for request-timeout.

// Held is what one node holds of a key.
type Held struct {
	Node NodeID
	// Home says that the node is one of the key's home replicas, as far as the node that was asked knows.
	Home bool
	// Answered says that it answered in time; else nothing is known of it.
	Answered bool
	// Cell is what it holds; the zero Cell if it has nothing.
	Cell Cell
}

// survey is one that is under way.
type survey struct {
	number uint64
	id     uint64 // the command's
	key    string
	at     int64 // when it gives up waiting, on Now.Mono
	left   int   // nodes that have not answered
	held   []Held
}

// surveys are those under way, in the order in which they give up.
type surveys struct {
	open  []survey
	last  uint64
	armed bool
}

const (
	// surveyBit tells the numbers of surveys from those of operations, which
	// never reach it: they would have to do a million requests a second for six days.
	surveyBit = 1 << (requestBits - 1)
	// maxSurveys bounds the surveys under way.
	maxSurveys = 256
)

// startSurvey asks every node, this one included, what it holds.
func (n *Node) startSurvey(a *Admin) {
	s := &n.surveys
	switch {
	case a.Key == "" || len(a.Key) > MaxKeyBytes:
		n.answerAdmin(a, fmt.Sprintf("a key of %d bytes: keys have 1 to %d", len(a.Key), MaxKeyBytes))
		return
	case len(s.open) >= maxSurveys:
		n.answerAdmin(a, fmt.Sprintf("%d surveys are under way already: wait for them", maxSurveys))
		return
	}
	order, homes := n.ring.placed(a.Key, n.settings.N)
	s.last++
	v := survey{
		number: uint64(n.incarnation)<<requestBits | surveyBit | s.last&(surveyBit-1),
		id:     a.ID, key: a.Key, at: n.now.Mono + n.settings.RequestTimeout, left: len(n.settings.Nodes),
	}
	for i, node := range order {
		v.held = append(v.held, Held{Node: node, Home: i < homes})
	}
	for i := range n.settings.Nodes { // those that are no members of the ring may still have something
		if node := NodeID(i); v.of(node) == nil {
			v.held = append(v.held, Held{Node: node})
		}
	}
	s.open = append(s.open, v)
	for i := range v.held {
		m := n.message(MessageRead, v.held[i].Node)
		m.Origin, m.Request, m.Key = a.ID, v.number, a.Key
	}
	n.armSurveys()
}

func (v *survey) of(node NodeID) *Held {
	for i := range v.held {
		if v.held[i].Node == node {
			return &v.held[i]
		}
	}
	return nil
}

// surveyed takes an answer to a read that belongs to no operation.
func (n *Node) surveyed(m *Message) {
	if m.Request&surveyBit == 0 {
		return
	}
	for i := range n.surveys.open {
		v := &n.surveys.open[i]
		if v.number != m.Request || v.key != m.Key {
			continue
		}
		h := v.of(m.From)
		if h == nil || h.Answered {
			return
		}
		h.Answered, h.Cell = true, m.Cell
		if v.left--; v.left == 0 {
			n.endSurvey(i)
		}
		return
	}
}

// endSurvey replies with what is known.
func (n *Node) endSurvey(i int) {
	v := &n.surveys.open[i]
	r := next(&n.out.Replies)
	r.ID, r.Status, r.Survey = v.id, StatusOK, v.held
	last := len(n.surveys.open) - 1
	copy(n.surveys.open[i:], n.surveys.open[i+1:])
	n.surveys.open[last] = survey{}
	n.surveys.open = n.surveys.open[:last]
}

func (n *Node) armSurveys() {
	if s := &n.surveys; !s.armed && len(s.open) > 0 {
		s.armed = true
		n.setTimer(timerSurvey, max(s.open[0].at-n.now.Mono, 0))
	}
}

// surveyTick ends the surveys whose time is over.
func (n *Node) surveyTick() {
	s := &n.surveys
	if !s.armed {
		return // a timer that was never set
	}
	s.armed = false
	for len(s.open) > 0 && s.open[0].at <= n.now.Mono {
		n.endSurvey(0)
	}
	n.armSurveys()
}
