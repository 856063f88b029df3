package plan

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refute-lab/refute/harness/history"
)

const (
	// MaxNodes is the largest number of nodes of a plan.
	MaxNodes = 1000
	// maxName is the longest name, in bytes: it becomes a part of file and container names.
	maxName = 100
	// million is the whole of what is counted in ppm.
	million = 1_000_000
	// maxMean is the longest mean time of a simulated network or disk. Tails
	// of the distribution are far longer, and their sums must not overflow.
	maxMean = Duration(time.Minute)
)

// InvalidError says what is wrong with a plan.
type InvalidError struct {
	// Field names the place as in the file, for instance "schedule[2].at".
	Field string
	// Cause says what stands there and what is wanted instead.
	Cause string
}

// Error is one line: where, what and what is wanted.
func (e *InvalidError) Error() string { return e.Field + ": " + e.Cause }

func invalid(field, format string, args ...any) error {
	return &InvalidError{Field: field, Cause: fmt.Sprintf(format, args...)}
}

// Validate says whether the plan makes sense by itself: its version, names,
// numbers, a schedule in order whose faults have different identifiers and
// name existing nodes, and operations in order that have different places and
// name existing workers and nodes. It knows no target, workload, claim or kind
// of fault by name: whether these exist, and which particulars a fault may
// have, is for the one who runs the plan to say. The error is an *InvalidError
// or a *FormatVersionError.
func (p *Plan) Validate() error {
	if p.Format != Format {
		return &FormatVersionError{Version: p.Format}
	}
	if p.Backend != "docker" && p.Backend != "sim" {
		return invalid("backend", `%q: want "docker" or "sim"`, p.Backend)
	}
	for _, name := range []struct{ field, name string }{
		{"name", p.Name}, {"target.name", p.Target.Name}, {"workload.name", p.Workload.Name},
	} {
		if err := checkName(name.field, name.name); err != nil {
			return err
		}
	}
	if p.Target.Nodes < 1 || p.Target.Nodes > MaxNodes {
		return invalid("target.nodes", "%d: want 1 to %d", p.Target.Nodes, MaxNodes)
	}
	if p.Workload.Concurrency < 1 {
		return invalid("workload.concurrency", "%d: want at least 1", p.Workload.Concurrency)
	}
	if r := p.Workload.Rate; !(r >= 0) || math.IsInf(r, 1) {
		return invalid("workload.rate", "%v: want operations a second, or 0 for as many as possible", r)
	}
	if err := checkSettings("target.settings", p.Target.Settings); err != nil {
		return err
	}
	if err := checkSettings("workload.settings", p.Workload.Settings); err != nil {
		return err
	}
	if err := p.checkNames(); err != nil {
		return err
	}
	if err := p.Limits.validate(); err != nil {
		return err
	}
	if err := p.checkSchedule(); err != nil {
		return err
	}
	if err := p.checkOperations(); err != nil {
		return err
	}
	return p.Surroundings.validate("surroundings")
}

// checkNames checks the lists of names.
func (p *Plan) checkNames() error {
	if err := checkList("nemesis", p.Nemesis, checkName); err != nil {
		return err
	}
	if err := checkList("claims", p.Claims, checkName); err != nil {
		return err
	}
	return checkList("expect", p.Expect, func(field, text string) error {
		verdict, claim, found := strings.Cut(text, ":")
		if !found || checkName(field, verdict) != nil || checkName(field, claim) != nil {
			return invalid(field, `%q: want VERDICT:CLAIM, for instance "refuted:linearizable"`, text)
		}
		return nil
	})
}

func (l *Limits) validate() error {
	for _, limit := range []struct {
		field string
		value Duration
		least Duration
	}{
		{"limits.time", l.Time, 1}, {"limits.operation", l.Operation, 1},
		{"limits.quiet", l.Quiet, 0}, {"limits.finals", l.Finals, 0}, {"limits.check", l.Check, 0},
	} {
		if limit.value < 0 {
			return invalid(limit.field, "%s is negative", limit.value)
		}
		if limit.value < limit.least {
			return invalid(limit.field, "%s: want a time above zero", limit.value)
		}
	}
	if l.CheckMemory < 0 {
		return invalid("limits.check_memory", "%d is negative: want bytes", l.CheckMemory)
	}
	if l.Siblings < 0 {
		return invalid("limits.siblings", "%d is negative: want a number of versions, or 0 for the default", l.Siblings)
	}
	return nil
}

