package history_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

func ExampleWriter() {
	var file bytes.Buffer
	w := history.NewWriter(&file)
	events := []history.Event{
		{Process: 0, Type: history.Invoke, F: history.FWrite, Key: "x", Value: history.IntValue(7)},
		{Process: 0, Type: history.Info, F: history.FWrite, Key: "x", Value: history.IntValue(7), Error: "timeout"},
		{Process: 0, Type: history.Invoke, F: history.FRead, Key: "x"},
	}
	for i := range events {
		events[i].Index, events[i].Time = w.Next(), int64(i)*1000
		if err := w.Append(&events[i]); errors.Is(err, history.ErrRetired) {
			events[i].Process = 10 // the client goes on under a new number
			if err := w.Append(&events[i]); err != nil {
				fmt.Println(err)
			}
		}
	}
	fmt.Print(file.String())
	// Output:
	// {"index":0,"time":0,"process":0,"type":"invoke","f":"write","key":"x","value":7}
	// {"index":1,"time":1000,"process":0,"type":"info","f":"write","key":"x","value":7,"error":"timeout"}
	// {"index":2,"time":2000,"process":10,"type":"invoke","f":"read","key":"x"}
}

func ExampleReadOperations() {
	const jepsen = `
{:process 0, :type :invoke, :f :write, :value [x 1]}
{:process 1, :type :invoke, :f :read,  :value [x nil]}
{:process 1, :type :ok,     :f :read,  :value [x 1]}
{:process 0, :type :ok,     :f :write, :value [x 1]}`
	summary, err := history.ReadOperations(context.Background(), strings.NewReader(jepsen), history.Options{}, func(op *history.Operation) bool {
		n, _ := op.Output.Int()
		fmt.Println("process", op.Process, op.Type, op.F, op.Key, n)
		return true
	})
	fmt.Println(summary.Operations, "operations,", summary.Format, err)
	// Output:
	// process 0 ok write x 1
	// process 1 ok read x 1
	// 2 operations, edn <nil>
}

func ExampleReadFile() {
	operations, summary, err := history.ReadFile(context.Background(), "testdata/good/cut-in-the-last-line.jsonl")
	fmt.Println(len(operations), "operations,", summary.Open, "open", err)
	for _, w := range summary.Warnings {
		fmt.Println("warning:", w)
	}

	_, _, err = history.ReadFile(context.Background(), "testdata/bad/two-completions-of-one-invocation.jsonl")
	fmt.Println(err)
	// Output:
	// 7 operations, 1 open <nil>
	// warning: line 14: the last line is cut: dropped 40 bytes, beginning `{"index":13,"time":61,"process":12,"type`
	// testdata/bad/two-completions-of-one-invocation.jsonl: line 3, event 2: invocation completed twice: process 0 completes the write of event 0 with ok, but event 1 completed it; an invocation has one completion: remove the wrong one
}

func ExampleFile_Evidence() {
	file, err := history.Open("testdata/good/register.jsonl")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	evidence := file.Evidence().Lookup(3)
	fmt.Println(evidence.Coordinator, "wrote", evidence.Version, "to:")
	for _, replica := range evidence.Replicas {
		fmt.Println(replica.Node, replica.Answered)
	}
	// Output:
	// n1 wrote 30@n1 to:
	// n1 true
	// n2 true
	// n3 false
}
