// Command hashes runs fault-heavy plans and prints the hash of each, for the
// tests that compare builds, settings of the runtime and architectures.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

func main() {
	seeds, err := strconv.ParseUint(os.Args[1], 10, 32)
	if err == nil {
		err = run(seeds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run prints a line for each seed: the hash and the number of events.
func run(seeds uint64) error {
	world := sim.NewWorld()
	for seed := range seeds {
		settings := map[string]string{"n": "3", "w": "2", "r": "2"}
		switch seed % 4 {
		case 1:
			settings = map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd"}
		case 2:
			settings["sloppy"] = "on"
		case 3:
			settings["fsync"], settings["acknowledge"] = "100ms", "before-log"
		}
		system, err := leaderless.New().Configure(5, settings)
		if err != nil {
			return err
		}
		var workload workloads.Workload = workloads.Register{}
		if seed%5 == 4 {
			workload = workloads.Set{}
		}
		own, err := workloads.Resolve(workload, nil)
		if err != nil {
			return err
		}
		const length = 5 * time.Second
		kinds := sim.Caps().Kinds()
		p := &plan.Plan{Format: plan.Format, Name: "hashes", Seed: seed, Backend: "sim",
			Target:       plan.Target{Name: "leaderless", Nodes: 5, Settings: system.Settings()},
			Workload:     plan.Workload{Name: workload.Name(), Concurrency: 10, Rate: 100, Settings: own},
			Nemesis:      kinds,
			Schedule:     nemesis.Swarm(seed, kinds, plan.NodeNames(5), length, nemesis.SwarmOptions{}),
			Surroundings: &plan.Surroundings{Latency: plan.Duration(3 * time.Millisecond), Sync: plan.Duration(time.Millisecond), LossPPM: 1000, DuplicatePPM: 1000},
			Claims:       []string{"linearizable"},
			Limits: plan.Limits{Time: plan.Duration(length), Operation: plan.Duration(time.Second),
				Quiet: plan.Duration(10 * time.Second), Finals: plan.Duration(15 * time.Second)}}
		if err := world.Load(p, system); err != nil {
			return err
		}
		result, err := world.Run(context.Background(), sim.Options{})
		if err != nil {
			return err
		}
		fmt.Printf("%016x %d\n", result.Hash, result.Events)
	}
	return nil
}
