package core

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxNodes is the greatest number of nodes of a cluster.
const MaxNodes = 255

// Repair says what a read does about replicas that hold an older version than the newest it saw.
type Repair uint8

// The modes of read repair; see repair.go.
const (
	RepairOff Repair = iota
	RepairAsync
	RepairBlocking
	RepairABD
)

// Fetch says whether writers first ask for the greatest timestamp; see fetch.go.
type Fetch uint8

// The modes of the fetch phase.
const (
	// FetchAuto fetches exactly with RepairABD.
	FetchAuto Fetch = iota
	FetchOn
	FetchOff
)

// Timestamps says whose clock orders the writes when they do not fetch.
type Timestamps uint8

// The sources of timestamps.
const (
	TimestampsCoordinator Timestamps = iota
	// TimestampsClient takes Request.Timestamp, and the coordinator's clock where it is 0.
	TimestampsClient
)

// Acknowledge says when a replica acknowledges a write.
type Acknowledge uint8

// The times of acknowledgement.
const (
	AcknowledgeAfterLog Acknowledge = iota
	// AcknowledgeBeforeLog is unsafe on purpose: the write is only in memory when it is acknowledged.
	AcknowledgeBeforeLog
	// AcknowledgeSupersededEarly is unsafe on purpose, and harder to notice: a
	// write that a newer one has superseded is acknowledged at once, although
	// that newer one may still be only in memory.
	AcknowledgeSupersededEarly
)

// The values of Settings.Fsync beside an interval in nanoseconds.
const (
	FsyncAlways int64 = 0
	FsyncNever  int64 = -1
)

// Settings configure a cluster; all its nodes must have the same. Times are in nanoseconds.
type Settings struct {
	// Nodes are the names of all nodes; a NodeID is a position in it.
	Nodes []string
	// N home replicas of each key, of which W must acknowledge a write and R answer a read.
	N, W, R int
	// Repair, Fetch, Timestamps and Acknowledge: see their types.
	Repair      Repair
	Fetch       Fetch
	Timestamps  Timestamps
	Acknowledge Acknowledge
	// Sloppy lets stand-ins answer for home replicas that do not; see sloppy.go.
	Sloppy bool
	// Hints keeps and delivers hints; see hints.go.
	Hints bool
	// HintLog writes hints to the log. Without it, which is unsafe on purpose,
	// a node that is killed forgets the hints it kept.
	HintLog bool
	// Fsync is FsyncAlways, FsyncNever or the interval between two syncs of the log. Only the driver uses it.
	Fsync int64
	// VirtualNodes is the number of tokens of each node on the ring.
	VirtualNodes int
	// RequestTimeout is how long a coordinator waits for replicas, all phases together.
	RequestTimeout int64
	// StandInAfter is how long a home replica may be silent before a stand-in is asked too (only if Sloppy).
	StandInAfter int64
	// HintRetry is the first interval between two attempts to deliver hints to a node; it doubles up to 16 times that.
	HintRetry int64
	// HintLimit is the greatest number of hints that a node keeps.
	HintLimit int
	// Heartbeat is the interval between two heartbeats, SuspectAfter the silence after which a node counts as down.
	Heartbeat, SuspectAfter int64

	// The settings of the other mechanisms, by topic, each in a file of its own.
	VersionSettings
	QuorumSettings
	RepairSettings
	MembershipSettings
	CASSettings
	DurabilitySettings
	DataTypeSettings

	// ring is that of the first members and VirtualNodes: made once, shared by all nodes with these settings.
	ring *Ring
	// quorum is what holds for requests that say nothing else.
	quorum quorum
}

// Setting describes one setting, for help and messages.
type Setting struct {
	// Name is the key in ParseSettings.
	Name string
	// Default is the value when it is not set.
	Default string
	// Values is what it may be, for people.
	Values string
	// Help is one sentence.
	Help string
}

// Describe returns the settings in the order in which help shows them.
func Describe() []Setting {
	all := make([]Setting, len(settingTable))
	for i := range settingTable {
		all[i] = settingTable[i].Setting
	}
	return all
}

