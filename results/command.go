package results

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/harness/plan"
)

// CommandLine returns the command that draws the same plan again: every
// choice that the plan holds as a flag, the seed among them. The schedule
// follows from the seed. It is empty for a plan that no flags describe: one
// that lists its operations or has surroundings of its own.
func CommandLine(p *plan.Plan) string {
	if len(p.Operations) > 0 || p.Surroundings != nil {
		return ""
	}
	words := []string{"refute", "run"}
	flag := func(name, value string) {
		if value != "" {
			words = append(words, "--"+name, shellQuote(value))
		}
	}
	flag("on", p.Backend)
	flag("target", p.Target.Name)
	flag("workload", p.Workload.Name)
	nemesis := strings.Join(p.Nemesis, ",")
	if nemesis == "" {
		nemesis = "none"
	}
	flag("nemesis", nemesis)
	flag("nodes", strconv.Itoa(p.Target.Nodes))
	flag("concurrency", strconv.Itoa(p.Workload.Concurrency))
	flag("rate", strconv.FormatFloat(p.Workload.Rate, 'f', -1, 64))
	flag("time-limit", p.Limits.Time.String())
	flag("seed", strconv.FormatUint(p.Seed, 10))
	for _, key := range slices.Sorted(maps.Keys(p.Target.Settings)) {
		flag("set", key+"="+p.Target.Settings[key])
	}
	flag("claims", strings.Join(p.Claims, ","))
	for _, e := range p.Expect {
		flag("expect", e)
	}
	return strings.Join(words, " ")
}

// replayCommand runs the very plan file again, schedule included, on the
// backend that the plan names.
func replayCommand(f *Folder) string { return "refute run --plan " + shellQuote(f.Plan()) }

// checkCommand judges the recorded history again.
func checkCommand(f *Folder, d *Document) string {
	words := "refute check " + shellQuote(f.History())
	var claims []string
	for _, c := range d.Claims {
		claims = append(claims, c.Claim)
	}
	if len(claims) > 0 {
		words += " --claims " + shellQuote(strings.Join(claims, ","))
	}
	return words
}
