package checker

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/refute-lab/refute/harness/history"
)

// A node that was down before a write began cannot have got it and lost it by
// that; one that went down later can, and so can one of which nobody knows when
// it went down.
func TestANodeThatWasDownBeforeCannotHaveLostIt(t *testing.T) {
	const write, read = 100, 200
	for name, c := range map[string]struct {
		fault string
		end   int64 // of the injection, which begins at 50
		lost  bool
	}{
		"down before":         {`{"id":"f1","kind":"kill","shape":"one","targets":["n1"],"verified":true}`, 60, false},
		"full before":         {`{"id":"f1","kind":"disk","shape":"full","targets":["n1"],"verified":true}`, 60, false},
		"down meanwhile":      {`{"id":"f1","kind":"kill","shape":"one","targets":["n1"],"verified":true}`, 110, true},
		"down at that moment": {`{"id":"f1","kind":"kill","shape":"one","targets":["n1"],"verified":true}`, write, true},
		"nobody looked":       {`{"id":"f1","kind":"kill","shape":"one","targets":["n1"]}`, 60, true},
		"another node":        {`{"id":"f1","kind":"kill","shape":"one","targets":["n2"],"verified":true}`, 110, false},
	} {
		t.Run(name, func(t *testing.T) {
			injection := history.Operation{Process: history.Nemesis, F: history.FInject, Key: "f1", Type: history.Ok, Start: 50, End: c.end,
				Completion: 1, Output: history.RawValue([]byte(c.fault))}
			k := facts{t: &timeline{faults: faultIntervals([]history.Operation{injection}, 1000)}}
			assert.Equal(t, c.lost, len(k.mayHaveLost("n1", write, read)) > 0)
		})
	}
}
