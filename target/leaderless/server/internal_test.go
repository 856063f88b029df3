package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// Timers fire in the order of their times, those of one time in the order in
// which they were set, and none before it is due.
func TestTimersFireInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type set struct{ at, id int64 }
		var model []set
		var heap timerHeap
		id := int64(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "push") {
				id++
				at := rapid.Int64Range(0, 20).Draw(t, "at")
				heap.push(at, uint64(id))
				model = append(model, set{at, id})
				slices.SortStableFunc(model, func(a, b set) int { return int(a.at - b.at) })
				continue
			}
			now := rapid.Int64Range(0, 20).Draw(t, "now")
			got, due := heap.pop(now)
			require.Equal(t, len(model) > 0 && model[0].at <= now, due)
			if due {
				require.Equal(t, uint64(model[0].id), got)
				model = model[1:]
			}
			next, any := heap.next()
			require.Equal(t, len(model) > 0, any)
			if any {
				require.Equal(t, model[0].at, next)
			}
		}
	})
}

// The hand-written JSON means what encoding/json makes of the same text.
func TestStringsAreJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.OneOf(rapid.Byte(), rapid.SampledFrom([]byte("\"\\\n\t<é\x00\x7f")))).Draw(t, "bytes"))
		var got string
		written := appendString(nil, text)
		require.NoError(t, json.Unmarshal(written, &got), "%q", written)
		require.Equal(t, string([]rune(text)), got, "each wrong byte becomes U+FFFD")
	})
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		var got string
		require.NoError(t, json.Unmarshal(appendString(nil, text), &got))
		require.Equal(t, text, got)
	})
}

// Whatever the core's evidence, the JSON is that of history.Evidence.
func TestEvidenceIsThatOfTheHistory(t *testing.T) {
	settings, err := core.ParseSettings([]string{"n1", "n2", `n"3`}, nil)
	require.NoError(t, err)
	logical, err := core.ParseSettings(settings.Nodes, map[string]string{"repair": "abd"})
	require.NoError(t, err)
	node := rapid.Custom(func(t *rapid.T) core.NodeID { return core.NodeID(rapid.IntRange(0, 2).Draw(t, "node")) })
	version := rapid.Custom(func(t *rapid.T) core.Version {
		return core.Version{Time: rapid.Int64Range(0, 3).Draw(t, "time"), Node: node.Draw(t, "coordinator")}
	})
	rapid.Check(t, func(t *rapid.T) {
		reply := core.Reply{Cell: core.Cell{Version: version.Draw(t, "version")}}
		want := history.Evidence{Coordinator: "n2", Version: reply.Cell.Version.String()}
		// Writers that fetch order versions by a counter, which is no time.
		s := &Server{name: "n2", id: 1, settings: settings}
		want.Timestamp = reply.Cell.Version.Time
		if rapid.Bool().Draw(t, "writers fetch") {
			s.settings, want.Timestamp, want.Counter = logical, 0, want.Timestamp
		}
		want.Required = rapid.IntRange(0, 3).Draw(t, "required")
		want.Phases = rapid.SliceOfN(rapid.SampledFrom([]string{"fetch", "write"}), 0, 2).Draw(t, "phases")
		want.Took = rapid.Int64Min(0).Draw(t, "took")
		reply.Evidence.Required, reply.Evidence.Phases, reply.Evidence.Took = want.Required, want.Phases, want.Took
		for _, id := range rapid.SliceOfN(node, 0, 2).Draw(t, "hints") {
			reply.Evidence.Hints = append(reply.Evidence.Hints, id)
			want.Hints = append(want.Hints, settings.Nodes[id])
		}
		for range rapid.IntRange(0, 3).Draw(t, "replicas") {
			r := core.ReplicaEvidence{Node: node.Draw(t, "replica"), Answered: rapid.Bool().Draw(t, "answered"),
				Counted: rapid.Bool().Draw(t, "counted"), Version: version.Draw(t, "its version"), StandsIn: rapid.Bool().Draw(t, "stands in"), HintFor: 1,
				Repaired: rapid.Bool().Draw(t, "repaired"), Fetched: rapid.Bool().Draw(t, "fetched"), RoundTrip: rapid.Int64Min(0).Draw(t, "round trip")}
			w := history.ReplicaEvidence{Node: settings.Nodes[r.Node], Answered: r.Answered, Counted: r.Counted, Version: r.Version.String(),
				Repaired: r.Repaired, Fetched: r.Fetched, RoundTrip: r.RoundTrip}
			if r.StandsIn {
				w.HintFor = "n2"
			}
			reply.Evidence.Replicas = append(reply.Evidence.Replicas, r)
			want.Replicas = append(want.Replicas, w)
		}
		if rapid.Bool().Draw(t, "causal") {
			reply.Evidence.Grace, want.Grace = 7, 7
			reply.Evidence.Causal = &core.CausalEvidence{Context: core.Vector{}, Clock: core.Vector{{Actor: core.Actor{Node: 1}, Counter: 4}}, Dot: core.Dot{Actor: core.Actor{Node: 1}, Counter: 4}}
			want.Causal = &history.CausalEvidence{Clocks: s.settings.Resolver.String(), Context: map[string]int64{}, Clock: map[string]int64{"n2": 4}, Dot: "n2:4"}
		}
		var got history.Evidence
		written := s.appendEvidence(nil, &reply)
		require.NoError(t, json.Unmarshal(written, &got), "%s", written)
		if len(want.Phases) == 0 {
			want.Phases = nil
		}
		require.Equal(t, want, got, "%s", written)
		require.Equal(t, &got, leaderless.Evidence(&s.settings, 1, &reply), "without HTTP")
	})
}