func (p *Plan) checkSchedule() error {
	ids := make(map[string]int, len(p.Schedule))
	for i := range p.Schedule {
		f := &p.Schedule[i]
		at := "schedule[" + strconv.Itoa(i) + "]"
		if err := checkName(at+".id", f.ID); err != nil {
			return err
		}
		if first, twice := ids[f.ID]; twice {
			return invalid(at+".id", "%q is the identifier of schedule[%d] too", f.ID, first)
		}
		ids[f.ID] = i
		if err := f.validate(at, p.Target.Nodes); err != nil {
			return err
		}
		if f.At > p.Limits.Time {
			return invalid(at+".at", "%s is after the end of the main phase (limits.time is %s): the fault would never happen", f.At, p.Limits.Time)
		}
		if i > 0 && f.At < p.Schedule[i-1].At {
			return invalid(at+".at", "%s is before %s of schedule[%d]: want the faults in the order of their start", f.At, p.Schedule[i-1].At, i-1)
		}
	}
	return nil
}

func (f *Fault) validate(at string, nodes int) error {
	if err := checkName(at+".kind", f.Kind); err != nil {
		return err
	}
	if f.Shape != "" {
		if err := checkName(at+".shape", f.Shape); err != nil {
			return err
		}
	}
	if f.At < 0 {
		return invalid(at+".at", "%s is negative", f.At)
	}
	if f.Duration < 0 {
		return invalid(at+".duration", "%s is negative", f.Duration)
	}
	if f.At > math.MaxInt64-f.Duration {
		return invalid(at+".duration", "%s from %s on ends beyond what a duration can hold", f.Duration, f.At)
	}
	node := func(field, name string) error { return checkNode(field, name, nodes) }
	if err := checkList(at+".targets", f.Targets, node); err != nil {
		return err
	}
	cuts := make(map[history.Cut]bool, len(f.Cuts))
	for i, cut := range f.Cuts {
		field := at + ".cuts[" + strconv.Itoa(i) + "]"
		if err := node(field+".from", cut.From); err != nil {
			return err
		}
		if err := node(field+".to", cut.To); err != nil {
			return err
		}
		if cut.From == cut.To {
			return invalid(field, "a node can't be cut from itself (%s)", cut.From)
		}
		if cuts[cut] {
			return invalid(field, "%s to %s stands twice", cut.From, cut.To)
		}
		cuts[cut] = true
	}
	if f.Delay < 0 {
		return invalid(at+".delay", "%s is negative", f.Delay)
	}
	if f.Peer != "" {
		if err := node(at+".peer", f.Peer); err != nil {
			return err
		}
	}
	if f.SnapshotAge < 0 {
		return invalid(at+".snapshot_age", "%s is negative", f.SnapshotAge)
	}
	if err := f.Network.validate(at + ".network"); err != nil {
		return err
	}
	return f.Clock.validate(at + ".clock")
}

func (p *Plan) checkOperations() error {
	type place struct{ worker, index int }
	places := make(map[place]int, len(p.Operations))
	for i := range p.Operations {
		o := &p.Operations[i]
		// There may be very many: names of fields are made for errors only.
		field := func(name string) string { return "operations[" + strconv.Itoa(i) + "]." + name }
		if name, cause := o.check(p); cause != "" {
			return invalid(field(name), "%s", cause)
		}
		if i > 0 && o.At < p.Operations[i-1].At {
			return invalid(field("at"), "%s is before %s of operations[%d]: want the operations in the order of their times", o.At, p.Operations[i-1].At, i-1)
		}
		here := place{o.Worker, o.Index}
		if first, twice := places[here]; twice {
			return invalid(field("index"), "%d of worker %d is operations[%d] already", o.Index, o.Worker, first)
		}
		places[here] = i
	}
	return nil
}

// check returns the field that is wrong, and what is; cause is empty if nothing is.
func (o *Operation) check(p *Plan) (field, cause string) {
	switch {
	case o.Worker < 0 || o.Worker >= p.Workload.Concurrency:
		return "worker", fmt.Sprintf("%d: want 0 to %d, because workload.concurrency is %d", o.Worker, p.Workload.Concurrency-1, p.Workload.Concurrency)
	case o.Index < 0:
		return "index", fmt.Sprintf("%d is negative", o.Index)
	case o.At < 0:
		return "at", fmt.Sprintf("%s is negative", o.At)
	case o.At > p.Limits.Time:
		return "at", fmt.Sprintf("%s is after the end of the main phase (limits.time is %s): the operation would never happen", o.At, p.Limits.Time)
	}
	if cause := nameCause(o.F); cause != "" {
		return "f", cause
	}
	// The parts of a key may be apart by slashes: "cart/item".
	for part := range strings.SplitSeq(o.Key, "/") {
		if cause := nameCause(part); o.Key != "" && cause != "" {
			return "key", cause
		}
	}
	return "node", nodeCause(o.Node, p.Target.Nodes)
}

