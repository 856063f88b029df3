package sim_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
)

func TestScratch(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv("SEEDS"))
	if n == 0 {
		t.Skip()
	}
	abd := map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd", "fsync": "always"}
	for name, c := range map[string]struct {
		settings map[string]string
		kinds    []string
	}{
		"control":   {abd, allKinds},
		"r1w1":      {map[string]string{"n": "5", "w": "1", "r": "1"}, nil},
		"lww":       {map[string]string{}, []string{nemesis.Clock}},
		"norepair":  {map[string]string{"n": "5", "w": "3", "r": "3", "fetch": "on", "repair": "off"}, allKinds},
		"async":     {map[string]string{"n": "5", "w": "3", "r": "3", "fetch": "on", "repair": "async"}, allKinds},
		"sloppy":    {map[string]string{"n": "3", "w": "2", "r": "2", "sloppy": "on"}, allKinds},
		"beforelog": {map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd", "acknowledge": "before-log"}, allKinds},
		"unsynced":  {map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd", "fsync": "never"}, allKinds},
	} {
		if w := os.Getenv("ONLY"); w != "" && w != name {
			continue
		}
		found := map[string]int{}
		began := time.Now()
		for seed := range uint64(n) {
			p, system := setUp(t, seed, 20*time.Second, 100, c.kinds, c.settings)
			r, err := sim.Run(t.Context(), p, system, sim.Options{})
			require.NoError(t, err)
			report, err := checker.Check(t.Context(), r.Operations, checker.Options{Claims: []string{"linearizable", "no-lost-writes", "no-stale-reads", "read-your-writes", "monotonic-reads", "convergence"}, Memory: 1 << 30})
			require.NoError(t, err)
			for _, c := range report.Claims {
				for class := range c.Classes {
					found[c.Claim+"/"+class]++
				}
				if c.Verdict == checker.Unknown {
					found[c.Claim+"/unknown"]++
				}
			}
			if len(report.Validity) > 0 {
				found["invalid "+report.Validity[0]]++
			}
			if name == "control" && report.Verdict == checker.Refuted {
				fmt.Println("control refuted at seed", seed)
			}
		}
		fmt.Println(name, n, time.Since(began), found)
	}
}
