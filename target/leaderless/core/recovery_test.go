package core

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// reboot starts a node from the records and returns it.
func reboot(t testing.TB, id NodeID, s *Settings, records [][]byte) *Node {
	var out Effects
	n, err := Boot(id, s, 9, sequence(records), 1, Now{Mono: 1e9}, &out)
	require.NoError(t, err)
	return n
}

// hintsOf lists the hints that a node keeps.
func hintsOf(n *Node) map[NodeID]map[string]Cell {
	all := make(map[NodeID]map[string]Cell)
	for home := range n.hints.queues {
		for _, h := range n.hints.sorted(NodeID(home)) {
			if all[NodeID(home)] == nil {
				all[NodeID(home)] = make(map[string]Cell)
			}
			all[NodeID(home)][h.key] = h.memory
		}
	}
	return all
}

func drawRecords(t *rapid.T) [][]byte {
	var records [][]byte
	for range rapid.IntRange(0, 25).Draw(t, "records") {
		r := record{
			kind: recordKind(rapid.Uint8Range(1, 3).Draw(t, "kind")),
			key:  rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "key"),
			cell: cell(rapid.Int64Range(1, 6).Draw(t, "time"), ""),
		}
		r.cell.Value = nil
		if r.kind == recordHandedOff {
			r.cell = Cell{Version: r.cell.Version}
		}
		if r.kind != recordCell {
			r.home = NodeID(rapid.IntRange(1, 2).Draw(t, "home"))
		}
		records = append(records, encodeRecord(&r))
	}
	return records
}

// Records are facts: order and repetition do not matter, and what they say can
// be computed by hand.
func TestRecoveryIsIndependentOfOrderAndRepetition(t *testing.T) {
	s := everywhere(t)
	rapid.Check(t, func(rt *rapid.T) {
		records := drawRecords(rt)
		cells := make(map[string]Version)
		hints, delivered := make(map[string]Version), make(map[string]Version)
		later := func(m map[string]Version, k string, v Version) {
			if m[k].Compare(v) < 0 {
				m[k] = v
			}
		}
		for _, b := range records {
			r, err := decodeRecord(b)
			require.NoError(rt, err)
			switch k := r.key + string(rune('0'+r.home)); r.kind {
			case recordCell:
				later(cells, r.key, r.cell.Version)
			case recordHint:
				later(hints, k, r.cell.Version)
			case recordHandedOff:
				later(delivered, k, r.cell.Version)
			}
		}
		check := func(n *Node) {
			dump := n.Dump()
			require.Len(rt, dump, len(cells))
			for _, e := range dump {
				require.Equal(rt, cells[e.Key], e.Cell.Version)
			}
			count := 0
			for k, v := range hints {
				h := n.hints.find(NodeID(k[1]-'0'), k[:1])
				if v.Compare(delivered[k]) > 0 {
					require.NotNil(rt, h)
					require.Equal(rt, v, h.memory.Version)
					count++
				} else {
					require.Nil(rt, h)
				}
			}
			require.Equal(rt, count, n.Pending().Hints)
		}
		first := reboot(t, 0, s, records)
		check(first)
		shuffled := slices.Concat(records, records)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "shuffle"), 1))
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		second := reboot(t, 0, s, shuffled)
		check(second)
		require.Equal(rt, first.Digest(), second.Digest())
	})
}

// Whatever a node promised is there again after a kill at any moment: after
// every event, the durable log alone rebuilds at least what it has acknowledged
// and shown, and at most what was ever written.
func TestRecoveryFromEveryPrefix(t *testing.T) {
	s := settingsOf(t, 3, "n", "3")
	random := rand.New(rand.NewPCG(3, 4))
	b := newSolo(t, 0, s)
	var log, inFlight [][]byte
	var ids []uint64
	promised := make(map[string]Version)
	for i := range 4000 {
		var out *Effects
		key := string(rune('a' + random.IntN(5)))
		m := Message{From: NodeID(1 + random.IntN(2)), To: 0, Key: key, Cell: cell(1+random.Int64N(400), "v")}
		switch random.IntN(5) {
		case 0:
			m.Kind = MessageWrite
			out = b.message(m)
		case 1:
			m.Kind = MessageHandoff
			out = b.message(m)
		case 2:
			m.Kind = MessageRead
			out = b.message(m)
		default:
			if len(ids) == 0 {
				continue
			}
			log, inFlight = append(log, inFlight[0]), inFlight[1:]
			id := ids[0]
			ids = ids[1:]
			out = b.durable(id)
		}
		for _, p := range out.Persist {
			require.False(t, p.Eager)
			ids, inFlight = append(ids, p.ID), append(inFlight, p.Record)
		}
		for _, m := range out.Messages {
			if m.Kind == MessageWritten || m.Kind == MessageHandedOff || m.Kind == MessageReadAnswer {
				if promised[m.Key].Compare(m.Cell.Version) < 0 {
					promised[m.Key] = m.Cell.Version
				}
			}
		}
		if i%7 != 0 {
			continue
		}
		after := reboot(t, 0, s, log)
		for key, v := range promised {
			slot := after.replica.slots[key]
			if v.IsZero() {
				continue
			}
			require.NotNil(t, slot, "step %d: key %s was promised", i, key)
			require.GreaterOrEqual(t, slot.durable.Version.Compare(v), 0, "step %d: key %s", i, key)
		}
	}
	require.Len(t, promised, 5)
}