func (s *Surroundings) validate(at string) error {
	if s == nil {
		return nil
	}
	for _, mean := range []struct {
		field string
		value Duration
	}{{".latency", s.Latency}, {".sync", s.Sync}} {
		if mean.value <= 0 || mean.value > maxMean {
			return invalid(at+mean.field, "%s: want a time above zero, at most %s", mean.value, maxMean)
		}
	}
	for _, wan := range []struct {
		field string
		value Duration
	}{{".wan_latency", s.WANLatency}, {".wan_jitter", s.WANJitter}} {
		if wan.value < 0 || wan.value > maxMean {
			return invalid(at+wan.field, "%s: want 0s to %s", wan.value, maxMean)
		}
	}
	return checkShares(at, s.LossPPM, s.DuplicatePPM)
}

func (n *Network) validate(at string) error {
	switch {
	case n == nil:
		return nil
	case n.Delay < 0:
		return invalid(at+".delay", "%s is negative", n.Delay)
	case n.Jitter < 0:
		return invalid(at+".jitter", "%s is negative", n.Jitter)
	}
	return checkShares(at, n.LossPPM, n.DuplicatePPM)
}

// checkShares checks how many of a million messages are lost and duplicated.
func checkShares(at string, loss, duplicate int64) error {
	if loss < 0 || loss > million {
		return invalid(at+".loss_ppm", "%d: want 0 to %d", loss, million)
	}
	if duplicate < 0 || duplicate > million {
		return invalid(at+".duplicate_ppm", "%d: want 0 to %d", duplicate, million)
	}
	return nil
}

func (c *Clock) validate(at string) error {
	switch {
	case c == nil:
		return nil
	case c.Period < 0:
		return invalid(at+".period", "%s is negative", c.Period)
	case c.Delta != 0 && c.Period == 0:
		return invalid(at+".period", "0s: a delta needs a period above zero")
	}
	return nil
}

func checkSettings(field string, settings map[string]string) error {
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := checkName(field, name); err != nil {
			return err
		}
	}
	return nil
}

// checkList checks each element of a list and that none stands twice.
func checkList(field string, list []string, check func(field, text string) error) error {
	seen := make(map[string]bool, len(list))
	for i, text := range list {
		at := field + "[" + strconv.Itoa(i) + "]"
		if err := check(at, text); err != nil {
			return err
		}
		if seen[text] {
			return invalid(at, "%q stands twice", text)
		}
		seen[text] = true
	}
	return nil
}

// checkNode wants n1, n2, … up to the number of nodes.
func checkNode(field, name string, nodes int) error {
	if cause := nodeCause(name, nodes); cause != "" {
		return &InvalidError{Field: field, Cause: cause}
	}
	return nil
}

// nodeCause says why there is no such node; it is empty if there is.
func nodeCause(name string, nodes int) string {
	digits, found := strings.CutPrefix(name, "n")
	if n, err := strconv.Atoi(digits); !found || err != nil || n < 1 || n > nodes || digits != strconv.Itoa(n) {
		return fmt.Sprintf("no node is called %q: the nodes are n1 to n%d", name, nodes)
	}
	return ""
}

func checkName(field, name string) error {
	if cause := nameCause(name); cause != "" {
		return &InvalidError{Field: field, Cause: cause}
	}
	return nil
}

// nameCause says what is wrong with a name; it is empty if nothing is.
func nameCause(name string) string {
	switch {
	case name == "":
		return "the name is missing"
	case len(name) > maxName:
		return fmt.Sprintf("the name is %d bytes long: want at most %d", len(name), maxName)
	case name[0] == '.' || name[0] == '-':
		return fmt.Sprintf("%q begins with %q: want a letter, digit or underscore first", name, name[:1])
	}
	for _, c := range name {
		if !isNameRune(c) {
			return fmt.Sprintf("%q holds %q: want letters, digits, dot, dash and underscore only", name, c)
		}
	}
	return ""
}

func isNameRune(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_'
}

// SanitizeName makes a valid name of any text: runs of other characters become
// one dash, a first dot or dash and a last dash are dropped, and what is too
// long is cut. It returns "run" if nothing is left. A valid name that does not
// end with a dash stays as it is.
func SanitizeName(text string) string {
	var name strings.Builder
	dash := false
	for _, c := range text {
		if !isNameRune(c) {
			dash = true
			continue
		}
		if dash {
			name.WriteByte('-')
			dash = false
		}
		name.WriteRune(c)
	}
	s := strings.TrimLeft(name.String(), ".-")
	s = strings.TrimRight(s[:min(len(s), maxName)], "-")
	if s == "" {
		return "run"
	}
	return s
}

// SortFaults puts a schedule into its order: by At, then by ID, where f2 stands before f10.
func SortFaults(faults []Fault) {
	slices.SortStableFunc(faults, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(len(a.ID), len(b.ID)), strings.Compare(a.ID, b.ID))
	})
}
