package server

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// everything is all that the bundled store's clients can do.
type everything interface {
	target.Register
	target.Ordered
	target.Deleter
	target.CompareAndSetter
	target.Counter
	target.Set
	target.Versioned
	target.Row
}

// told is a server that answers every request with one reply of the core, and
// notes what it was asked.
type told struct {
	server *Server
	reply  core.Reply
	asked  core.Request
	node   *httptest.Server
	client target.Client
	system target.System
}

func newTold(t *testing.T) *told {
	system, err := leaderless.New().Configure(3, nil)
	require.NoError(t, err)
	d := &told{server: &Server{name: "n2", id: 1, settings: system.(interface{ Core() core.Settings }).Core()}, system: system}
	d.node = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		d.asked = core.Request{}
		if problem := parseRequest(&d.asked, r.URL.Path[len("/kv/"):], rw, r); problem != nil {
			writeJSON(rw, problem.status, problem.append(nil))
			return
		}
		status, body := d.server.appendReply(nil, d.asked.Kind, &d.reply)
		writeJSON(rw, status, body)
	}))
	t.Cleanup(d.node.Close)
	d.client, err = system.Connect("n2", d.node.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.client.Close() })
	return d
}

// anyVersion, anySibling and anyReply draw what a core may reply.
func anyVersion(t *rapid.T, name string) core.Version {
	return core.Version{Time: rapid.Int64Range(1, 1<<62).Draw(t, name), Node: core.NodeID(rapid.IntRange(0, 2).Draw(t, "node")),
		Incarnation: rapid.Uint32Min(1).Draw(t, "incarnation"), Sequence: rapid.Uint32().Draw(t, "sequence")}
}

func anyDot(t *rapid.T) core.Dot {
	d := core.Dot{Actor: core.Actor{Node: core.NodeID(rapid.IntRange(0, 2).Draw(t, "actor"))}, Counter: rapid.Uint64Range(1, 1<<40).Draw(t, "counter")}
	if rapid.Bool().Draw(t, "with an epoch") {
		d.Actor.Epoch = rapid.Uint64Min(1).Draw(t, "epoch")
	}
	return d
}

func anyReply(t *rapid.T, values []string) core.Reply {
	value := func() []byte { return []byte(rapid.SampledFrom(values).Draw(t, "value")) }
	reply := core.Reply{Status: core.ReplyStatus(rapid.IntRange(1, 3).Draw(t, "status"))}
	reply.Evidence.Required = 2
	if rapid.Bool().Draw(t, "forwarded") {
		reply.Evidence.Forwarded, reply.Evidence.Coordinator = true, 2
	}
	if reply.Status != core.StatusOK {
		reply.Code = rapid.SampledFrom([]string{core.CodeTimeout, core.CodeUnavailable, core.CodeBadRequest}).Draw(t, "code")
		reply.Message = rapid.SampledFrom([]string{"too few", `n="3" é`}).Draw(t, "message")
		return reply
	}
	reply.Found = rapid.Bool().Draw(t, "found")
	reply.Applied = rapid.Bool().Draw(t, "applied")
	reply.Cell.Version = anyVersion(t, "version")
	if reply.Found {
		reply.Cell.Value = value()
	}
	if rapid.Bool().Draw(t, "with siblings") {
		reply.Siblings, reply.Found = []core.Sibling{}, false
		for range rapid.IntRange(0, 3).Draw(t, "siblings") {
			s := core.Sibling{Version: anyVersion(t, "its version"), Tombstone: rapid.Bool().Draw(t, "deleted")}
			if rapid.Bool().Draw(t, "of the reply's version") {
				s.Version = reply.Cell.Version
			}
			if rapid.Bool().Draw(t, "with a dot") {
				s.Dot = anyDot(t)
			}
			if !s.Tombstone {
				reply.Found = true
				s.Value = value()
			}
			reply.Siblings = append(reply.Siblings, s)
		}
		reply.Cell.Value = nil
		if len(reply.Siblings) == 1 {
			reply.Cell.Value, reply.Cell.Tombstone = reply.Siblings[0].Value, reply.Siblings[0].Tombstone
		}
		seen := core.Context{Time: rapid.Int64Range(0, 5).Draw(t, "greatest time")}
		for node := range rapid.IntRange(0, 3).Draw(t, "entries") {
			seen.Seen = append(seen.Seen, core.VectorEntry{Actor: core.Actor{Node: core.NodeID(node)}, Counter: rapid.Uint64Range(1, 9).Draw(t, "seen")})
		}
		reply.Context = seen.Encode()
	}
	return reply
}

