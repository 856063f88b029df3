package core

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whoever is asked and in whatever way, ABD stays a linearizable register.
func TestABDIsLinearizableWhoeverIsAsked(t *testing.T) {
	for name, settings := range map[string]*Settings{
		"as many as needed": abd(t, "read-set", "level"),
		"with speculation":  abd(t, "read-set", "level", "speculative-retry", "5ms"),
		"p99":               abd(t, "read-set", "level", "speculative-retry", "p99", "digest-reads", "on"),
		"always, digests":   abd(t, "read-set", "level", "speculative-retry", "always", "digest-reads", "on"),
		"all, digests":      abd(t, "digest-reads", "on"),
		"preferred":         abd(t, "read-set", "preferred", "preferred-reads", "4", "fallback-after", "10ms"),
		"nothing counts":    abd(t, "notfound-ok", "off"),
		"by levels":         abd(t, "w", "1", "r", "1", "write-level", "quorum", "read-level", "quorum", "read-set", "level", "speculative-retry", "10ms"),
	} {
		t.Run(name, func(t *testing.T) {
			ok, failed := 0, 0
			for seed := range seeds(t, 60) {
				o := simulate(t, uint64(seed), settings, everyFault, mixedLoad)
				require.True(t, o.linear, "seed %d", seed)
				ok, failed = ok+o.ok, failed+o.failed
			}
			assert.Greater(t, ok, failed, "the runs must get something done")
		})
	}
}

// A single data centre of three, so that the coordinator is a home replica.
func choosyNode(t *testing.T, pairs ...string) *solo {
	return newSolo(t, 0, everywhere(t, append([]string{"read-set", "level", "repair", "off"}, pairs...)...))
}

func (b *solo) fire(out *Effects, id uint64) *Effects {
	for _, timer := range slices.Clone(out.Timers) {
		if timer.ID == id {
			b.now.Mono += timer.After
			return b.step(Event{Kind: EventTimer, ID: id})
		}
	}
	b.t.Fatalf("timer %d is not set", id)
	return nil
}

func get(level Level) Request { return Request{ID: 7, Kind: RequestGet, Key: "k", Level: level} }

func TestAReadAsksNoMoreThanItsLevelNeeds(t *testing.T) {
	b := choosyNode(t)
	assert.Len(t, b.request(get(LevelOne)).Replies, 1, "the coordinator's own answer is enough")
	assert.Empty(t, b.out.Messages)
	assert.Len(t, b.out.Replies[0].Evidence.Replicas, 1, "the evidence has those that were asked")
	out := b.request(get(LevelTwo))
	require.Len(t, out.Messages, 1)
	asked := out.Messages[0]
	out = b.message(Message{Kind: MessageReadAnswer, From: asked.To, To: 0, Request: asked.Request, Key: "k", Cell: cell(3, "v")})
	require.Len(t, out.Replies, 1)
	assert.Equal(t, "v", string(out.Replies[0].Cell.Value))
	assert.Len(t, b.request(get(LevelThree)).Messages, 2)
}

func TestSpeculationAsksOneMore(t *testing.T) {
	b := choosyNode(t, "speculative-retry", "10ms", "r", "2")
	out := b.request(get(LevelNumbers))
	require.Len(t, out.Messages, 1)
	first := out.Messages[0]
	out = b.fire(out, timerSpeculate)
	require.Len(t, out.Messages, 1)
	second := out.Messages[0]
	assert.NotEqual(t, first.To, second.To)
	out = b.message(Message{Kind: MessageReadAnswer, From: second.To, To: 0, Request: second.Request, Key: "k"})
	assert.Len(t, out.Replies, 1, "the slow one is not waited for")

	b = choosyNode(t, "speculative-retry", "always", "r", "2")
	assert.Len(t, b.request(get(LevelNumbers)).Messages, 2)
}

// p99 is what the definition says, and what speculation then waits.
func TestSpeculationAfterThe99thPercentile(t *testing.T) {
	var r readLatency
	for i := range int64(latencySamples) {
		r.add((i*97%latencySamples + 1) * 1e6) // 1 … 256 ms in some order
	}
	assert.Equal(t, int64(254e6), r.p99, "of 256 values at least 99 % are not greater")
	for range latencySamples {
		r.add(2e6)
	}
	assert.Equal(t, int64(2e6), r.p99, "old measurements are forgotten")

	b := choosyNode(t, "speculative-retry", "p99", "r", "2", "request-timeout", "80ms")
	after := func(out *Effects) int64 {
		for _, timer := range out.Timers {
			if timer.ID == timerSpeculate {
				return timer.After
			}
		}
		return 0
	}
	answer := func(out *Effects) {
		m := out.Messages[0]
		b.now.Mono += 3e6
		b.message(Message{Kind: MessageReadAnswer, From: m.To, To: 0, Request: m.Request, Key: "k"})
	}
	out := b.request(get(LevelNumbers))
	assert.Equal(t, int64(40e6), after(out), "half of the timeout while nothing is known")
	answer(out)
	for range latencyEvery {
		answer(b.request(get(LevelNumbers)))
	}
	b.now.Mono += 1e9
	b.step(Event{Kind: EventTimer, ID: timerSpeculate})
	assert.Equal(t, int64(3e6), after(b.request(get(LevelNumbers))))
}

