package harness

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/explore"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/results"
	"github.com/refute-lab/refute/target/leaderless/catalogue"
)

// ItemRequest asks for an item of the catalogue to be shown.
type ItemRequest struct {
	Item catalogue.Item
	// Seeds is how many seeds the plan and the twin are run with, in
	// simulation, from FirstSeed on.
	Seeds     int
	FirstSeed uint64
	// TwinOnly leaves the plan out.
	TwinOnly bool
	// Out is the folder of the run folders; empty writes none.
	Out string
	// Progress is told how many of how many runs are done; nil for silence.
	Progress func(done, all int)
	// Interrupt, when closed, ends it early.
	Interrupt <-chan struct{}
}

// DefaultItemSeeds is how many seeds an item is run with where nothing else is asked for.
const DefaultItemSeeds = 20

// ItemName is what an item of the catalogue says of itself.
type ItemName struct {
	Number int    `json:"number"`
	Name   string `json:"name"`
	Title  string `json:"title"`
	Claim  string `json:"claim"`
	Cause  string `json:"cause,omitempty"`
	Legal  bool   `json:"legal,omitempty"`
	// Setting is the one in which the twin differs, PlanValue and TwinValue its values.
	Setting   string `json:"setting,omitempty"`
	PlanValue string `json:"plan_value,omitempty"`
	TwinValue string `json:"twin_value,omitempty"`
}

func nameOf(item catalogue.Item) ItemName {
	return ItemName{Number: item.Number, Name: item.Name, Title: item.Title, Claim: item.Claim, Cause: item.Cause, Legal: item.Legal,
		Setting: item.Setting, PlanValue: item.Plan, TwinValue: item.Twin}
}

// ItemShown is what became of an item of the catalogue in simulation.
type ItemShown struct {
	ItemName
	// Plan and Twin are what their seeds have shown; nil where they were not run.
	Plan *ItemSide `json:"plan,omitempty"`
	Twin *ItemSide `json:"twin,omitempty"`
	// Problems say, a sentence each, in what way the item did not show what it
	// says. Empty: it did.
	Problems []string `json:"problems"`

	item  catalogue.Item
	wrong bool // a problem is more than that something stayed undecided
}

// ItemSide is what one of an item's two plans has shown.
type ItemSide struct {
	*explore.Sample
	// Reads counts the seeds by what the reads of the main phase returned, in order.
	Reads map[string]int `json:"reads"`
	// Report is the report of one run: of the lowest seed that refutes the claim, else of the first.
	Report string `json:"report,omitempty"`
}

// ItemPlans returns the plan and the twin of an item, ready to be run on the
// backend, with every setting filled in. The twin is nil for an item that has
// none. Errors are *UsageError: an item without a plan, a fault that the
// backend cannot make.
func ItemPlans(item catalogue.Item, backend string) (performed, twin *Performance, err error) {
	p, err := item.LoadPlan()
	if err != nil {
		return nil, nil, &UsageError{err}
	}
	if performed, err = prepared(p, backend); err != nil || !item.HasTwin() {
		return performed, nil, err
	}
	if p, err = item.LoadTwin(); err != nil {
		return nil, nil, &UsageError{err}
	}
	twin, err = prepared(p, backend)
	return performed, twin, err
}

func prepared(p *plan.Plan, backend string) (*Performance, error) {
	system, err := prepare(p, backend)
	if err != nil {
		return nil, &UsageError{fmt.Errorf("the plan %s: %w", p.Name, err)}
	}
	p.Target.Settings = system.Settings()
	return &Performance{Plan: p, System: system}, nil
}

// ItemBackends says where an item can be shown: in simulation, and on
// containers if they can make its faults.
func ItemBackends(item catalogue.Item) []string {
	p, err := item.LoadPlan()
	if err != nil {
		return nil
	}
	if nemesis.ContainerCaps().AllowSchedule(p.Schedule) == nil {
		return []string{OnSim, OnDocker}
	}
	return []string{OnSim}
}

// NotOnContainers says why an item cannot be shown on containers; empty if it
// can, or if it has no plan.
func NotOnContainers(item catalogue.Item) string {
	if item.Missing != "" {
		return ""
	}
	p, err := item.LoadPlan()
	if err != nil {
		return err.Error()
	}
	refused, _ := nemesis.ContainerCaps().AllowSchedule(p.Schedule).(interface{ Unwrap() []error })
	if refused == nil {
		return ""
	}
	var reasons []string
	for _, err := range refused.Unwrap() {
		reason := err.Error()
		if r := (*nemesis.RefusedError)(nil); errors.As(err, &r) {
			reason = r.Kind + ": " + r.Reason
		}
		reasons = append(reasons, reason)
	}
	return strings.Join(reasons, "; ")
}

