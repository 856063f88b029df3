package plan_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
)

func example() *plan.Plan {
	seven := int64(7)
	return &plan.Plan{
		Format: plan.Format, Name: "leaderless-register", Seed: math.MaxUint64, Backend: "docker",
		Target:   plan.Target{Name: "leaderless", Nodes: 5, Settings: map[string]string{"w": "2", "n": "3", "r": "2"}},
		Workload: plan.Workload{Name: "register", Concurrency: 10, Rate: 250.5},
		Nemesis:  []string{"partition", "clock"},
		Schedule: []plan.Fault{
			{ID: "f1", Kind: "partition", Shape: "one-way", Targets: []string{"n1"},
				Cuts: []history.Cut{{From: "n1", To: "n2"}, {From: "n1", To: "n5"}},
				At:   plan.Duration(2 * time.Second), Duration: plan.Duration(1500 * time.Millisecond)},
			{ID: "f2", Kind: "clock", Shape: "strobe", Targets: []string{"n3"}, At: plan.Duration(2 * time.Second),
				Duration: plan.Duration(time.Second),
				Clock:    &plan.Clock{Period: plan.Duration(time.Millisecond), Delta: plan.Duration(-time.Hour), RatePPM: -100}},
			{ID: "f3", Kind: "network", Shape: "lossy", Targets: []string{"n2"}, At: plan.Duration(3 * time.Second),
				Duration: plan.Duration(time.Second),
				Network: &plan.Network{LossPPM: 1_000_000, DuplicatePPM: 1, Delay: plan.Duration(time.Millisecond),
					Jitter: plan.Duration(time.Microsecond)}},
			{ID: "f4", Kind: "disk", Shape: "slow", Targets: []string{"n2"}, At: plan.Duration(4 * time.Second),
				Duration: plan.Duration(time.Second), Delay: plan.Duration(20 * time.Millisecond)},
			{ID: "f5", Kind: "partition", Cuts: []history.Cut{{From: "n5", To: "n1"}}, At: plan.Duration(5 * time.Second),
				Duration: plan.Duration(time.Second), Hold: true},
		},
		Operations: []plan.Operation{
			{Worker: 9, Index: 4, F: "write", Key: "r0", Value: &seven, Node: "n1"},
			{Worker: 0, Index: 4, At: plan.Duration(time.Second), F: "read", Key: "r0", Node: "n5"},
			{Worker: 9, Index: 2, At: plan.Duration(time.Second), F: "refresh", Node: "n2"},
		},
		Surroundings: &plan.Surroundings{Seed: 3, Latency: plan.Duration(time.Millisecond), Sync: plan.Duration(2 * time.Millisecond),
			LossPPM: 10, DuplicatePPM: 20, WANLatency: plan.Duration(30 * time.Millisecond), WANJitter: plan.Duration(time.Millisecond)},
		Claims: []string{"linearizable", "convergence"},
		Expect: []string{"refuted:linearizable"},
		Limits: plan.Limits{Time: plan.Duration(30 * time.Second), Operation: plan.Duration(time.Second),
			Quiet: plan.Duration(10 * time.Second), Finals: plan.Duration(10 * time.Second),
			Check: plan.Duration(time.Minute), CheckMemory: 1 << 30},
	}
}

func TestSavedPlanIsReadBackEqual(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.json")
	p := example()
	require.NoError(t, p.Save(path))
	got, err := plan.Load(path)
	require.NoError(t, err)
	assert.Equal(t, p, got)

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	sum := sha256.Sum256(text)
	assert.Equal(t, hex.EncodeToString(sum[:]), p.SHA256(), "the digest is the file's")
	assert.True(t, bytes.HasSuffix(text, []byte("}\n")))
	assert.Contains(t, string(text), "\n  \"seed\": 18446744073709551615,\n", "a seed of 64 bits survives")

	got.Seed--
	assert.NotEqual(t, p.SHA256(), got.SHA256())
}

func TestSaveReplacesTheFileAsAWhole(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "plan.json")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("x"), 1<<16), 0o600))
	require.NoError(t, example().Save(path))
	_, err := plan.Load(path)
	require.NoError(t, err)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "no temporary file is left")

	broken := example()
	broken.Workload.Rate = math.NaN()
	require.Error(t, broken.Save(path))
	assert.Empty(t, broken.SHA256())
	_, err = plan.Load(path)
	require.NoError(t, err, "a plan that can't be written leaves the old file as it was")

	err = example().Save(filepath.Join(folder, "missing", "plan.json"))
	require.ErrorContains(t, err, "missing")
}

