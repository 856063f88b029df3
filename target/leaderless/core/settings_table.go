package core

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

var (
	repairNames      = []string{RepairOff: "off", RepairAsync: "async", RepairBlocking: "blocking", RepairABD: "abd"}
	fetchNames       = []string{FetchAuto: "auto", FetchOn: "on", FetchOff: "off"}
	timestampNames   = []string{TimestampsCoordinator: "coordinator", TimestampsClient: "client"}
	acknowledgeNames = []string{AcknowledgeAfterLog: "after-log", AcknowledgeBeforeLog: "before-log", AcknowledgeSupersededEarly: "superseded-early"}
)

// String returns the mode as it is written in settings.
func (r Repair) String() string { return enumName(repairNames, int(r)) }

// String returns the mode as it is written in settings.
func (f Fetch) String() string { return enumName(fetchNames, int(f)) }

// String returns the source as it is written in settings.
func (t Timestamps) String() string { return enumName(timestampNames, int(t)) }

// String returns the time as it is written in settings.
func (a Acknowledge) String() string { return enumName(acknowledgeNames, int(a)) }

func enumName(names []string, i int) string {
	if i >= len(names) {
		return strconv.Itoa(i)
	}
	return names[i]
}

type settingRow struct {
	Setting
	parse  func(*Settings, string) error
	format func(*Settings) string
}

// settingTable is the one list of the settings: help, parsing and printing come from it.
var settingTable = slices.Concat(coreRows, versionRows, quorumRows, repairRows, membershipRows, casRows, durabilityRows, dataTypeRows)

var coreRows = []settingRow{
	number("n", "3", "1 … nodes", "Home replicas of each key.", MaxNodes, func(s *Settings) *int { return &s.N }),
	number("w", "2", "1 … n", "Replicas that must acknowledge a write durably.", MaxNodes, func(s *Settings) *int { return &s.W }),
	number("r", "2", "1 … n", "Replicas that must answer a read.", MaxNodes, func(s *Settings) *int { return &s.R }),
	choice("repair", "async", repairNames, "What a read does about stale replicas: nothing, repair after or before the reply, or write the newest value back to w replicas (ABD).",
		func(s *Settings) *Repair { return &s.Repair }),
	choice("fetch", "auto", fetchNames, "Whether writers first fetch the greatest timestamp from r replicas; auto is on exactly with repair=abd.",
		func(s *Settings) *Fetch { return &s.Fetch }),
	choice("timestamps", "coordinator", timestampNames, "Whose wall clock orders writes that do not fetch.",
		func(s *Settings) *Timestamps { return &s.Timestamps }),
	onOff("sloppy", "off", "Whether other nodes stand in for home replicas that do not answer, and count toward w and r.",
		func(s *Settings) *bool { return &s.Sloppy }),
	onOff("hints", "on", "Whether writes that a home replica missed are kept for it and handed over when it is back.",
		func(s *Settings) *bool { return &s.Hints }),
	onOff("hint-log", "on", "Whether hints are written to the log; off is unsafe on purpose: a node that is killed forgets them.",
		func(s *Settings) *bool { return &s.HintLog }),
	{Setting{"fsync", "always", "always | never | DURATION | group:DURATION", "When the log is made durable: before every acknowledgement, never, every so often (what is acknowledged in between is lost with the power), or every so often with the acknowledgements waiting for it."}, parseFsync, formatFsync},
	choice("acknowledge", "after-log", acknowledgeNames, "When a replica acknowledges a write; unsafe on purpose are before-log and superseded-early (a write that a newer one superseded, before that one is in the log).",
		func(s *Settings) *Acknowledge { return &s.Acknowledge }),
	number("virtual-nodes", "16", "1 … 256", "Tokens of each node on the ring of consistent hashing.", 256, func(s *Settings) *int { return &s.VirtualNodes }),
	duration("request-timeout", "500ms", "How long a coordinator waits for replicas.", func(s *Settings) *int64 { return &s.RequestTimeout }),
	duration("stand-in-after", "100ms", "With sloppy=on, how long a home replica may be silent before a stand-in is asked too.", func(s *Settings) *int64 { return &s.StandInAfter }),
	duration("hint-retry", "200ms", "The first interval between attempts to deliver hints; doubles up to 16 times that.", func(s *Settings) *int64 { return &s.HintRetry }),
	number("hint-limit", "65536", "1 … 16777216", "Hints that a node keeps at most; further ones are dropped.", 1<<24, func(s *Settings) *int { return &s.HintLimit }),
	duration("heartbeat", "100ms", "The interval between heartbeats.", func(s *Settings) *int64 { return &s.Heartbeat }),
	duration("suspect-after", "1s", "The silence after which a node counts as down.", func(s *Settings) *int64 { return &s.SuspectAfter }),
}

