package server

import (
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// The text format of Prometheus, version 0.0.4: families of samples, each with a
// line of HELP and one of TYPE before its first sample, one sample a line. It is
// written here because it is a page long and a client library is a large
// dependency.

// metricsType is the format's media type.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// metricsPrefix begins the names of all metrics.
const metricsPrefix = "leaderless_"

// exposition is a text in the making.
type exposition struct{ text []byte }

// family begins a family of samples. kind is counter, gauge or histogram.
func (e *exposition) family(name, kind, help string) {
	e.text = append(e.text, "# HELP "+metricsPrefix+name+" "...)
	e.text = append(e.text, helpEscaper.Replace(help)...)
	e.text = append(e.text, "\n# TYPE "+metricsPrefix+name+" "+kind+"\n"...)
}

var (
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// sample adds a sample; labels are names and values in turn.
func (e *exposition) sample(name string, value float64, labels ...string) {
	e.text = append(e.text, metricsPrefix+name...)
	for i := 0; i+1 < len(labels); i += 2 {
		e.text = append(e.text, "{,"[min(i, 1)])
		e.text = append(e.text, labels[i]+`="`...)
		e.text = append(e.text, labelEscaper.Replace(labels[i+1])...)
		e.text = append(e.text, '"')
	}
	if len(labels) > 0 {
		e.text = append(e.text, '}')
	}
	e.text = append(e.text, ' ')
	if math.IsInf(value, 1) {
		e.text = append(e.text, "+Inf"...)
	} else {
		e.text = strconv.AppendFloat(e.text, value, 'g', -1, 64)
	}
	e.text = append(e.text, '\n')
}

// single is a family of one sample without labels.
func (e *exposition) single(name, kind, help string, value float64) {
	e.family(name, kind, help)
	e.sample(name, value)
}

// histogram adds the samples of one histogram, whose bounds are in nanoseconds.
func (e *exposition) histogram(name string, bounds []int64, parts []uint64, sum float64, labels ...string) {
	total := uint64(0)
	for i, part := range parts {
		total += part
		bound := "+Inf"
		if i < len(bounds) {
			bound = strconv.FormatFloat(float64(bounds[i])/1e9, 'g', -1, 64)
		}
		e.sample(name+"_bucket", float64(total), append(labels[:len(labels):len(labels)], "le", bound)...)
	}
	e.sample(name+"_sum", sum/1e9, labels...)
	e.sample(name+"_count", float64(total), labels...)
}

// latencyBounds are the upper bounds of the parts of a request's duration, in nanoseconds.
var latencyBounds = [...]int64{250e3, 500e3, 1e6, 2500e3, 5e6, 10e6, 25e6, 50e6, 100e6, 250e6, 500e6, 1e9, 2500e6, 10e9}

// requestKinds and requestOutcomes are the values of the labels of requests.
var (
	requestKinds    = []string{core.RequestGet: "get", core.RequestPut: "put", core.RequestDelete: "delete", core.RequestUpdate: "update", core.RequestCompareAndSet: "compare-and-set"}
	requestOutcomes = []string{core.StatusOK: "ok", core.StatusDefinite: "definite", core.StatusIndeterminate: "indeterminate"}
)

// tally is what the loop counts of requests and messages. Only the loop writes it.
type tally struct {
	requests [core.RequestCompareAndSet + 1][core.StatusIndeterminate + 1]uint64
	// notApplied counts compare-and-sets whose condition did not hold.
	notApplied uint64
	// durations are of answered requests, by kind.
	durations [core.RequestCompareAndSet + 1]struct {
		parts [len(latencyBounds) + 1]uint64
		sum   int64
	}
	// received and sent count messages by kind; what is sent may have been dropped.
	received, sent [256]uint64
}

// answered counts an answer.
func (t *tally) answered(kind core.RequestKind, r *core.Reply, took time.Duration) {
	if int(kind) >= len(t.requests) || int(r.Status) >= len(requestOutcomes) {
		return
	}
	t.requests[kind][r.Status]++
	if kind == core.RequestCompareAndSet && r.Status == core.StatusOK && !r.Applied {
		t.notApplied++
	}
	d := &t.durations[kind]
	part := 0
	for part < len(latencyBounds) && int64(took) > latencyBounds[part] {
		part++
	}
	d.parts[part]++
	d.sum += int64(took)
}

// refused counts requests that were refused before the core was asked.
type refused struct{ badRequest, tooLarge, method, other atomic.Uint64 }

// count counts one.
func (r *refused) count(code string) {
	switch code {
	case codeBadRequest:
		r.badRequest.Add(1)
	case codeTooLarge:
		r.tooLarge.Add(1)
	case codeMethod:
		r.method.Add(1)
	default:
		r.other.Add(1)
	}
}
