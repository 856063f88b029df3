package harness

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/explore"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target/leaderless/catalogue"
)

// itemSeeds is how many seeds each item is tested with. REFUTE_CATALOGUE_SEEDS
// asks for more, for instance the 1000 that no twin may refute.
func itemSeeds(t *testing.T) int {
	text, asked := os.LookupEnv("REFUTE_CATALOGUE_SEEDS")
	if !asked {
		return 40
	}
	seeds, err := strconv.Atoi(text)
	require.NoError(t, err, "REFUTE_CATALOGUE_SEEDS")
	return seeds
}

// Every plan refutes the claim that the catalogue names, with the cause that
// it names, for most seeds, and its twin for none.
func TestEveryItemShowsWhatItSays(t *testing.T) {
	register()
	seeds := itemSeeds(t)
	for _, item := range catalogue.Items() {
		if item.Missing != "" {
			continue
		}
		t.Run(item.Folder(), func(t *testing.T) {
			t.Parallel()
			shown, err := ShowItem(t.Context(), ItemRequest{Item: item, Seeds: seeds, FirstSeed: 1})
			require.NoError(t, err)
			assert.Empty(t, shown.Problems)
			assert.Zero(t, shown.ExitCode())
			assert.Equal(t, seeds, shown.Plan.Seeds)
			c := shown.Plan.Claim(item.Claim)
			require.NotNil(t, c)
			if item.Legal {
				assert.Zero(t, c.Refuted)
				assert.NotEmpty(t, item.Reads, "no verdict tells a legal item from a run in which nothing happened")
				return
			}
			assert.Greater(t, c.Refuted, seeds/2)
			require.NotNil(t, c.Result)
			assert.Equal(t, item.Cause, strings.TrimPrefix(c.Result.Witnesses[0].Cause, checker.CauseUnknown))
			require.NotNil(t, shown.Twin, "what can be refuted has a twin")
			assert.Zero(t, shown.Twin.Claim(item.Claim).Refuted)
			assert.Greater(t, 10*shown.Twin.Claim(item.Claim).Holds, 9*seeds)
		})
	}
}

// A twin is the plan with one setting changed, the one that the catalogue names.
func TestATwinDiffersInOneSetting(t *testing.T) {
	register()
	for _, item := range catalogue.Items() {
		if !item.HasTwin() {
			continue
		}
		t.Run(item.Folder(), func(t *testing.T) {
			p, err := item.LoadPlan()
			require.NoError(t, err)
			twin, err := item.LoadTwin()
			require.NoError(t, err)
			assert.Equal(t, item.Folder(), p.Name)
			assert.Equal(t, item.Folder()+"-twin", twin.Name)
			// As they stand in the files, and then with every setting filled in.
			filled, filledTwin, err := ItemPlans(item, OnSim)
			require.NoError(t, err)
			before, after := allSettings(filled.Plan), allSettings(filledTwin.Plan)
			assert.Equal(t, item.Plan, before[item.Setting])
			assert.Equal(t, item.Twin, after[item.Setting])
			changed := map[string][2]string{}
			for name := range before {
				// What a workload needs of the target follows from its settings.
				_, named := allSettings(p)[name]
				if before[name] != after[name] && (named || name == item.Setting) {
					changed[name] = [2]string{before[name], after[name]}
				}
			}
			clear(p.Target.Settings)
			clear(p.Workload.Settings)
			clear(twin.Target.Settings)
			clear(twin.Workload.Settings)
			assert.Equal(t, map[string][2]string{item.Setting: {item.Plan, item.Twin}}, changed)
			twin.Name = p.Name
			assert.Equal(t, p, twin, "all but the settings is the same")
		})
	}
}

func TestItemsNameClaimsAndCausesThatThereAre(t *testing.T) {
	causes := map[string]bool{}
	for _, c := range checker.Causes() {
		causes[c.Name] = true
	}
	for _, item := range catalogue.Items() {
		if item.Missing != "" {
			continue
		}
		_, err := checker.ParseClaims([]string{item.Claim})
		assert.NoError(t, err, item.Name)
		assert.Equal(t, !item.Legal && item.Cause != "", causes[item.Cause], "%s: the cause %q", item.Name, item.Cause)
	}
}