// digestOf is the answer to a digest read.
func digestOf(from NodeID, m Message, c Cell) Message {
	return Message{Kind: MessageDigestAnswer, From: from, To: 0, Request: m.Request, Key: "k",
		Cell: Cell{Version: c.Version, Value: binary.BigEndian.AppendUint64(nil, cellDigest(&c))}}
}

func TestDigestsThatAgreeAreEnough(t *testing.T) {
	b := choosyNode(t, "digest-reads", "on")
	b.durable(b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(5, "v")}).Persist[0].ID)
	out := b.request(get(LevelThree))
	require.Equal(t, []MessageKind{MessageDigest, MessageDigest}, []MessageKind{out.Messages[0].Kind, out.Messages[1].Kind})
	asked := slices.Clone(out.Messages)
	assert.Empty(t, b.message(digestOf(1, asked[0], cell(5, "v"))).Replies)
	out = b.message(digestOf(2, asked[1], cell(5, "v")))
	require.Len(t, out.Replies, 1)
	assert.Equal(t, "v", string(out.Replies[0].Cell.Value))
	assert.Equal(t, []string{"read"}, out.Replies[0].Evidence.Phases)
}

// Two cells of one version with different contents have different digests.
func TestDigestsAreOfTheWholeCell(t *testing.T) {
	for _, c := range [][2]Cell{{cell(1, "v"), cell(2, "v")}, {cell(1, "v"), cell(1, "w")}, {cell(1, ""), {Version: version(1), Tombstone: true}}, {{}, cell(1, "")}} {
		assert.NotEqual(t, cellDigest(&c[0]), cellDigest(&c[1]))
	}
}

func TestDigestsThatDifferAreReadAgain(t *testing.T) {
	b := choosyNode(t, "digest-reads", "on", "repair", "blocking")
	b.durable(b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(5, "old")}).Persist[0].ID)
	asked := b.request(get(LevelTwo)).Messages[0]
	out := b.message(digestOf(asked.To, asked, cell(6, "new")))
	require.Empty(t, out.Replies, "the newer value is not known yet")
	require.Len(t, out.Messages, 1)
	require.Equal(t, MessageRead, out.Messages[0].Kind)
	require.Equal(t, asked.To, out.Messages[0].To)
	out = b.message(Message{Kind: MessageReadAnswer, From: asked.To, To: 0, Request: asked.Request, Key: "k", Cell: cell(6, "new")})
	require.Empty(t, out.Replies, "this replica is repaired first")
	require.Len(t, out.Persist, 1)
	r := b.durable(out.Persist[0].ID).Replies
	require.Len(t, r, 1)
	assert.Equal(t, "new", string(r[0].Cell.Value))
	assert.Equal(t, []string{"read", "repair"}, r[0].Evidence.Phases)
}

func TestADigestAloneIsNoAnswer(t *testing.T) {
	b := newSolo(t, 3, settingsOf(t, 4, "n", "3", "read-set", "level", "digest-reads", "on", "speculative-retry", "10ms", "r", "2", "repair", "off"))
	if slices.Contains(b.node.ring.PreferenceList("k", 3), NodeID(3)) {
		t.Skip("another key is needed")
	}
	out := b.request(get(LevelNumbers))
	require.Len(t, out.Messages, 2)
	require.Equal(t, MessageRead, out.Messages[0].Kind)
	whole, part := out.Messages[0], out.Messages[1]
	digest := digestOf(part.To, part, cell(5, "v"))
	digest.To = 3
	assert.Empty(t, b.message(digest).Replies)
	b.now.Mono += 10e6
	out = b.step(Event{Kind: EventTimer, ID: timerSpeculate})
	require.Len(t, out.Messages, 1)
	assert.Equal(t, MessageRead, out.Messages[0].Kind, "it may be the cell that is slow, so another is asked for its cell")
	out = b.message(Message{Kind: MessageReadAnswer, From: whole.To, To: 3, Request: whole.Request, Key: "k", Cell: cell(5, "v")})
	require.Len(t, out.Replies, 1)
}