// What a simulation makes of a reply is what the HTTP client makes of it,
// whatever it asked for.
func TestEveryReplyMeansTheSameWithAndWithoutHTTP(t *testing.T) {
	d := newTold(t)
	client := d.client.(everything)
	settings := &d.server.settings
	integers := []string{"0", "-17", "9223372036854775807", "9223372036854775808", "", "seven", "\xff"}
	objects := []string{`["1","-2"]`, `{"x":"1","y":"-1"}`, `[]`, `{}`, `["a"]`, `{"x":"a"}`, "nonsense"}
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		r := anyReply(t, integers)
		e := leaderless.Evidence(settings, 1, &r)
		d.reply = r
		same := func(want, wantErr, got, gotErr any) {
			t.Helper()
			require.Equal(t, wantErr, gotErr)
			require.Equal(t, want, got)
		}
		reading, err := leaderless.Reading("n2", "key", &r, e)
		got, gotErr := client.Read(ctx, "key")
		same(reading, err, got, gotErr)
		got, gotErr = client.Count(ctx, "key")
		same(reading, err, got, gotErr)
		order := ""
		if err == nil {
			order = leaderless.Order(r.Cell.Version)
		}
		got, gotOrder, gotErr := client.ReadOrdered(ctx, "key")
		same(reading, err, got, gotErr)
		require.Equal(t, order, gotOrder)

		written, err := leaderless.Written(&r, e)
		order = ""
		if err == nil {
			order = leaderless.Order(r.Cell.Version)
		}
		for name, change := range map[string]func() (*history.Evidence, error){
			"write":  func() (*history.Evidence, error) { return client.Write(ctx, "key", 5) },
			"delete": func() (*history.Evidence, error) { return client.Delete(ctx, "key") },
			"add":    func() (*history.Evidence, error) { return client.Add(ctx, "key", 5, 6) },
			"insert": func() (*history.Evidence, error) { return client.Insert(ctx, "key", 5) },
			"remove": func() (*history.Evidence, error) { return client.Remove(ctx, "key", 5, []byte("c")) },
			"row":    func() (*history.Evidence, error) { return client.WriteRow(ctx, "key", map[string]int64{"x": 5}) },
			"ordered": func() (*history.Evidence, error) {
				gotOrder, evidence, err := client.WriteOrdered(ctx, "key", 5)
				require.Equal(t, order, gotOrder)
				return evidence, err
			},
		} {
			got, gotErr := change()
			require.Equal(t, err, gotErr, name)
			require.Equal(t, written, got, name)
		}
		swap, err := leaderless.SwapOf("n2", "key", &r, e)
		gotSwap, gotErr := client.CompareAndSet(ctx, "key", nil, 5)
		same(swap, err, gotSwap, gotErr)

		versions, err := leaderless.VersionsOf(settings, true, &r, e)
		gotVersions, gotErr := client.ReadVersions(ctx, "key")
		same(versions, err, gotVersions, gotErr)
		versions, err = leaderless.VersionsOf(settings, false, &r, e)
		gotVersions, gotErr = client.WriteVersion(ctx, "key", []byte("v"), nil)
		same(versions, err, gotVersions, gotErr)
		gotVersions, gotErr = client.DeleteVersion(ctx, "key", []byte("c"))
		same(versions, err, gotVersions, gotErr)

		r = anyReply(t, objects)
		e = leaderless.Evidence(settings, 1, &r)
		d.reply = r
		elements, err := leaderless.ElementsOf("n2", "key", &r, e)
		gotElements, gotErr := client.Elements(ctx, "key")
		same(elements, err, gotElements, gotErr)
		columns, err := leaderless.ColumnsOf("n2", "key", &r, e)
		gotColumns, _, gotErr := client.ReadRow(ctx, "key")
		same(columns, err, gotColumns, gotErr)
	})
}

