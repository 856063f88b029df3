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
	// PR, PW and DW are how many home replicas must answer a read and
	// acknowledge a write, and how many logs must have it; 0: no matter. See primaries.go.
	PR, PW, DW int
	// ReadSet, PreferredReads (0: r) and FallbackAfter say whom a read asks; see readset.go.
	ReadSet        ReadSet
	PreferredReads int
	FallbackAfter  int64
	// DigestReads: see digest.go.
	DigestReads bool
	// SpeculativeRetry is SpeculateOff, SpeculateAlways, SpeculateP99 or a time; see speculate.go.
	SpeculativeRetry int64
	// NotFoundOK counts the answer of a replica that has nothing of the key
	// toward r. Without it (Riak: notfound_ok=false) such an answer counts only
	// when all replicas that were asked have answered: a stand-in that is empty
	// can't make a read miss what a home replica has, and a key that does not
	// exist is as slow as the slowest of them.
	NotFoundOK bool
	// Routing: see forward.go.
	Routing Routing

	// special: reads wait for more than a number of answers.
	special bool
}

// quorumRows are their rows of the table.
var quorumRows = []settingRow{
	number("datacenters", "1", "1 … nodes", "Data centres; the nodes belong to them in blocks of equal size, and each has n home replicas of every key.",
		MaxNodes, func(s *Settings) *int { return &s.Datacenters }),
	levelRow("write-level", true, "The consistency level of writes; numbers: w replicas, wherever they are.",
		func(s *Settings) *Level { return &s.WriteLevel }),
	levelRow("read-level", false, "The consistency level of reads; numbers: r replicas, wherever they are.",
		func(s *Settings) *Level { return &s.ReadLevel }),
	count("pr", "0", "0 … n", "Home replicas, not stand-ins, that must answer a read; 0: no matter.", MaxNodes, func(s *Settings) *int { return &s.PR }),
	count("pw", "0", "0 … n", "Home replicas, not stand-ins, that must acknowledge a write; 0: no matter.", MaxNodes, func(s *Settings) *int { return &s.PW }),
	count("dw", "0", "0 … n", "Replicas whose logs must have a write, also where acknowledgements do not wait for that; 0: no matter.", MaxNodes, func(s *Settings) *int { return &s.DW }),
	choice("read-set", "all", readSetNames, "Whom a read asks: all home replicas, as many as its level needs, or preferred-reads of them.",
		func(s *Settings) *ReadSet { return &s.ReadSet }),
	count("preferred-reads", "0", "0 … n; 0: r", "With read-set=preferred, how many replicas a read asks and waits for.", MaxNodes, func(s *Settings) *int { return &s.PreferredReads }),
	duration("fallback-after", "100ms", "With read-set=preferred, how long a read waits for those that it asked before it does without them, or asks others.", func(s *Settings) *int64 { return &s.FallbackAfter }),
	onOff("digest-reads", "off", "Whether a read asks one replica for its value and the others for a digest, and again for values where these differ.",
		func(s *Settings) *bool { return &s.DigestReads }),
	{Setting{"speculative-retry", "off", "off | always | p99 | DURATION", "With read-set=level, when a read asks one more replica: never, at once, after the 99th percentile of reads so far, or after so long."},
		parseSpeculation, formatSpeculation},
	onOff("notfound-ok", "on", "Whether the answer of a replica that has nothing counts toward r as others do; off: only when all have answered.",
		func(s *Settings) *bool { return &s.NotFoundOK }),
	choice("routing", "any", routingNames, "Who coordinates a request: the node that is asked, a home replica that it is handed on to, or a home replica that the client picks.",
		func(s *Settings) *Routing { return &s.Routing }),
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
	if why := s.anyProblem(); s.WriteLevel == LevelAny && why != "" {
		return fmt.Errorf("write-level=any: %s", why)
	}
	if err := s.resolve(); err != nil {
		return err
	}
	return s.checkReads()
}

// checkReads finds what is wrong about how reads are made.
func (s *Settings) checkReads() error {
	homes := s.N * s.Datacenters
	for _, own := range []struct {
		name   string
		number int
	}{{"pr", s.PR}, {"pw", s.PW}, {"dw", s.DW}, {"preferred-reads", s.PreferredReads}} {
		if own.number > homes {
			return fmt.Errorf("%s=%d > %d home replicas: there are no more; set %s ≤ %d", own.name, own.number, homes, own.name, homes)
		}
	}
	switch {
	case s.SpeculativeRetry != SpeculateOff && s.ReadSet != ReadLevel:
		return fmt.Errorf("speculative-retry=%s with read-set=%s: only a read that asks no more replicas than it needs can ask one more; set read-set=level or speculative-retry=off", formatSpeculation(s), s.ReadSet)
	case s.SpeculativeRetry >= s.RequestTimeout:
		return fmt.Errorf("speculative-retry=%s ≥ request-timeout=%s: no replica would ever be asked in time; set speculative-retry < %s",
			formatSpeculation(s), formatDuration(s.RequestTimeout), formatDuration(s.RequestTimeout))
	case s.PreferredReads != 0 && s.ReadSet != ReadPreferred:
		return fmt.Errorf("preferred-reads=%d with read-set=%s: it says how many a read of the preferred ones asks; set read-set=preferred or preferred-reads=0", s.PreferredReads, s.ReadSet)
	case s.ReadSet == ReadPreferred && s.FallbackAfter >= s.RequestTimeout:
		return fmt.Errorf("fallback-after=%s ≥ request-timeout=%s: no other replica would ever be asked in time; set fallback-after < %s",
			formatDuration(s.FallbackAfter), formatDuration(s.RequestTimeout), formatDuration(s.RequestTimeout))
	}
	return nil
}

func parseSpeculation(s *Settings, text string) error {
	switch text {
	case "off":
		s.SpeculativeRetry = SpeculateOff
	case "always":
		s.SpeculativeRetry = SpeculateAlways
	case "p99":
		s.SpeculativeRetry = SpeculateP99
	default:
		d, err := parseDuration(text)
		if err != nil {
			return err
		}
		s.SpeculativeRetry = d
	}
	return nil
}

func formatSpeculation(s *Settings) string {
	switch s.SpeculativeRetry {
	case SpeculateOff:
		return "off"
	case SpeculateAlways:
		return "always"
	case SpeculateP99:
		return "p99"
	}
	return formatDuration(s.SpeculativeRetry)
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