// With this seed the two concurrent writes carry the same timestamp.
func TestATieOfConcurrentWritesHasACause(t *testing.T) {
	register()
	item, err := catalogue.Lookup("concurrent-writes-discarded")
	require.NoError(t, err)
	p, err := item.LoadPlan()
	require.NoError(t, err)
	p.Target.Settings["timestamp-unit"] = "1s" // the two writes are in one second
	performed, err := prepared(p, OnSim)
	require.NoError(t, err)
	sample, err := explore.TakeSample(t.Context(), explore.SampleConfig{Plan: performed.Plan, System: performed.System, FirstSeed: 1, Seeds: 1})
	require.NoError(t, err)
	witness := sample.Claim(item.Claim).Result.Witnesses[0]
	assert.Equal(t, item.Cause, witness.Cause)
	assert.Contains(t, witness.Summary, "carry the same timestamp")
}

// An item that does not show what it says is called so.
func TestAnItemThatIsNotAsDescribedIsCalledSo(t *testing.T) {
	register()
	item, err := catalogue.Lookup("12")
	require.NoError(t, err)
	show := func(change func(*catalogue.Item)) *ItemShown {
		changed := item
		change(&changed)
		shown, err := ShowItem(t.Context(), ItemRequest{Item: changed, Seeds: 3, FirstSeed: 1})
		require.NoError(t, err)
		return shown
	}
	for name, c := range map[string]struct {
		change  func(*catalogue.Item)
		problem string
	}{
		"another cause":  {func(i *catalogue.Item) { i.Cause = "no-overlap" }, `in 3 seeds the cause is "clock-skew-last-write-wins"`},
		"called legal":   {func(i *catalogue.Item) { i.Legal = true }, "what is legal was refuted in 3 of 3 seeds"},
		"other reads":    {func(i *catalogue.Item) { i.Reads = "1 2" }, "in 0 of 3 seeds only do the reads of the plan return 1 2"},
		"wrongly holds":  {func(i *catalogue.Item) { i.Holds = []string{"linearizable"} }, "linearizable does not hold in all seeds of the plan"},
		"claim not kept": {func(i *catalogue.Item) { i.Claim, i.Holds = "no-lost-writes", []string{"causal"} }, "causal does not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			shown := show(c.change)
			assert.Contains(t, strings.Join(shown.Problems, "; "), c.problem)
			assert.Equal(t, 1, shown.ExitCode())
			var text bytes.Buffer
			shown.WriteText(&text, false)
			assert.Contains(t, text.String(), "NOT AS DESCRIBED: ")
		})
	}
}

func TestAnItemIsShownWithReports(t *testing.T) {
	register()
	item, err := catalogue.Lookup("session-moves")
	require.NoError(t, err)
	shown, err := ShowItem(t.Context(), ItemRequest{Item: item, Seeds: 2, FirstSeed: 7, Out: t.TempDir()})
	require.NoError(t, err)
	for _, side := range []*ItemSide{shown.Plan, shown.Twin} {
		saved, err := plan.Load(filepath.Join(filepath.Dir(side.Report), "plan.json"))
		require.NoError(t, err)
		assert.Equal(t, uint64(7), saved.Seed)
		assert.FileExists(t, side.Report)
	}
	var text bytes.Buffer
	shown.WriteText(&text, false)
	for _, want := range []string{"8. with r=1 a client reads its own write, and then does not", "refuted in 2 of 2 seeds, cause session-moved in 2",
		"with session=floor instead of none: refuted in 0 of 2 seeds", shown.Plan.Report} {
		assert.Contains(t, text.String(), want)
	}
	for line := range strings.Lines(text.String()) {
		if !strings.Contains(line, t.TempDir()) && !strings.Contains(line, "source") && !strings.Contains(line, "report.html") {
			assert.LessOrEqual(t, len([]rune(line)), 140, line)
		}
	}
}