func TestPreferredReplicasAreAllWaitedFor(t *testing.T) {
	b := newSolo(t, 0, everywhere(t, "read-set", "preferred", "preferred-reads", "3", "r", "1", "repair", "off", "fallback-after", "10ms"))
	out := b.request(get(LevelNumbers))
	require.Len(t, out.Messages, 2)
	asked := slices.Clone(out.Messages)
	assert.Empty(t, out.Replies, "its own answer would be enough")
	answer := func(m Message, c Cell) *Effects {
		return b.message(Message{Kind: MessageReadAnswer, From: m.To, To: 0, Request: m.Request, Key: "k", Cell: c})
	}
	assert.Empty(t, answer(asked[0], cell(4, "v")).Replies)
	out = answer(asked[1], cell(6, "w"))
	require.Len(t, out.Replies, 1)
	assert.Equal(t, "w", string(out.Replies[0].Cell.Value), "the newest of all that were asked")

	b = newSolo(t, 0, everywhere(t, "read-set", "preferred", "preferred-reads", "3", "r", "1", "repair", "off", "fallback-after", "10ms"))
	out = b.fire(b.request(get(LevelNumbers)), timerSpeculate)
	assert.Len(t, out.Replies, 1, "those that are silent are given up")

	b = newSolo(t, 0, everywhere(t, "read-set", "preferred", "r", "2", "repair", "off", "fallback-after", "10ms"))
	out = b.request(get(LevelNumbers))
	require.Len(t, out.Messages, 1, "r by default")
	first := out.Messages[0]
	out = b.fire(out, timerSpeculate)
	require.Len(t, out.Messages, 1, "another in its place")
	assert.NotEqual(t, first.To, out.Messages[0].To)
	assert.Len(t, answer(out.Messages[0], Cell{}).Replies, 1)
}

// Item 10 of the catalogue: an empty replica answers first.
func TestNotFoundDoesNotCount(t *testing.T) {
	for ok, found := range map[string]bool{"on": false, "off": true} {
		t.Run("notfound-ok="+ok, func(t *testing.T) {
			b := newSolo(t, 0, everywhere(t, "notfound-ok", ok, "r", "1", "repair", "off"))
			out := b.request(get(LevelNumbers))
			if !found {
				require.Len(t, out.Replies, 1, "this node has nothing, and that counts")
				require.False(t, out.Replies[0].Found)
				return
			}
			require.Empty(t, out.Replies)
			m := out.Messages[0]
			out = b.message(Message{Kind: MessageReadAnswer, From: m.To, To: 0, Request: m.Request, Key: "k", Cell: cell(4, "v")})
			require.Len(t, out.Replies, 1)
			require.True(t, out.Replies[0].Found)
			assert.Equal(t, 1, out.Replies[0].Evidence.Required)
		})
	}
	t.Run("nobody has it", func(t *testing.T) {
		b := newSolo(t, 0, everywhere(t, "notfound-ok", "off", "r", "2", "repair", "off"))
		asked := slices.Clone(b.request(get(LevelNumbers)).Messages)
		require.Len(t, asked, 2)
		for i, m := range asked {
			out := b.message(Message{Kind: MessageReadAnswer, From: m.To, To: 0, Request: m.Request, Key: "k"})
			require.Len(t, out.Replies, i, "only when all have answered")
		}
		assert.False(t, b.out.Replies[0].Found)
		assert.Equal(t, StatusOK, b.out.Replies[0].Status)
	})
	t.Run("one has it, one is silent", func(t *testing.T) {
		b := newSolo(t, 0, everywhere(t, "notfound-ok", "off", "r", "2", "repair", "off"))
		out := b.request(get(LevelNumbers))
		m := out.Messages[0]
		timers := Effects{Timers: slices.Clone(out.Timers)}
		assert.Empty(t, b.message(Message{Kind: MessageReadAnswer, From: m.To, To: 0, Request: m.Request, Key: "k", Cell: cell(4, "v")}).Replies)
		out = b.timeout(&timers)
		require.Len(t, out.Replies, 1)
		assert.Equal(t, StatusOK, out.Replies[0].Status)
		assert.True(t, out.Replies[0].Found)
	})
	t.Run("a deleted key was found", func(t *testing.T) {
		b := newSolo(t, 0, everywhere(t, "notfound-ok", "off", "r", "1", "repair", "off"))
		b.durable(b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: Cell{Version: version(3), Tombstone: true}}).Persist[0].ID)
		assert.Len(t, b.request(get(LevelNumbers)).Replies, 1)
	})
}