// What a simulation makes of a reply is what the HTTP client makes of it.
func TestRepliesMeanTheSameWithAndWithoutHTTP(t *testing.T) {
	system, err := leaderless.New().Configure(3, nil)
	require.NoError(t, err)
	settings := system.(interface{ Core() core.Settings }).Core()
	s := &Server{name: "n2", id: 1, settings: settings}
	var status int
	var body []byte
	node := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { writeJSON(rw, status, body) }))
	defer node.Close()
	client, err := system.Connect("n2", node.Listener.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	register := client.(target.Register)
	rapid.Check(t, func(t *rapid.T) {
		reply := core.Reply{Status: core.ReplyStatus(rapid.IntRange(1, 3).Draw(t, "status"))}
		reply.Evidence.Required = 2
		if reply.Status == core.StatusOK {
			reply.Found = rapid.Bool().Draw(t, "found")
			reply.Cell = core.Cell{Version: core.Version{Time: 7, Node: 1, Incarnation: 1, Sequence: 1}}
			if reply.Found {
				reply.Cell.Value = []byte(rapid.SampledFrom([]string{"0", "-17", "9223372036854775807", "9223372036854775808", "", "seven", "\xff"}).Draw(t, "value"))
			}
		} else {
			reply.Code = rapid.SampledFrom([]string{core.CodeTimeout, core.CodeUnavailable, core.CodeBadRequest}).Draw(t, "code")
			reply.Message = rapid.SampledFrom([]string{"too few", `n="3" é`}).Draw(t, "message")
		}
		evidence := leaderless.Evidence(&settings, 1, &reply)

		status, body = s.appendReply(nil, core.RequestGet, &reply)
		reading, err := register.Read(t.Context(), "key")
		ownReading, ownErr := leaderless.Reading("n2", "key", &reply, evidence)
		require.Equal(t, reading, ownReading)
		require.Equal(t, err, ownErr)
		without, err := leaderless.Reading("n2", "key", &reply, nil)
		require.Equal(t, ownErr == nil, err == nil)
		require.Equal(t, target.Reading{Found: ownReading.Found, Value: ownReading.Value}, without)

		status, body = s.appendReply(nil, core.RequestPut, &reply)
		written, err := register.Write(t.Context(), "key", 5)
		ownWritten, ownErr := leaderless.Written(&reply, evidence)
		require.Equal(t, written, ownWritten)
		require.Equal(t, err, ownErr)
	})
}
