package harness

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/generator"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

// register makes the bundled store known, as the program does.
var register = sync.OnceFunc(func() {
	if _, err := target.Lookup(leaderless.Name); err != nil {
		if err := target.Add(leaderless.New()); err != nil {
			panic(err)
		}
	}
})

func TestAMaterialisedPlanIsWhatTheWorkersDo(t *testing.T) {
	base, _ := testPlan(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		p := *base
		p.Operations = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) plan.Operation {
			o := plan.Operation{Worker: rapid.IntRange(0, p.Workload.Concurrency-1).Draw(t, "worker"), Index: rapid.IntRange(0, 1000).Draw(t, "index"),
				At: plan.Duration(rapid.Int64Range(0, 5).Draw(t, "at")), F: history.FRead, Key: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "key"), Node: "n2"}
			if rapid.Bool().Draw(t, "write") {
				value := rapid.Int64().Draw(t, "value")
				o.F, o.Value = history.FWrite, &value
			}
			return o
		}), 1, 30).Draw(t, "operations")
		g, err := mainGenerator(&p, workloads.Register{})
		require.NoError(t, err)
		left := map[plan.Operation]int{}
		for _, o := range p.Operations {
			o.Index = 0 // it names the operation and does not show in what is asked
			if o.Value != nil {
				left[plan.Operation{Worker: o.Worker, At: o.At, F: o.F, Key: o.Key, Node: o.Node, Index: int(*o.Value)}]++
			} else {
				left[o]++
			}
		}
		total := 0
		for worker := range p.Workload.Concurrency {
			last := time.Duration(0)
			for index := 0; ; index++ {
				asked, more := g.Operation(worker, index)
				if !more {
					break
				}
				total++
				require.GreaterOrEqual(t, asked.At, last, "worker %d asks in the order of time", worker)
				last = asked.At
				key := plan.Operation{Worker: worker, At: plan.Duration(asked.At), F: asked.F, Key: asked.Key, Node: asked.Node}
				if value, written := asked.Value.Int(); written {
					key.Index = int(value)
				}
				require.Positive(t, left[key], "%+v is the plan's", key)
				left[key]--
			}
		}
		require.Equal(t, len(p.Operations), total)
	})
}

func TestAPlanWithoutOperationsIsGeneratedAndPaced(t *testing.T) {
	p, _ := testPlan(t, nil)
	g, err := mainGenerator(p, workloads.Register{})
	require.NoError(t, err)
	generated, err := workloads.Register{}.Main(workloadConfig(p))
	require.NoError(t, err)
	want := generator.Pace(generated, p.Seed, p.Workload.Concurrency, p.Workload.Rate)
	for index := range 20 {
		a, _ := g.Operation(3, index)
		b, _ := want.Operation(3, index)
		assert.Equal(t, b, a)
	}
}

func TestOperationsThatNobodyCanAskForAreRefused(t *testing.T) {
	one := int64(1)
	for wants, o := range map[string]plan.Operation{
		"operations[0].worker: 10: want 0 to 9":         {Worker: 10, F: history.FRead},
		"operations[0].worker: -1: want 0 to 9":         {Worker: -1, F: history.FRead},
		"operations[0].value: a read has none":          {F: history.FRead, Value: &one},
		"operations[0].value: it is missing: want what": {F: history.FWrite},
	} {
		p, _ := testPlan(t, nil)
		p.Operations = []plan.Operation{o}
		_, err := mainGenerator(p, workloads.Register{})
		assert.ErrorContains(t, err, wants)
	}
}