// ShowItem runs an item's plan and its twin in simulation, each with the same
// seeds, and says whether they show what the catalogue says. Errors are
// *UsageError or *FailureError.
func ShowItem(ctx context.Context, r ItemRequest) (*ItemShown, error) {
	if r.Seeds < 1 || r.Seeds > 1_000_000 {
		return nil, &UsageError{fmt.Errorf("%d seeds: want 1…1000000", r.Seeds)}
	}
	performed, twin, err := ItemPlans(r.Item, OnSim)
	if err != nil {
		return nil, err
	}
	item := r.Item
	shown := &ItemShown{ItemName: nameOf(item), Problems: []string{}, item: item}
	if r.TwinOnly && twin == nil {
		return nil, &UsageError{fmt.Errorf("item %d (%s) has no twin: nothing is refuted that a setting could prevent", item.Number, item.Name)}
	}
	done, all := 0, r.Seeds
	if twin != nil && !r.TwinOnly {
		all *= 2
	}
	// The twin comes first, so that results/runs/latest points to the plan's run.
	if twin != nil {
		if shown.Twin, err = r.side(ctx, twin, done, all); err != nil {
			return nil, err
		}
		done += r.Seeds
	}
	if !r.TwinOnly {
		if shown.Plan, err = r.side(ctx, performed, done, all); err != nil {
			return nil, err
		}
	}
	shown.judge()
	return shown, nil
}

// side runs one of the two plans.
func (r *ItemRequest) side(ctx context.Context, p *Performance, done, all int) (*ItemSide, error) {
	side := &ItemSide{Reads: map[string]int{}}
	config := explore.SampleConfig{Plan: p.Plan, System: p.System, FirstSeed: r.FirstSeed, Seeds: r.Seeds, Interrupt: r.Interrupt,
		Each: func(_ uint64, operations []history.Operation) { side.Reads[mainReads(operations)]++ }}
	if r.Progress != nil {
		config.Progress = func(n int) { r.Progress(done+n, all) }
	}
	var err error
	if side.Sample, err = explore.TakeSample(ctx, config); err != nil {
		return nil, &FailureError{err}
	}
	if r.Out == "" || side.Seeds == 0 {
		return side, nil
	}
	one := *p
	one.Plan = p.Plan.Clone()
	one.Plan.Seed, one.Out, one.Interrupt = r.FirstSeed, r.Out, r.Interrupt
	if c := side.Claim(r.Item.Claim); c != nil && c.Refuted > 0 {
		one.Plan.Seed = c.Seed
	}
	outcome, err := Perform(ctx, one)
	if err != nil {
		return nil, err
	}
	side.Report = filepath.Join(outcome.Folder, results.ReportFile)
	return side, nil
}

// mainReads is what the reads of the main phase returned, in order of invocation: "1 nil 2".
func mainReads(operations []history.Operation) string {
	var values []string
	for i := range operations {
		o := &operations[i]
		if o.Process == history.Nemesis {
			if o.F == history.FPhase && o.Key == history.PhaseFinals {
				break
			}
			continue
		}
		if o.F != history.FRead {
			continue
		}
		values = append(values, readValue(o))
	}
	return strings.Join(values, " ")
}

func readValue(o *history.Operation) string {
	if o.Type != history.Ok {
		return o.Type.String()
	}
	switch o.Output.Kind() {
	case history.Nil:
		return "nil"
	case history.Int:
		n, _ := o.Output.Int()
		return strconv.FormatInt(n, 10)
	case history.List:
		return strings.ReplaceAll(fmt.Sprint(o.Output.List()), " ", ",")
	}
	return string(o.Output.Raw())
}

// judge notes in what way the item did not show what it says.
func (s *ItemShown) judge() {
	undecided := func(format string, arguments ...any) {
		s.Problems = append(s.Problems, fmt.Sprintf(format, arguments...))
	}
	problem := func(format string, arguments ...any) {
		s.wrong = true
		undecided(format, arguments...)
	}
	if s.Plan != nil {
		c := s.Plan.Claim(s.Claim)
		switch {
		case s.Plan.Seeds == 0:
			undecided("no seed of the plan was run")
		case s.Legal && c.Refuted > 0:
			problem("what is legal was refuted in %d of %d seeds", c.Refuted, s.Plan.Seeds)
		case !s.Legal && 2*c.Refuted <= s.Plan.Seeds:
			problem("the plan refutes %s in %d of %d seeds only", s.Claim, c.Refuted, s.Plan.Seeds)
		case c.Undecided > 0:
			undecided("in %d of %d seeds of the plan %s stayed undecided", c.Undecided, s.Plan.Seeds, s.Claim)
		}
		for _, cause := range slices.Sorted(maps.Keys(c.Causes)) {
			if cause != s.Cause && (s.Cause != "" || cause != checker.CauseUnknown) {
				problem("in %d seeds the cause is %q", c.Causes[cause], cause)
			}
		}
		for _, claim := range s.item.Holds {
			if c := s.Plan.Claim(claim); c == nil || c.Holds < s.Plan.Seeds {
				problem("%s does not hold in all seeds of the plan", claim)
			}
		}
		s.judgeReads("plan", s.Plan, s.item.Reads, problem)
	}
	if s.Twin != nil {
		c := s.Twin.Claim(s.Claim)
		switch {
		case s.Twin.Seeds == 0:
			undecided("no seed of the twin was run")
		case c.Refuted > 0:
			problem("the twin refutes %s in %d of %d seeds", s.Claim, c.Refuted, s.Twin.Seeds)
		case 10*c.Undecided > s.Twin.Seeds:
			// In a few seeds there may be nothing to judge: writes that were to meet did not.
			undecided("in %d of %d seeds of the twin %s stayed undecided", c.Undecided, s.Twin.Seeds, s.Claim)
		}
		s.judgeReads("twin", s.Twin, s.item.TwinReads, problem)
	}
}