func settingNames() []string {
	names := make([]string, len(settingTable))
	for i := range settingTable {
		names[i] = settingTable[i].Name
	}
	return names
}

func number(name, def, values, help string, limit int, field func(*Settings) *int) settingRow {
	return settingRow{Setting{name, def, values, help},
		func(s *Settings, text string) error {
			n, err := strconv.Atoi(text)
			if err != nil {
				return errors.New("not a whole number")
			}
			if n < 1 || n > limit {
				return errors.New("out of range")
			}
			*field(s) = n
			return nil
		},
		func(s *Settings) string { return strconv.Itoa(*field(s)) }}
}

// count is a number that may be 0.
func count(name, def, values, help string, limit int, field func(*Settings) *int) settingRow {
	row := number(name, def, values, help, limit, field)
	positive := row.parse
	row.parse = func(s *Settings, text string) error {
		if text == "0" {
			*field(s) = 0
			return nil
		}
		return positive(s, text)
	}
	return row
}

func choice[T ~uint8](name, def string, names []string, help string, field func(*Settings) *T) settingRow {
	return settingRow{Setting{name, def, strings.Join(names, " | "), help},
		func(s *Settings, text string) error {
			i := slices.Index(names, text)
			if i < 0 {
				return errors.New("no such choice")
			}
			*field(s) = T(i)
			return nil
		},
		func(s *Settings) string { return enumName(names, int(*field(s))) }}
}

func onOff(name, def, help string, field func(*Settings) *bool) settingRow {
	return settingRow{Setting{name, def, "on | off", help},
		func(s *Settings, text string) error {
			if text != "on" && text != "off" {
				return errors.New("neither on nor off")
			}
			*field(s) = text == "on"
			return nil
		},
		func(s *Settings) string {
			if *field(s) {
				return "on"
			}
			return "off"
		}}
}

func duration(name, def, help string, field func(*Settings) *int64) settingRow {
	return settingRow{Setting{name, def, "1ms … 1h, for instance 500ms", help},
		func(s *Settings, text string) error {
			d, err := parseDuration(text)
			if err != nil {
				return err
			}
			*field(s) = d
			return nil
		},
		func(s *Settings) string { return formatDuration(*field(s)) }}
}

// longDuration is a duration that may be 0 and may be days.
func longDuration(name, def, help string, field func(*Settings) *int64) settingRow {
	return settingRow{Setting{name, def, "0s … 400d, for instance 500ms, 3h or 10d", help},
		func(s *Settings, text string) error {
			d, err := parseDurationWithin(text, 0, 400*24*3600e9)
			if err != nil {
				return err
			}
			*field(s) = d
			return nil
		},
		func(s *Settings) string { return formatDuration(*field(s)) }}
}

var durationUnits = []struct {
	name string
	size int64
}{{"d", 24 * 3600e9}, {"h", 3600e9}, {"m", 60e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"µs", 1e3}, {"ns", 1}}

// parseDuration reads a number with a unit, such as 500ms or 1.5s, in integer
// arithmetic: the core depends on no package that knows a clock.
func parseDuration(text string) (int64, error) { return parseDurationWithin(text, 1e6, 3600e9) }

func parseDurationWithin(text string, least, greatest int64) (int64, error) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyzµ")
	unit := text[len(digits):]
	whole, fraction, _ := strings.Cut(digits, ".")
	for _, u := range durationUnits {
		if u.name != unit {
			continue
		}
		n, err := strconv.ParseUint(whole, 10, 42)
		if err != nil || len(fraction) > 9 {
			break
		}
		total := int64(n)
		if total > greatest/u.size {
			return 0, errors.New("too long")
		}
		total *= u.size
		for i, scale := 0, u.size; i < len(fraction); i++ {
			if fraction[i] < '0' || fraction[i] > '9' {
				return 0, errors.New("not a number with a unit")
			}
			scale /= 10
			total += int64(fraction[i]-'0') * scale
		}
		if total < least || total > greatest {
			return 0, errors.New("out of range")
		}
		return total, nil
	}
	return 0, errors.New("not a number with a unit (ms, s, m)")
}

// formatDuration writes d in the largest unit that needs no fraction.
func formatDuration(d int64) string {
	for _, u := range durationUnits {
		if d != 0 && d%u.size == 0 {
			return fmt.Sprintf("%d%s", d/u.size, u.name)
		}
	}
	return "0s"
}

// nearestSetting returns a known name of which the name is a part or else the
// one with the least edit distance (Levenshtein).
func nearestSetting(name string) string {
	for i := range settingTable {
		if len(name) > 2 && strings.Contains(settingTable[i].Name, name) {
			return settingTable[i].Name
		}
	}
	best, least := "", -1
	for i := range settingTable {
		if d := editDistance(name, settingTable[i].Name); least < 0 || d < least {
			best, least = settingTable[i].Name, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
