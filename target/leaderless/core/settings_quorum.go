package core

import (
	"errors"
	"fmt"
	"strings"
)

// QuorumSettings are the settings of quorums, consistency levels and data centres.
type QuorumSettings struct {
	// Datacenters is how many data centres the nodes are spread over; see topology.go.
	Datacenters int
	// WriteLevel and ReadLevel are the consistency levels of requests that name
	// none, in place of W and R; LevelNumbers leaves it to these.
	WriteLevel, ReadLevel Level
}

// quorumRows are their rows of the table.
var quorumRows = []settingRow{
	number("datacenters", "1", "1 … nodes", "Data centres; the nodes belong to them in blocks of equal size, and each has n home replicas of every key.",
		MaxNodes, func(s *Settings) *int { return &s.Datacenters }),
	levelRow("write-level", true, "The consistency level of writes; numbers: w replicas, wherever they are.",
		func(s *Settings) *Level { return &s.WriteLevel }),
	levelRow("read-level", false, "The consistency level of reads; numbers: r replicas, wherever they are.",
		func(s *Settings) *Level { return &s.ReadLevel }),
}

// decides says that there are compare-and-sets, whose outcome reads at the
// levels serial and local-serial ask for.
func (s *Settings) decides() bool { return s.CAS != CASOff }

// check finds what is wrong between these settings and others.
func (*QuorumSettings) check(s *Settings) error {
	if s.Datacenters > 1 && s.RingChange != RingStatic {
		return fmt.Errorf("datacenters=%d with ring=%s: nodes can join and leave only where there is one data centre; set ring=static or datacenters=1", s.Datacenters, s.RingChange)
	}
	if s.ReadLevel.Serial() && !s.decides() {
		return fmt.Errorf("read-level=%s with cas=off: no value is ever decided by consensus, so there is none to read; set cas=paxos-v2 or another level", s.ReadLevel)
	}
	if least := smallestDatacenter(len(s.Nodes), s.Datacenters); s.N > least {
		if s.Datacenters == 1 {
			return fmt.Errorf("n=%d > %d nodes: every replica needs a node of its own; set n ≤ %d or run at least %d nodes",
				s.N, len(s.Nodes), len(s.Nodes), s.N)
		}
		if least == 0 {
			return fmt.Errorf("datacenters=%d > %d nodes: every data centre needs nodes of its own; set datacenters ≤ %d or run more nodes", s.Datacenters, len(s.Nodes), len(s.Nodes))
		}
		return fmt.Errorf("n=%d > %d nodes in a data centre (%d nodes, datacenters=%d): each has n replicas of its own, and every replica needs a node; set n ≤ %d or run at least %d nodes",
			s.N, least, len(s.Nodes), s.Datacenters, least, s.N*s.Datacenters)
	}
	return s.resolve()
}

// levelRow is a setting that is a consistency level of writes or of reads.
func levelRow(name string, write bool, help string, field func(*Settings) *Level) settingRow {
	var values []string
	for l := range levelNames {
		if levelProblem(Level(l), write) == "" {
			values = append(values, levelNames[l])
		}
	}
	return settingRow{Setting{name, levelNames[LevelNumbers], strings.Join(values, " | "), help},
		func(s *Settings, text string) error {
			l, ok := ParseLevel(text)
			if !ok {
				return errors.New("no such consistency level")
			}
			if why := levelProblem(l, write); why != "" {
				return errors.New(why)
			}
			*field(s) = l
			return nil
		},
		func(s *Settings) string { return (*field(s)).String() }}
}
