package results

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
)

// counted is a run that says something of sets, replicas and siblings, and of
// a claim with nothing to check.
func counted(mark string) *Run {
	return &Run{Document: NewDocument(checker.Report{
		Verdict: checker.Unknown,
		Claims: []checker.Result{
			{Claim: checker.NoDirtyReads, Verdict: checker.Unknown, Vacuous: true, Checker: "dirty-reads", Explanation: "There was nothing to check: no write of a key that was read certainly failed."},
			{Claim: checker.NoLostWrites, Verdict: checker.Holds, Checker: "lost-writes", Explanation: "None is gone.", Classes: map[string]int{"discarded-concurrent": 68}},
		},
		Sets: &checker.SetTimeline{
			Sets: 4, Attempted: 3847, Acknowledged: 2995, Stable: 3073, Stale: 12, Lost: 3, NeverRead: 5, Recovered: 78, Unexpected: 1, Duplicated: 2,
			StableLatency: map[string]float64{"p50": 0, "p95": 3.1, "p99": 41, "max": 4210},
			LostLatency:   map[string]float64{"p50": 2.5, "p95": 7, "p99": 7, "max": 7},
			WorstStale:    []checker.StaleElement{{Key: "s3" + mark, Element: 312, Milliseconds: 4210, Known: 1771, Lacking: 2804}},
		},
		Replicas: &checker.Census{
			Keys: 812, Divergent: 4, Behind: map[int]int{0: 808, 1: 2, 2: 1}, Undetermined: 1,
			Nodes: []checker.NodeCensus{
				{Node: "n1" + mark, Keys: 480, Newest: 478, Older: 1, Different: 1}, {Node: "n2", Keys: 490, Newest: 490},
				{Node: "n4", Keys: 470, Newest: 467, Older: 1, Missing: 2},
			},
			Worst: []checker.KeyCensus{{Key: "k7" + mark, Replicas: []checker.ReplicaState{
				{Node: "n2", State: "newest", Holds: "17, version 9@n2"}, {Node: "n4", State: "missing", Holds: "missing"}, {Node: "n1", State: "older", Holds: "5, version 3@n1"},
			}}},
		},
		Siblings: &checker.SiblingCounts{
			Bound: 100, Maximum: 31, Keys: 9, Several: 3, Many: 1, Histogram: map[int]int{1: 6, 2: 2, 31: 1},
			Worst: []checker.KeySiblings{{Key: "k2" + mark, Versions: 31, Node: "n3", Operation: 991}, {Key: "k5", Versions: 2, Operation: 204}},
		},
	})}
}

func TestEveryFormShowsTheCounts(t *testing.T) {
	forms := everyForm(t, counted(""))
	golden(t, "counts.md", []byte(forms[1]))
	golden(t, "counts.txt", []byte(forms[2]))

	section := func(name string) string {
		_, rest, found := strings.Cut(forms[0], `<section id="`+name+`">`)
		require.True(t, found, name)
		out, _, _ := strings.Cut(rest, "</section>")
		return out
	}
	for name, wants := range map[string][]string{
		"sets": {
			"Of 3,847 elements in 4 sets 2,995 were acknowledged; 3 were lost, 12 appeared late, by up to 4.21 s, 5 never read, 1 never added, 2 read twice in one read.",
			"p50 0 · p95 3.1 ms · p99 41 ms · max 4.21 s", "p50 2.5 ms · p95 7 ms · p99 7 ms · max 7 ms",
			`<td class="n">312</td><td>s3</td><td class="n">4.21 s</td><td class="n">1771</td><td class="n">2804</td>`, "turned up", "unexpected", "duplicated",
		},
		"replicas": {
			"4 of 812 keys differ; n4 is behind on 3, n1 on 1. On 2 keys 1 replica is not up to date. On 1 key 2 replicas are not up to date. Of 1 key it is not certain which state is the newest.",
			`<th scope="row">n4</th><td class="n">470</td><td class="n">467</td><td class="n">1</td><td class="n">2</td><td class="n">0</td><td class="bar behind"><span style="width:100%"></span></td>`,
			`<td class="n">490</td><td class="n">490</td><td class="n">0</td><td class="n">0</td><td class="n">0</td><td class="bar behind"></td>`, `style="width:33%"`,
			"<li>n2 up to date: 17, version 9@n2</li>", `<li class="out">n4 missing</li>`, `<li class="out">n1 older: 5, version 3@n1</li>`,
		},
		"siblings": {
			"3 of 9 keys had several versions side by side, 31 at most; the bound is 100; 1 had more than 25, from which on Riak warns.",
			`<td class="n">31</td><td class="n">1</td>`, "on n3, operation 991", "in a read, operation 204",
		},
	} {
		for _, want := range wants {
			assert.Contains(t, section(name), want)
		}
	}
	assert.NotContains(t, section("replicas"), "Kept for others", "no node has such keys")
}