func TestEqualPlansHaveEqualBytes(t *testing.T) {
	a, b := example(), example()
	a.Operations, b.Operations = nil, []plan.Operation{}
	a.Schedule, b.Schedule = nil, []plan.Fault{}
	a.Nemesis, b.Nemesis = nil, []string{}
	a.Target.Settings, b.Target.Settings = nil, map[string]string{}
	a.Claims, b.Claims = nil, []string{}
	assert.Equal(t, a.SHA256(), b.SHA256())
	assert.Nil(t, a.Schedule, "the plan itself is not changed")
}

func TestValidateRefuses(t *testing.T) {
	second := plan.Duration(time.Second)
	for name, c := range map[string]struct {
		change func(*plan.Plan)
		want   string
	}{
		"future format":        {func(p *plan.Plan) { p.Format = 2 }, "format 2 is unknown"},
		"no format":            {func(p *plan.Plan) { p.Format = 0 }, `"format" is missing`},
		"no name":              {func(p *plan.Plan) { p.Name = "" }, "name: the name is missing"},
		"name with slash":      {func(p *plan.Plan) { p.Name = "a/b" }, `name: "a/b" holds '/'`},
		"parent folder":        {func(p *plan.Plan) { p.Name = ".." }, "name: "},
		"flag as name":         {func(p *plan.Plan) { p.Name = "-rf" }, "name: "},
		"newline in name":      {func(p *plan.Plan) { p.Name = "a\nb" }, "name: "},
		"long name":            {func(p *plan.Plan) { p.Name = strings.Repeat("a", 101) }, "101 bytes"},
		"backend":              {func(p *plan.Plan) { p.Backend = "podman" }, `backend: "podman"`},
		"target's name":        {func(p *plan.Plan) { p.Target.Name = "" }, "target.name"},
		"setting's name":       {func(p *plan.Plan) { p.Target.Settings[" "] = "1" }, "target.settings"},
		"no nodes":             {func(p *plan.Plan) { p.Target.Nodes = 0 }, "target.nodes: 0"},
		"too many nodes":       {func(p *plan.Plan) { p.Target.Nodes = 1001 }, "target.nodes: 1001"},
		"no clients":           {func(p *plan.Plan) { p.Workload.Concurrency = 0 }, "workload.concurrency"},
		"negative rate":        {func(p *plan.Plan) { p.Workload.Rate = -1 }, "workload.rate"},
		"endless rate":         {func(p *plan.Plan) { p.Workload.Rate = math.Inf(1) }, "workload.rate"},
		"rate no number":       {func(p *plan.Plan) { p.Workload.Rate = math.NaN() }, "workload.rate"},
		"nemesis twice":        {func(p *plan.Plan) { p.Nemesis = []string{"kill", "kill"} }, `nemesis[1]: "kill" stands twice`},
		"empty claim":          {func(p *plan.Plan) { p.Claims[1] = "" }, "claims[1]"},
		"expectation":          {func(p *plan.Plan) { p.Expect[0] = "linearizable" }, "expect[0]"},
		"no time":              {func(p *plan.Plan) { p.Limits.Time = 0 }, "limits.time"},
		"negative time":        {func(p *plan.Plan) { p.Limits.Time = -second }, "limits.time: -1s is negative"},
		"negative quiet":       {func(p *plan.Plan) { p.Limits.Quiet = -second }, "limits.quiet"},
		"no deadline":          {func(p *plan.Plan) { p.Limits.Operation = 0 }, "limits.operation"},
		"negative memory":      {func(p *plan.Plan) { p.Limits.CheckMemory = -1 }, "limits.check_memory"},
		"negative siblings":    {func(p *plan.Plan) { p.Limits.Siblings = -1 }, "limits.siblings"},
		"key with an end":      {func(p *plan.Plan) { p.Operations[0].Key = "cart/" }, "operations[0].key"},
		"no identifier":        {func(p *plan.Plan) { p.Schedule[0].ID = "" }, "schedule[0].id"},
		"identifier twice":     {func(p *plan.Plan) { p.Schedule[1].ID = "f1" }, `schedule[1].id: "f1" is the identifier of schedule[0] too`},
		"no kind":              {func(p *plan.Plan) { p.Schedule[0].Kind = "" }, "schedule[0].kind"},
		"bad shape":            {func(p *plan.Plan) { p.Schedule[0].Shape = "a b" }, "schedule[0].shape"},
		"starts before":        {func(p *plan.Plan) { p.Schedule[1].At -= 1 }, "schedule[1].at: 1.999999999s is before 2s"},
		"starts negative":      {func(p *plan.Plan) { p.Schedule[0].At = -1 }, "schedule[0].at: -1ns is negative"},
		"starts after the end": {func(p *plan.Plan) { p.Schedule[1].At = 31 * second }, "would never happen"},
		"lasts negative":       {func(p *plan.Plan) { p.Schedule[1].Duration = -1 }, "schedule[1].duration: -1ns is negative"},
		"never ends":           {func(p *plan.Plan) { p.Schedule[1].Duration = math.MaxInt64 }, "schedule[1].duration"},
		"unknown target":       {func(p *plan.Plan) { p.Schedule[0].Targets[0] = "n6" }, `schedule[0].targets[0]: no node is called "n6"`},
		"node zero":            {func(p *plan.Plan) { p.Schedule[0].Targets[0] = "n0" }, `"n0"`},
		"node with zero":       {func(p *plan.Plan) { p.Schedule[0].Targets[0] = "n01" }, `"n01"`},
		"target twice":         {func(p *plan.Plan) { p.Schedule[0].Targets = []string{"n1", "n1"} }, "targets[1]"},
		"cut from nowhere":     {func(p *plan.Plan) { p.Schedule[0].Cuts[1].From = "x" }, "cuts[1].from"},
		"cut to nowhere":       {func(p *plan.Plan) { p.Schedule[0].Cuts[1].To = "" }, "cuts[1].to"},
		"cut from itself":      {func(p *plan.Plan) { p.Schedule[0].Cuts[1].To = "n1" }, "from itself"},
		"cut twice":            {func(p *plan.Plan) { p.Schedule[0].Cuts[1].To = "n2" }, "n1 to n2 stands twice"},
		"negative period":      {func(p *plan.Plan) { p.Schedule[1].Clock.Period = -1 }, "clock.period"},
		"strobe of no period":  {func(p *plan.Plan) { p.Schedule[1].Clock.Period = 0 }, "clock.period"},
		"negative loss":        {func(p *plan.Plan) { p.Schedule[2].Network.LossPPM = -1 }, "schedule[2].network.loss_ppm: -1: want 0 to 1000000"},
		"more than all twice":  {func(p *plan.Plan) { p.Schedule[2].Network.DuplicatePPM = 1_000_001 }, "schedule[2].network.duplicate_ppm: 1000001"},
		"negative delay":       {func(p *plan.Plan) { p.Schedule[2].Network.Delay = -1 }, "schedule[2].network.delay: -1ns is negative"},
		"negative jitter":      {func(p *plan.Plan) { p.Schedule[2].Network.Jitter = -1 }, "schedule[2].network.jitter"},
		"negative slowness":    {func(p *plan.Plan) { p.Schedule[3].Delay = -1 }, "schedule[3].delay: -1ns is negative"},
		"worker below zero":    {func(p *plan.Plan) { p.Operations[0].Worker = -1 }, "operations[0].worker: -1: want 0 to 9"},
		"worker too many":      {func(p *plan.Plan) { p.Operations[0].Worker = 10 }, "operations[0].worker: 10: want 0 to 9, because workload.concurrency is 10"},
		"index below zero":     {func(p *plan.Plan) { p.Operations[1].Index = -1 }, "operations[1].index: -1 is negative"},
		"place twice":          {func(p *plan.Plan) { p.Operations[2].Index = 4 }, "operations[2].index: 4 of worker 9 is operations[0] already"},
		"operation too early":  {func(p *plan.Plan) { p.Operations[0].At = -1 }, "operations[0].at: -1ns is negative"},
		"operation too late":   {func(p *plan.Plan) { p.Operations[2].At = 31 * second }, "operations[2].at: 31s is after the end"},
		"operations mixed up":  {func(p *plan.Plan) { p.Operations[2].At-- }, "operations[2].at: 999.999999ms is before 1s of operations[1]"},
		"no function":          {func(p *plan.Plan) { p.Operations[2].F = "" }, "operations[2].f: the name is missing"},
		"bad key":              {func(p *plan.Plan) { p.Operations[1].Key = "r 0" }, `operations[1].key: "r 0" holds ' '`},
		"asks nobody":          {func(p *plan.Plan) { p.Operations[1].Node = "" }, `operations[1].node: no node is called ""`},
		"asks a stranger":      {func(p *plan.Plan) { p.Operations[1].Node = "n6" }, "operations[1].node"},
		"no latency":           {func(p *plan.Plan) { p.Surroundings.Latency = 0 }, "surroundings.latency: 0s: want a time above zero"},
		"endless latency":      {func(p *plan.Plan) { p.Surroundings.Latency = math.MaxInt64 }, "at most 1m0s"},
		"negative sync":        {func(p *plan.Plan) { p.Surroundings.Sync = -1 }, "surroundings.sync: -1ns"},
		"all and more lost":    {func(p *plan.Plan) { p.Surroundings.LossPPM = 1_000_001 }, "surroundings.loss_ppm"},
		"negative wan jitter":  {func(p *plan.Plan) { p.Surroundings.WANJitter = -1 }, "surroundings.wan_jitter: -1ns: want 0s to 1m0s"},
		"endless links":        {func(p *plan.Plan) { p.Surroundings.WANLatency = math.MaxInt64 }, "surroundings.wan_latency"},
		"fewer than none":      {func(p *plan.Plan) { p.Surroundings.DuplicatePPM = -1 }, "surroundings.duplicate_ppm"},
	} {
		t.Run(name, func(t *testing.T) {
			p := example()
			require.NoError(t, p.Validate())
			c.change(p)
			err := p.Validate()
			require.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	good, err := example().Bytes()
	require.NoError(t, err)
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"\n", "the file is empty"},
		"cut":             {string(good[:len(good)/2]), "unexpected end of JSON input"},
		"other JSON":      {`{"verdict": "holds"}`, `"format" is missing`},
		"later format":    {strings.Replace(string(good), `"format": 1`, `"format": 7, "new": true`, 1), "format 7 is unknown"},
		"misspelt field":  {strings.Replace(string(good), `"claims"`, `"claim"`, 1), `unknown field "claim"`},
		"text for number": {strings.Replace(string(good), `"nodes": 5`, `"nodes": "5"`, 1), "line 8: field \"target.nodes\""},
		"bad duration":    {strings.Replace(string(good), `"1.5s"`, `"1.5 s"`, 1), `duration "1.5 s"`},
		"two plans":       {string(good) + string(good), "invalid character"},
		"invalid":         {strings.Replace(string(good), `"backend": "docker"`, `"backend": ""`, 1), "backend"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "plan.json")
			require.NoError(t, os.WriteFile(path, []byte(c.text), 0o644))
			_, err := plan.Load(path)
			require.ErrorContains(t, err, c.want)
			assert.Contains(t, err.Error(), path)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	_, err = plan.Load(filepath.Join(t.TempDir(), "none.json"))
	require.ErrorIs(t, err, os.ErrNotExist)
	var version *plan.FormatVersionError
	_, err = plan.Parse([]byte(`{"format": 9}`))
	require.ErrorAs(t, err, &version)
	assert.Equal(t, 9, version.Version)
}

func FuzzLoad(f *testing.F) {
	good, err := example().Bytes()
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`{"format":1,"name":"a","backend":"sim","target":{"name":"t","nodes":1000000000000},"workload":{"name":"w","concurrency":1,"rate":1e400}}`))
	f.Add(bytes.ReplaceAll(good, []byte("2s"), []byte("-9223372036854775808ns")))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := plan.Parse(text)
		if err != nil {
			assert.NotContains(t, err.Error(), "\n")
			return
		}
		canonical, err := p.Bytes()
		require.NoError(t, err)
		again, err := plan.Parse(canonical)
		require.NoError(t, err, "what was written is read")
		bytesAgain, err := again.Bytes()
		require.NoError(t, err)
		require.Equal(t, string(canonical), string(bytesAgain), "the canonical text is a fixed point")
	})
}

func TestSanitizedNamesAreValid(t *testing.T) {
	assert.Equal(t, "leaderless-register", plan.SanitizeName("leaderless-register"))
	assert.Equal(t, "n-3-w-2", plan.SanitizeName("/n=3 & w=2/"))
	assert.Equal(t, "run", plan.SanitizeName("../…"))
	rapid.Check(t, func(t *rapid.T) {
		p := example()
		p.Name = plan.SanitizeName(rapid.String().Draw(t, "text"))
		require.NoError(t, p.Validate())
		require.Equal(t, p.Name, plan.SanitizeName(p.Name))
	})
}

func TestSortFaults(t *testing.T) {
	faults := []plan.Fault{{ID: "f10", At: 1}, {ID: "f2", At: 1}, {ID: "f1", At: 2}, {ID: "f3", At: 0}}
	plan.SortFaults(faults)
	var ids []string
	for _, f := range faults {
		ids = append(ids, f.ID)
	}
	assert.Equal(t, []string{"f3", "f2", "f10", "f1"}, ids)
}
