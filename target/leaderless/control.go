package leaderless

import (
	"fmt"
	"strconv"

	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// keptByControl are the settings that a control shares with the system under
// test: how many replicas there are, where they are, and all that only says
// when something happens or how much of it. No guarantee hangs on these. What
// is not named here takes its default, which is safe, so that a setting that
// is unsafe on purpose never gets into a control.
var keptByControl = []string{
	"n", "datacenters", "virtual-nodes", "members", "gossip-every", "detector", "phi-threshold", "rejoin",
	"request-timeout", "stand-in-after", "hint-retry", "hint-limit", "heartbeat", "suspect-after",
}

// Control returns the register of Attiya, Bar-Noy and Dolev on as many
// replicas: majorities of them for writes and for reads, writers that fetch the
// timestamp, readers that write back, no stand-ins, and nothing acknowledged
// that is not durable. That it is linearizable is a theorem, whatever the
// clocks, the network and the crashes do.
func (s *system) Control() (target.System, error) {
	settings := make(map[string]string, len(s.text))
	for _, name := range keptByControl {
		settings[name] = s.text[name]
	}
	majority := strconv.Itoa(s.settings.N*s.settings.Datacenters/2 + 1)
	settings["w"], settings["r"], settings["repair"], settings["fetch"] = majority, majority, "abd", "auto"
	settings["timestamps"], settings["sloppy"], settings["fsync"], settings["acknowledge"] = "coordinator", "off", "always", "after-log"
	if s.settings.RingChange != core.RingStatic {
		// Where nodes join and leave, theirs do too, but for quorums of two rings that meet.
		settings["ring"] = core.RingEpochs.String()
	}
	safe, err := Target{}.Configure(len(s.settings.Nodes), settings)
	if err != nil {
		return nil, fmt.Errorf("the control: %w", err)
	}
	return safe, nil
}