// The stand-in of a dead replica has nothing and answers at once.
func TestAnEmptyStandInDoesNotHideAValue(t *testing.T) {
	for _, ok := range []string{"on", "off"} {
		t.Run("notfound-ok="+ok, func(t *testing.T) {
			stale := 0
			for seed := range uint64(40) {
				w := newWorld(t, seed, settingsOf(t, 5, "sloppy", "on", "w", "3", "r", "1", "notfound-ok", ok))
				one := load{clients: 1, operations: 1, keys: 1, writes: 100, patience: 1e9}
				w.run(10e9, w.start(one))
				w.run(1e9, nil)
				home := w.nodes[0].node.ring.PreferenceList("ka", 3)
				w.crash(int(home[0]))
				w.run(1e9, nil) // everybody notices
				through := int(w.nodes[home[1]].node.ring.Order("ka")[3])
				if o := w.readThrough(through, "ka", one); o.status != StatusOK || o.value == 0 {
					stale++
				}
			}
			if ok == "on" {
				assert.Positive(t, stale, "the test shows nothing")
			} else {
				assert.Zero(t, stale)
			}
		})
	}
}

func TestSettingsOfReadsThatAreRefused(t *testing.T) {
	for want, given := range map[string][]string{
		"speculative-retry=p99 with read-set=all":            {"speculative-retry", "p99"},
		"speculative-retry=1s ≥ request-timeout=500ms":       {"read-set", "level", "speculative-retry", "1s"},
		"speculative-retry=soon: not a number with a unit":   {"read-set", "level", "speculative-retry", "soon"},
		"preferred-reads=2 with read-set=level":              {"read-set", "level", "preferred-reads", "2"},
		"preferred-reads=4 > 3 home replicas":                {"read-set", "preferred", "preferred-reads", "4"},
		"fallback-after=500ms ≥ request-timeout=500ms":       {"read-set", "preferred", "fallback-after", "500ms"},
		"pr=4 > 3 home replicas":                             {"pr", "4"},
		"pw=4 > 3 home replicas":                             {"pw", "4"},
		"dw=4 > 3 home replicas: there are no more; set dw":  {"dw", "4"},
		"read-set=most: no such choice; it may be all | lev": {"read-set", "most"},
	} {
		settings := map[string]string{}
		for i := 0; i < len(given); i += 2 {
			settings[given[i]] = given[i+1]
		}
		_, err := ParseSettings(fiveNames, settings)
		require.ErrorContains(t, err, want)
	}
}

// Whatever goes together: clients get their answers, definite failures are
// definite, and where quorums overlap, ABD is linearizable.
func TestQuorumSettingsTogether(t *testing.T) {
	controls := 0
	for seed := range seeds(t, 250) {
		random := rand.New(rand.NewPCG(uint64(seed), 0x9042))
		given := map[string]string{"request-timeout": "80ms", "stand-in-after": "20ms", "heartbeat": "50ms", "suspect-after": "200ms", "hint-retry": "50ms", "fallback-after": "10ms"}
		pick := func(name string, values ...string) { given[name] = values[random.IntN(len(values))] }
		pick("datacenters", "1", "1", "2")
		pick("n", "2", "3")
		if given["datacenters"] == "2" {
			given["n"] = "2"
		}
		pick("w", "1", "2")
		pick("r", "1", "2")
		pick("write-level", "numbers", "quorum", "each-quorum", "local-quorum", "all", "any", "one", "local-one")
		pick("read-level", "numbers", "quorum", "each-quorum", "local-quorum", "all", "two", "one", "local-one")
		pick("pw", "0", "1", "2")
		pick("pr", "0", "1", "2")
		pick("dw", "0", "1", "2")
		pick("read-set", "all", "level", "preferred")
		pick("digest-reads", "on", "off")
		pick("notfound-ok", "on", "off")
		pick("routing", "any", "replica")
		pick("repair", "off", "async", "blocking", "abd", "abd")
		pick("sloppy", "off", "off", "on")
		pick("acknowledge", "after-log", "after-log", "before-log", "superseded-early")
		switch given["read-set"] {
		case "level":
			pick("speculative-retry", "off", "always", "p99", "5ms")
		case "preferred":
			pick("preferred-reads", "0", "2")
		}
		settings, err := ParseSettings(fiveNames, given)
		require.NoError(t, err, "%v", given)
		o := simulate(t, uint64(seed), &settings, everyFault, mixedLoad)
		if settings.Repair == RepairABD && settings.Overlaps() && given["sloppy"] == "off" && given["acknowledge"] == "after-log" {
			controls++
			require.True(t, o.linear, "seed %d: %v", seed, given)
		}
		definite := map[uint64]bool{}
		for _, op := range o.world.history {
			if !op.get && op.status == StatusDefinite {
				definite[op.value] = true
			}
		}
		for _, op := range o.world.history {
			require.False(t, op.get && op.status == StatusOK && definite[op.value], "seed %d: read a write that failed definitely: %v", seed, given)
		}
		o.world.run(3e9, nil)
		for i, h := range o.world.nodes {
			p := h.node.Pending()
			require.Zero(t, p.Requests+p.Repairs+p.Writes, "seed %d: node %d is not quiet: %v", seed, i, given)
		}
	}
	t.Logf("%d were linearizable by theory", controls)
	assert.Positive(t, controls)
}