// judgeReads wants the reads that the item tells of in most seeds.
func (s *ItemShown) judgeReads(name string, side *ItemSide, want string, problem func(string, ...any)) {
	if seeds := side.Reads[want]; want != "" && 2*seeds <= side.Seeds {
		problem("in %d of %d seeds only do the reads of the %s return %s", seeds, side.Seeds, name, want)
	}
}

// WriteText tells what was shown, for people.
func (s *ItemShown) WriteText(w io.Writer, _ bool) {
	item := &s.item
	fmt.Fprintf(w, "\n%d. %s\n\n%s\n", s.Number, item.Title, wrapped(item.Story, "   ", 100)) // stdout is gone if this fails: nobody to tell
	if s.Plan != nil {
		c := s.Plan.Claim(s.Claim)
		switch {
		case s.Legal:
			fmt.Fprintf(w, "\n   plan    %s is refuted in %d of %d seeds, as it must not be; the reads return %s\n", s.Claim, c.Refuted, s.Plan.Seeds, item.Reads)
		default:
			fmt.Fprintf(w, "\n   plan    %s is refuted in %d of %d seeds", s.Claim, c.Refuted, s.Plan.Seeds)
			if s.Cause != "" {
				fmt.Fprintf(w, ", cause %s in %d", s.Cause, c.Causes[s.Cause])
			}
			fmt.Fprintln(w)
		}
		for i := range s.Plan.Claims {
			if other := &s.Plan.Claims[i]; other.Claim != s.Claim {
				fmt.Fprintf(w, "           %s is refuted in %d\n", other.Claim, other.Refuted)
			}
		}
		if c.Result != nil && len(c.Result.Witnesses) > 0 {
			fmt.Fprintf(w, "%s\n", wrapped(c.Result.Witnesses[0].Summary, "           ", 100))
		}
		s.writeReport(w, s.Plan)
	}
	if s.Twin != nil {
		c := s.Twin.Claim(s.Claim)
		fmt.Fprintf(w, "   twin    with %s=%s instead of %s: refuted in %d of %d seeds", s.Setting, s.TwinValue, s.PlanValue, c.Refuted, s.Twin.Seeds)
		if s.Legal {
			fmt.Fprintf(w, "; the reads return %s", item.TwinReads)
		}
		fmt.Fprintf(w, "\n%s\n", wrapped(item.Remedy, "           ", 100))
		s.writeReport(w, s.Twin)
		fmt.Fprintf(w, "   price   %s\n", item.Cost)
	}
	fmt.Fprintf(w, "   source  %s\n", item.Source)
	for _, p := range s.Problems {
		fmt.Fprintf(w, "   NOT AS DESCRIBED: %s\n", p)
	}
}

func (s *ItemShown) writeReport(w io.Writer, side *ItemSide) {
	if side.Report != "" {
		fmt.Fprintf(w, "           %s\n", side.Report)
	}
}

// WriteJSON writes it as one JSON document.
func (s *ItemShown) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(s)
}

// ExitCode is 0 if the item showed what it says, 2 if all that is missing is
// that something stayed undecided, else 1.
func (s *ItemShown) ExitCode() int {
	switch {
	case s.wrong:
		return ExitCode(checker.Refuted)
	case len(s.Problems) > 0:
		return ExitCode(checker.Unknown)
	}
	return ExitCode(checker.Holds)
}

// wrapped breaks a text into lines of at most width columns, each after the indentation.
func wrapped(text, indent string, width int) string {
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		length := len([]rune(word))
		switch {
		case column == 0:
			b.WriteString(indent)
			column = len(indent)
		case column+1+length > width:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += length
	}
	return b.String()
}

// Line tells the outcome in one line.
func (s *ItemShown) Line() string {
	var parts []string
	if s.Plan != nil {
		parts = append(parts, fmt.Sprintf("plan refuted in %d of %d", s.Plan.Claim(s.Claim).Refuted, s.Plan.Seeds))
	}
	if s.Twin != nil {
		parts = append(parts, fmt.Sprintf("%s=%s in %d of %d", s.Setting, s.TwinValue, s.Twin.Claim(s.Claim).Refuted, s.Twin.Seeds))
	}
	verdict := "as described"
	if len(s.Problems) > 0 {
		verdict = "NOT AS DESCRIBED: " + strings.Join(s.Problems, "; ")
	}
	return fmt.Sprintf("%3d  %-36s %-22s %-66s %s", s.Number, s.Name, s.Claim, strings.Join(parts, ", "), verdict)
}
