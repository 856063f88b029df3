package leaderless_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target"
)

// homesHold says whether every replica of every key, as all nodes have it,
// holds the key, and who the replicas are.
func (p *processes) homesHold(keys int) (homes []string, complete bool) {
	holders := map[string][]string{}
	homesOf := map[string][]string{}
	for i, dump := range p.dumps() {
		for _, e := range dump.Entries {
			holders[e.Key] = append(holders[e.Key], p.names[i])
			if before, known := homesOf[e.Key]; known && !slices.Equal(before, e.Home) {
				return nil, false // the nodes have different rings
			}
			homesOf[e.Key] = e.Home
		}
	}
	complete = len(homesOf) == keys
	for key, list := range homesOf {
		for _, home := range list {
			complete = complete && slices.Contains(holders[key], home)
			if !slices.Contains(homes, home) {
				homes = append(homes, home)
			}
		}
	}
	slices.Sort(homes)
	return homes, complete
}

func (p *processes) operate(i int, command, peer string) string {
	p.t.Helper()
	answer, err := p.client(i).(target.Operator).Operate(within(p.t, patience), command, peer)
	require.NoError(p.t, err)
	return answer
}

// A ring of real processes changes: one joins, one leaves, one takes the place
// of a third that is gone, and every key is where it belongs.
func TestARingOfProcessesChanges(t *testing.T) {
	const keys = 40
	for _, ring := range []string{"gossip", "epochs"} {
		t.Run(ring, func(t *testing.T) {
			p := startProcesses(t, 5, map[string]string{"n": "2", "w": "2", "r": "1", "members": "3", "ring": ring,
				"gossip-every": "20ms", "heartbeat": "20ms", "suspect-after": "300ms"})
			p.meet()
			client := p.register(4)
			for k := range keys {
				_, err := client.Write(within(t, patience), "key"+strconv.Itoa(k), int64(k))
				require.NoError(t, err)
			}
			settled := func(want ...string) {
				t.Helper()
				p.eventually("the ring to be "+ring, func(context.Context) bool {
					homes, complete := p.homesHold(keys)
					return complete && slices.Equal(want, homes)
				})
			}
			// A node may still hear that the change before is over, or that another is down.
			answers := func(i int, command, peer, want string) {
				t.Helper()
				p.eventually(command+" to be answered: "+want, func(context.Context) bool { return strings.HasPrefix(p.operate(i, command, peer), want) })
			}
			settled("n1", "n2", "n3")
			answers(3, "join", "", "has begun")
			settled("n1", "n2", "n3", "n4")
			answers(3, "join", "", "refused: node n4 is normal")
			answers(0, "leave", "", "has begun")
			settled("n2", "n3", "n4")
			answers(4, "replace", "n2", "refused: node n2 is up")
			p.kill(1)
			answers(4, "replace", "n2", "has begun")
			p.eventually("n5 to be there", func(ctx context.Context) bool {
				pending, err := p.client(4).(target.Quieter).Pending(ctx)
				return err == nil && pending.Quiet
			})
			p.start(1)
			p.ready(1)
			settled("n3", "n4", "n5")
			for k := range keys {
				client := p.register(1)
				p.eventually("n2 to read by the ring of the others", func(ctx context.Context) bool {
					reading, err := client.Read(ctx, "key"+strconv.Itoa(k))
					return err == nil && reading.Value == int64(k)
				})
			}
			_, err := p.client(0).(target.Operator).Operate(within(t, patience), "dance", "")
			require.ErrorContains(t, err, "POST /admin/dance")
		})
	}
}

// A process that starts with an empty directory fetches what it had, before it answers reads.
func TestAWipedProcessIsRepairedFirst(t *testing.T) {
	const keys = 40
	p := startProcesses(t, 3, map[string]string{"rejoin": "repair-first", "hints": "off", "repair": "off", "heartbeat": "20ms"})
	p.meet()
	client := p.register(0)
	for k := range keys {
		_, err := client.Write(within(t, patience), "key"+strconv.Itoa(k), int64(k))
		require.NoError(t, err)
	}
	p.quiet()
	p.kill(1)
	require.NoError(t, os.RemoveAll(filepath.Join(p.dir, "n2")))
	p.start(1)
	p.ready(1)
	p.quiet()
	_, complete := p.homesHold(keys)
	assert.True(t, complete)
}