// ParseSettings checks the given settings for a cluster of the named nodes;
// those that are missing take their defaults. Its errors name the setting,
// what is wrong with it and what would be right.
func ParseSettings(nodes []string, given map[string]string) (Settings, error) {
	s := Settings{Nodes: slices.Clone(nodes)}
	if len(nodes) == 0 || len(nodes) > MaxNodes {
		return Settings{}, fmt.Errorf("%d nodes: a cluster has 1 to %d", len(nodes), MaxNodes)
	}
	for i, name := range nodes {
		if name == "" || slices.Contains(nodes[:i], name) {
			return Settings{}, fmt.Errorf("node name %q: names must be distinct and not empty", name)
		}
	}
	unknown := make([]string, 0)
	for name := range given {
		if !slices.ContainsFunc(settingTable, func(row settingRow) bool { return row.Name == name }) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return Settings{}, fmt.Errorf("unknown setting %q: did you mean %q? Known are %s",
			unknown[0], nearestSetting(unknown[0]), strings.Join(settingNames(), ", "))
	}
	for i := range settingTable {
		row := &settingTable[i]
		text, ok := given[row.Name]
		if !ok {
			text = row.Default
		}
		if err := row.parse(&s, text); err != nil {
			return Settings{}, fmt.Errorf("%s=%s: %w; it may be %s", row.Name, text, err, row.Values)
		}
	}
	if err := s.check(); err != nil {
		return Settings{}, err
	}
	s.ring = s.firstRing()
	s.ring.spreadOver(s.Datacenters, s.N, len(s.Nodes))
	return s, nil
}

// Map returns every setting as text: ParseSettings(s.Nodes, s.Map()) gives s again.
func (s *Settings) Map() map[string]string {
	m := make(map[string]string, len(settingTable))
	for i := range settingTable {
		m[settingTable[i].Name] = settingTable[i].format(s)
	}
	return m
}

// Fetches says whether writers first fetch the greatest timestamp.
func (s *Settings) Fetches() bool {
	return s.Fetch == FetchOn || s.Fetch == FetchAuto && s.Repair == RepairABD
}

// check finds what is wrong between settings.
func (s *Settings) check() error {
	if s.Timestamps == TimestampsClient && s.Fetches() {
		return fmt.Errorf("timestamps=client with writers that fetch (fetch=%s, repair=%s): the timestamp can come from the client or from the replicas, not from both; set timestamps=coordinator or fetch=off",
			fetchNames[s.Fetch], repairNames[s.Repair])
	}
	if !s.HintLog && !s.Hints && !s.Sloppy {
		return errors.New("hint-log=off with hints=off and sloppy=off: no node keeps any hint that could be left out of the log; set hints=on or sloppy=on, or hint-log=on")
	}
	for _, check := range []func(*Settings) error{
		s.VersionSettings.check, s.QuorumSettings.check, s.RepairSettings.check,
		s.MembershipSettings.check, s.CASSettings.check, s.DurabilitySettings.check, s.DataTypeSettings.check,
	} {
		if err := check(s); err != nil {
			return err
		}
	}
	if s.SuspectAfter < 2*s.Heartbeat {
		return fmt.Errorf("suspect-after=%s < 2 × heartbeat=%s: a single late heartbeat would make a node suspected; set suspect-after ≥ %s",
			formatDuration(s.SuspectAfter), formatDuration(s.Heartbeat), formatDuration(2*s.Heartbeat))
	}
	if s.Sloppy && s.StandInAfter >= s.RequestTimeout {
		return fmt.Errorf("stand-in-after=%s ≥ request-timeout=%s: no stand-in would ever be asked in time; set stand-in-after < %s",
			formatDuration(s.StandInAfter), formatDuration(s.RequestTimeout), formatDuration(s.RequestTimeout))
	}
	return nil
}

// checkQuorums finds quorums that can never be reached.
func checkQuorums(n, w, r int) error {
	if w > n {
		return fmt.Errorf("w=%d > n=%d: a write can never be acknowledged by more replicas than it has; set w ≤ %d or n ≥ %d", w, n, n, w)
	}
	if r > n {
		return fmt.Errorf("r=%d > n=%d: a read can never be answered by more replicas than there are; set r ≤ %d or n ≥ %d", r, n, n, r)
	}
	return nil
}