func TestCompactionKeepsTheState(t *testing.T) {
	for seed := range uint64(20) {
		o := simulate(t, seed, settingsOf(t, 5, "sloppy", "on"), everyFault, mixedLoad)
		for i, h := range o.world.nodes {
			var compact [][]byte
			h.node.Records(func(r []byte) bool {
				compact = append(compact, r)
				return true
			})
			again := reboot(t, NodeID(i), o.world.settings, compact)
			require.Equal(t, h.node.Dump(), again.Dump())
			require.Equal(t, hintsOf(h.node), hintsOf(again))
			require.LessOrEqual(t, len(compact), len(h.log))
			full := reboot(t, NodeID(i), o.world.settings, h.log)
			require.Equal(t, h.node.Dump(), full.Dump(), "the log alone")
			require.Equal(t, hintsOf(h.node), hintsOf(full), "the log alone")
			stopped := 0
			h.node.Records(func([]byte) bool { stopped++; return false })
			require.LessOrEqual(t, stopped, 1)
		}
	}
}

// What is not durable yet is in the compacted log, so dropping the old one loses nothing.
func TestCompactionIncludesWhatIsOnItsWay(t *testing.T) {
	b := newSolo(t, 0, everywhere(t))
	b.message(Message{Kind: MessageWrite, From: 1, To: 0, Key: "k", Cell: cell(1, "v")})
	var records [][]byte
	for r := range b.node.Records {
		records = append(records, r)
	}
	assert.Equal(t, cell(1, "v"), reboot(t, 0, everywhere(t), records).Dump()[0].Cell)
}

// The driver may read every record into the same memory.
func TestRecoveryKeepsNothingOfTheRecords(t *testing.T) {
	c := cell(1, "value")
	buffer := make([]byte, 64)
	n, err := Boot(0, everywhere(t), 1, func(yield func([]byte, error) bool) {
		for _, r := range []record{{kind: recordCell, key: "key", cell: c}, {kind: recordHint, home: 2, key: "key", cell: c}} {
			if !yield(appendRecord(buffer[:0], &r), nil) {
				return
			}
			clear(buffer)
		}
	}, 1, Now{Mono: 1e9}, &Effects{})
	require.NoError(t, err)
	require.Len(t, n.Dump(), 1)
	assert.Equal(t, "key", n.Dump()[0].Key)
	assert.Equal(t, c, n.Dump()[0].Cell)
	assert.Equal(t, map[NodeID]map[string]Cell{2: {"key": c}}, hintsOf(n))
}

func TestBootRefuses(t *testing.T) {
	s := everywhere(t)
	var out Effects
	boot := func(id NodeID, incarnation uint32, records ...[]byte) error {
		_, err := Boot(id, s, incarnation, sequence(records), 1, Now{}, &out)
		return err
	}
	require.NoError(t, boot(0, 1))
	require.ErrorContains(t, boot(3, 1), "no such node")
	require.ErrorContains(t, boot(0, 0), "incarnations count from 1")
	require.ErrorIs(t, boot(0, 1, []byte{1, 2}), ErrRecord)
	require.ErrorIs(t, boot(0, 1, encodeRecord(&record{kind: recordHint, home: 7, key: "k", cell: cell(1, "v")})), ErrRecord)
	broken := errors.New("disk on fire")
	_, err := Boot(0, s, 1, func(yield func([]byte, error) bool) { yield(nil, broken) }, 1, Now{}, &out)
	require.ErrorIs(t, err, broken)
}