func TestOnlyThePlansOperationsAreAskedAtTheirTimes(t *testing.T) {
	p, system := testPlan(t, nil)
	p.Limits.Time = plan.Duration(1500 * time.Millisecond)
	values := []int64{5, 6}
	at := func(ms int) plan.Duration { return plan.Duration(time.Duration(ms) * time.Millisecond) }
	p.Operations = []plan.Operation{
		{Worker: 3, Index: 7, At: at(100), F: history.FWrite, Key: "x", Value: &values[0], Node: "n1"},
		{Worker: 3, Index: 9, At: at(300), F: history.FRead, Key: "x", Node: "n2"},
		{Worker: 0, Index: 2, At: at(500), F: history.FWrite, Key: "y", Value: &values[1], Node: "n4"},
		{Worker: 9, Index: 1, At: at(700), F: history.FRead, Key: "y", Node: "n3"},
	}
	require.NoError(t, p.Validate())
	cluster := newLoopback(t, 5, nil)
	run, path := testRun(t, cluster, system, p)
	require.NoError(t, run.Execute(t.Context()))
	require.NoError(t, cluster.Close(t.Context()))
	operations, _, err := history.ReadFile(t.Context(), path)
	require.NoError(t, err)
	assertPlanned(t, p, operations)
	finals := map[string]int{}
	begun := false
	for _, o := range operations {
		begun = begun || o.F == history.FPhase && o.Key == history.PhaseFinals
		if begun && o.F == history.FRead {
			finals[o.Key]++
		}
	}
	assert.Equal(t, map[string]int{"x": 10, "y": 10}, finals, "and the final reads are as usual")

	// Four operations are all that the plan wants: judged by itself the run is valid.
	require.NoError(t, p.Save(filepath.Join(filepath.Dir(path), "plan.json")))
	outcome, err := CheckFile(t.Context(), path, p.Claims, time.Minute)
	require.NoError(t, err)
	assert.Empty(t, outcome.Report.Validity)
	assert.Zero(t, outcome.ExitCode())
	// As a run that happened to have four operations it is not.
	require.NoError(t, os.Remove(filepath.Join(filepath.Dir(path), "plan.json")))
	outcome, err = CheckFile(t.Context(), path, p.Claims, time.Minute)
	require.NoError(t, err)
	assert.Len(t, outcome.Report.Validity, 1)
}

func TestPlansOfTheSimulationRunWhereTheyCan(t *testing.T) {
	register()
	save := func(change func(p *plan.Plan)) string {
		p, _ := testPlan(t, nil)
		p.Backend = "sim"
		p.Surroundings = &plan.Surroundings{Latency: plan.Duration(time.Millisecond), Sync: plan.Duration(time.Millisecond)}
		p.Limits.Time = plan.Duration(300 * time.Millisecond)
		p.Operations = []plan.Operation{{F: history.FRead, Key: "x", Node: "n1"}}
		change(p)
		path := filepath.Join(t.TempDir(), "plan.json")
		require.NoError(t, p.Save(path))
		return path
	}
	plain := save(func(*plan.Plan) {})
	for asked, wants := range map[string]string{"auto": "sim", "sim": "sim", "docker": "docker"} {
		p, _, err := LoadPlan(plain, asked)
		require.NoError(t, err, asked)
		assert.Equal(t, wants, p.Backend, "--on %s", asked)
		assert.NotNil(t, p.Surroundings, "they are kept for the next simulation")
	}
	_, _, err := LoadPlan(plain, "kubernetes")
	assert.ErrorContains(t, err, `"kubernetes" is unknown`)

	power := save(func(p *plan.Plan) {
		p.Schedule = []plan.Fault{{ID: "f7", Kind: "power", Shape: "one", Targets: []string{"n1"}, Duration: plan.Duration(time.Millisecond)}}
	})
	_, _, err = LoadPlan(power, "sim")
	require.NoError(t, err)
	_, _, err = LoadPlan(power, "docker")
	require.ErrorAs(t, err, new(*UsageError))
	assert.ErrorContains(t, err, "f7")
	assert.ErrorContains(t, err, "--on sim")

	stranger := save(func(p *plan.Plan) { p.Operations[0].Worker = 99 })
	_, _, err = LoadPlan(stranger, "docker")
	assert.ErrorContains(t, err, "worker")

	p, system, err := LoadPlan(plain, "auto")
	require.NoError(t, err)
	out := t.TempDir()
	_, err = Repeat(t.Context(), Repetitions{Performance: Performance{Plan: p, System: system, Out: out}, Repetitions: 2})
	require.ErrorAs(t, err, new(*UsageError))
	assert.ErrorContains(t, err, "--on docker")
	files, err := os.ReadDir(out)
	require.NoError(t, err)
	assert.Empty(t, files, "nothing is left behind")
}