// What the client asks for is what the simulation's client asks the core for.
func TestWhatClientsAskForArrives(t *testing.T) {
	d := newTold(t)
	client := d.client.(everything)
	d.reply = core.Reply{Status: core.StatusOK}
	ctx := context.Background()
	old := int64(-3)
	causal := []byte{0, 1, 0xff}
	key := "a/b c?ü%2F"
	ask := func(err error) core.Request {
		t.Helper()
		require.NoError(t, err)
		require.Equal(t, key, d.asked.Key)
		r := d.asked
		r.Key = ""
		return r
	}
	_, err := client.Read(ctx, key)
	assert.Equal(t, core.Request{Kind: core.RequestGet}, ask(err))
	_, err = client.Write(ctx, key, -5)
	assert.Equal(t, core.Request{Kind: core.RequestPut, Value: []byte("-5")}, ask(err))
	_, err = client.Delete(ctx, key)
	assert.Equal(t, core.Request{Kind: core.RequestDelete}, ask(err))
	_, err = client.CompareAndSet(ctx, key, nil, 5)
	assert.Equal(t, core.Request{Kind: core.RequestCompareAndSet, Value: []byte("5"), Condition: &core.Condition{Kind: core.ConditionAbsent}}, ask(err))
	_, err = client.CompareAndSet(ctx, key, &old, 5)
	assert.Equal(t, core.Request{Kind: core.RequestCompareAndSet, Value: []byte("5"), Condition: &core.Condition{Kind: core.ConditionEqual, Value: []byte("-3")}}, ask(err))
	_, err = client.Add(ctx, key, -5, 1<<64-1)
	assert.Equal(t, core.Request{Kind: core.RequestUpdate, Operand: &core.Operand{Kind: core.OperandAdd, By: -5, ID: 1<<64 - 1}}, ask(err))
	_, err = client.Insert(ctx, key, 5)
	assert.Equal(t, core.Request{Kind: core.RequestUpdate, Operand: &core.Operand{Kind: core.OperandInsert, Element: []byte("5")}}, ask(err))
	_, err = client.Remove(ctx, key, 5, causal)
	assert.Equal(t, core.Request{Kind: core.RequestUpdate, Context: causal, Operand: &core.Operand{Kind: core.OperandRemove, Element: []byte("5")}}, ask(err))
	_, err = client.ReadVersions(ctx, key)
	assert.Equal(t, core.Request{Kind: core.RequestGet}, ask(err))
	_, err = client.WriteVersion(ctx, key, []byte("v\x00"), causal)
	assert.Equal(t, core.Request{Kind: core.RequestPut, Value: []byte("v\x00"), Context: causal}, ask(err))
	_, err = client.DeleteVersion(ctx, key, causal)
	assert.Equal(t, core.Request{Kind: core.RequestDelete, Context: causal}, ask(err))
	_, err = client.WriteRow(ctx, key, map[string]int64{"y": -2, "x": 1})
	columns := leaderless.RowColumns(map[string]int64{"y": -2, "x": 1})
	assert.Equal(t, core.Request{Kind: core.RequestUpdate, Operand: &core.Operand{Kind: core.OperandColumns, Columns: columns}}, ask(err))
}

// An answer that is not the store's is an error that says so, never a result.
func TestAnswersThatAreNotOfTheStore(t *testing.T) {
	system, err := leaderless.New().Configure(3, nil)
	require.NoError(t, err)
	body := ""
	node := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, body) }))
	defer node.Close()
	connected, err := system.Connect("n1", node.Listener.Addr().String())
	require.NoError(t, err)
	defer connected.Close()
	client := connected.(everything)
	for _, body = range []string{
		"", "hello", `{"version":"7"}`, `{"version":"x@1:2:3"}`, `{"version":"7@1:2"}`, `{"version":"7@256:2:3"}`, `{"context":"%"}`,
		`{"siblings":[{"version":"7@1:1:1","dot":"n9:1"}]}`, `{"siblings":[{"dot":"n1"}]}`, `{"siblings":[{"dot":"n1/1.x:1"}]}`,
	} {
		_, err := client.ReadVersions(context.Background(), "key")
		require.ErrorContains(t, err, "something that is not its JSON", "%q", body)
		assert.True(t, target.IsDefinite(err), "a read changes nothing")
		_, err = client.Write(context.Background(), "key", 1)
		require.Error(t, err)
		assert.False(t, target.IsDefinite(err), "the write may have been made")
	}
	body = `{"version":"7@1:1:1","context":"` + base64.StdEncoding.EncodeToString([]byte("not a context")) + `"}`
	_, err = client.ReadVersions(context.Background(), "key")
	require.ErrorContains(t, err, "context")
}