func TestNothingToCheckIsNoFailureToCheck(t *testing.T) {
	for i, form := range everyForm(t, counted("")) {
		assert.Contains(t, form, "nothing to check")
		assert.Equal(t, 1, strings.Count(form, "There was nothing to check"), "said once")
		if i == 0 {
			assert.Contains(t, form, `<span class="badge vacuous">nothing to check</span>`)
			assert.Contains(t, form, "Counted: discarded-concurrent 68.")
		}
		if i != 2 || assert.NotContains(t, form, "Why: There was") {
			assert.Contains(t, form, "For 1 of 2 claims there was nothing to check. None was refuted.")
		}
	}
	path := t.TempDir() + "/results.json"
	require.NoError(t, counted("").Document.WriteFile(path))
	d, err := ReadDocument(path)
	require.NoError(t, err)
	assert.True(t, d.Claims[0].Vacuous)
	assert.False(t, d.Claims[1].Vacuous)
}

func TestNothingIsSaidOfCountsThatAreNotThere(t *testing.T) {
	agree := bare(nil)
	agree.Document.Replicas = &checker.Census{Keys: 5, Behind: map[int]int{0: 5}, Nodes: []checker.NodeCensus{{Node: "n1", Keys: 5, Newest: 5}}}
	agree.Document.Siblings = &checker.SiblingCounts{Bound: 100, Maximum: 1, Keys: 5, Histogram: map[int]int{1: 5}}
	forms := everyForm(t, agree)
	for _, form := range forms[:2] {
		assert.Contains(t, form, "none of 5 keys differs.")
		assert.Contains(t, form, "No key had more than one version at a time.")
		assert.NotContains(t, form, "up to date", "a table without a difference")
	}
	assert.NotContains(t, forms[2], "Replicas:")
	assert.NotContains(t, forms[2], "Siblings:")

	for _, form := range everyForm(t, bare(nil)) {
		for _, no := range []string{`id="sets"`, `id="replicas"`, `id="siblings"`, "## Sets", "## Replicas", "## Siblings", "Sets:", "Replicas:", "Siblings:"} {
			assert.NotContains(t, form, no)
		}
	}
}

// TestCountsCannotInject: keys and nodes come from outside.
func TestCountsCannotInject(t *testing.T) {
	forms := everyForm(t, counted(" <script>alert(1)</script>|\x1b[31m"))
	for _, form := range forms[:2] {
		assert.NotContains(t, form, "<script>alert(1)")
	}
	assert.NotContains(t, forms[1], ")|", "a column more")
	assert.NotContains(t, forms[2], "\x1b")
}

// TestTheSameWitnessIsToldOnce: where two claims are refuted by the same
// operations in the same words, the second refers to the first.
func TestTheSameWitnessIsToldOnce(t *testing.T) {
	witness := checker.Witness{Class: "stale-read", Key: "k", Operations: []int64{2, 4}, Explanation: "Process 1 read 4."}
	other := witness
	other.Operations = []int64{2, 6}
	refuted := func(claim string, w checker.Witness) checker.Result {
		return checker.Result{Claim: claim, Verdict: checker.Refuted, Explanation: "1 read.", Witnesses: []checker.Witness{w}, Found: 3}
	}
	run := &Run{Document: NewDocument(checker.Report{Verdict: checker.Refuted, Claims: []checker.Result{
		refuted(checker.NoStaleReads, witness), refuted(checker.ReadYourWrites, witness), refuted(checker.MonotonicReads, other),
	}})}
	var b bytes.Buffer
	require.NoError(t, Summary(&b, run, TextOptions{}))
	assert.Equal(t, 2, strings.Count(b.String(), "Process 1 read 4."))
	assert.Contains(t, b.String(), "Witness: stale-read on key k: the operations shown under no-stale-reads.")
	assert.Contains(t, b.String(), "operations 2 6")
	assert.Equal(t, 3, strings.Count(b.String(), "and 2 more violations of this claim"))
}

// TestLongExplanationsAreFolded: what the witness' table shows as well is told on demand.
func TestLongExplanationsAreFolded(t *testing.T) {
	long := "Process 1 read 4. " + strings.Repeat("The replica n1 answered. ", 40) + "In force: f1."
	run := &Run{Document: NewDocument(checker.Report{Verdict: checker.Refuted, Claims: []checker.Result{{
		Claim: checker.NoStaleReads, Verdict: checker.Refuted, Explanation: "1 read.",
		Witnesses: []checker.Witness{{Class: "stale-read", Key: "k", Operations: []int64{2, 4}, Explanation: long, Summary: "Process 1 read 4. In force: f1."}},
	}}})}
	page, err := HTML(run, nil)
	require.NoError(t, err)
	assert.Contains(t, string(page), "<p>Process 1 read 4. In force: f1.</p>\n<details")
	assert.Contains(t, string(page), "<p>"+long+"</p></details>")
}
