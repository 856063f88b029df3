package explore

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
)

// Step is one thing that happens in a plan, for people.
type Step struct {
	// At is when, from the start of the main phase.
	At plan.Duration `json:"at"`
	// Text says what: "partition {n1} | {n2 n3} for 1.2 s", "worker 0 writes 7 to r0 through n1 → ok after 2 ms".
	Text string `json:"text"`
}

// steps tells what happens in a materialised plan, in order of time, with what
// its clients were answered in the given history of it. What the witness
// shows after the main phase comes last.
func steps(p *plan.Plan, operations []history.Operation, witness *checker.Witness) []Step {
	begin := mainStart(operations)
	healing := phaseStart(operations, history.PhaseHeal, history.Infinity)
	nodes := plan.NodeNames(p.Target.Nodes)
	var list []Step
	for i := range p.Schedule {
		f := &p.Schedule[i]
		list = append(list, Step{f.At, faultText(nodes, f) + " for " + span(time.Duration(f.Duration))})
	}
	asked := answers(operations, p.Workload.Concurrency, healing)
	for _, o := range inOrder(p.Operations) {
		// A worker's operations are asked for in the order of the plan.
		text := operationText(o.Worker, o.F, o.Key, o.Value, o.Node)
		if len(asked[o.Worker]) == 0 {
			list = append(list, Step{o.At, text + " (the run ends before that)"})
			continue
		}
		done := asked[o.Worker][0]
		asked[o.Worker] = asked[o.Worker][1:]
		list = append(list, Step{plan.Duration(done.Start - begin), text + " → " + answered(done)})
	}
	slices.SortStableFunc(list, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return append(list, finalSteps(p, operations, witness, begin, healing)...)
}

// inOrder returns the operations in the order in which their workers ask.
func inOrder(operations []plan.Operation) []plan.Operation {
	ordered := slices.Clone(operations)
	slices.SortStableFunc(ordered, func(a, b plan.Operation) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Worker, b.Worker), cmp.Compare(a.Index, b.Index))
	})
	return ordered
}

// answers lists what each worker asked for before the given time, in order.
func answers(operations []history.Operation, concurrency int, before int64) [][]*history.Operation {
	asked := make([][]*history.Operation, concurrency)
	for i := range operations {
		if o := &operations[i]; o.Process >= 0 && o.Start < before {
			worker := int(o.Process) % concurrency
			asked[worker] = append(asked[worker], o)
		}
	}
	return asked
}

// finalSteps are those after the main phase that the witness consists of.
func finalSteps(p *plan.Plan, operations []history.Operation, witness *checker.Witness, begin, healing int64) []Step {
	if witness == nil {
		return nil
	}
	var list []Step
	for i := range operations {
		o := &operations[i]
		if o.Start < healing || !slices.Contains(witness.Operations, o.Index) {
			continue
		}
		at := plan.Duration(o.Start - begin)
		if len(list) == 0 {
			list = append(list, Step{plan.Duration(healing - begin), "every fault is ended, and the target is given time to become quiet"})
		}
		switch {
		case o.F == history.FDump:
			list = append(list, Step{at, "the replica of " + o.Node + " is read"})
		case o.Process >= 0:
			worker := int(o.Process) % p.Workload.Concurrency
			list = append(list, Step{at, "finally, " + operationText(worker, o.F, o.Key, nil, o.Node) + " → " + answered(o)})
		}
	}
	return list
}

// faultText says what a fault does: "partition {n1} | {n2 n3}", "kill n1".
func faultText(nodes []string, f *plan.Fault) string {
	text := nemesis.Describe(nodes, *f)
	if f.Kind == nemesis.Partition {
		return f.Kind + " " + text
	}
	return text
}

// operationText says what a worker asks for: "worker 0 writes 7 to r0 through n1".
func operationText(worker int, f, key string, value *int64, node string) string {
	text := "worker " + strconv.Itoa(worker) + " "
	argument := ""
	if value != nil {
		argument = strconv.FormatInt(*value, 10)
	}
	switch f {
	case history.FRead:
		text += "reads " + key
	case history.FWrite:
		text += "writes " + argument + " to " + key
	case history.FAdd:
		text += "adds " + argument + " to " + key
	case history.FDelete:
		text += "deletes " + key
	case history.FCAS:
		text += "sets " + key + " to " + argument + " if it is as expected"
	default:
		text += strings.Join(strings.Fields(f+" "+key+" "+argument), " ")
	}
	if node != "" {
		text += " through " + node
	}
	return text
}

// answerText says what an operation was answered: "7", "nothing", "ok", "unknown (timeout)".
func answerText(o *history.Operation) string {
	switch o.Type {
	case history.Fail:
		return withError("fails", o.Error)
	case history.Info:
		return withError("unknown", o.Error)
	}
	if o.F != history.FRead {
		return "ok"
	}
	switch n, isInt := o.Output.Int(); {
	case isInt:
		return strconv.FormatInt(n, 10)
	case o.Output.Kind() == history.List:
		return strings.Trim(fmt.Sprint(o.Output.List()), "[]")
	case o.Output.Kind() == history.Raw:
		if v, err := history.ParseVersions(o.Output); err == nil {
			return versionsText(v.Values)
		}
		return string(o.Output.Raw())
	}
	return "nothing"
}

// mostValues is how many values of one read are written out.
const mostValues = 5

// versionsText says what a read found that returned values side by side.
func versionsText(values []int64) string {
	switch {
	case len(values) == 0:
		return "nothing"
	case len(values) > mostValues:
		return fmt.Sprintf("%d values side by side", len(values))
	}
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(values), "[]"), " ", " | ")
}

// answered is the answer and how long it took, which tells operations that
// meet each other from those that follow each other: "7 after 1.2 ms".
func answered(o *history.Operation) string {
	text := answerText(o)
	if o.Type == history.Info || o.End == history.Infinity {
		return text
	}
	return text + " after " + span(time.Duration(o.End-o.Start))
}

func withError(text, cause string) string {
	if cause == "" {
		return text
	}
	return text + " (" + cause + ")"
}

// span writes a length of time with three significant digits: "1.2 s".
func span(d time.Duration) string {
	number := func(n float64) string { return strconv.FormatFloat(n, 'g', 3, 64) }
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= 999500*time.Microsecond:
		return number(d.Seconds()) + " s"
	case d >= time.Millisecond:
		return number(float64(d)/1e6) + " ms"
	case d >= time.Microsecond:
		return number(float64(d)/1e3) + " µs"
	}
	return strconv.FormatInt(int64(d), 10) + " ns"
}
