package server

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// FuzzRequest: whatever a client sends, the parser neither panics nor lets a
// request through that is not within the core's bounds, and an error has a
// message and a status that says that nothing was done.
func FuzzRequest(f *testing.F) {
	f.Add("PUT", "/kv/a", "w=2&level=quorum", "AQID", []byte("value"))
	f.Add("POST", "/kv/a/add", "by=-1&id=7", "", []byte(nil))
	f.Add("POST", "/kv/a/b/columns", "field=x", "", []byte(`{"a":"b","c":1.5e3}`))
	f.Add("DELETE", "/kv/a", "if-value=x&if-absent", "====", []byte("x"))
	f.Add("PUT", "/kv/%", "if-anything=true&timestamp=9", "AQ", []byte("x"))
	f.Fuzz(func(t *testing.T, method, path, query, causal string, body []byte) {
		key, ok := strings.CutPrefix(path, "/kv/")
		if !ok {
			return
		}
		r := &http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}, Header: http.Header{},
			ContentLength: int64(len(body)), Body: http.NoBody}
		r.Body = readCloser{bytes.NewReader(body)}
		if causal != "" {
			r.Header[contextHeader] = []string{causal}
		}
		var q core.Request
		problem := parseRequest(&q, key, httptest.NewRecorder(), r)
		if problem != nil {
			if problem.message == "" || problem.status < 400 || problem.status > 499 || problem.code == "" {
				t.Fatalf("problem %+v", problem)
			}
			return
		}
		if q.Key == "" || len(q.Key) > core.MaxKeyBytes || q.Kind == 0 || len(q.Value) > core.MaxValueBytes {
			t.Fatalf("let through: %+v", q)
		}
		for _, n := range []int{q.N, q.R, q.W, q.PR, q.PW, q.DW} {
			if n < 0 || n > core.MaxNodes {
				t.Fatalf("let through: %+v", q)
			}
		}
		if (q.Kind == core.RequestUpdate) != (q.Operand != nil && q.Condition == nil) || (q.Kind == core.RequestCompareAndSet) != (q.Condition != nil) {
			t.Fatalf("operand %v or condition %v of kind %d", q.Operand, q.Condition, q.Kind)
		}
		if q.Context != nil && base64.StdEncoding.EncodeToString(q.Context) != strings.NewReplacer("\r", "", "\n", "").Replace(causal) {
			t.Fatalf("context %x of %q", q.Context, causal)
		}
	})
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// FuzzAdminPath: no path makes the operator's interface panic or find a route of another method.
func FuzzAdminPath(f *testing.F) {
	f.Add("GET", "/admin/versions/a/b", "n=3")
	f.Add("POST", "/admin/replace", "node=n1&node=n2")
	f.Add("DELETE", "/admin/", "%zz")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		route, a, problem := findRoute(&http.Request{Method: method, URL: &url.URL{Path: path, RawQuery: query}})
		if problem != nil {
			if problem.status < 400 || problem.status > 499 || problem.message == "" {
				t.Fatalf("problem %+v", problem)
			}
			return
		}
		if route.method != method || (route.argument == "") != (a.argument == "") || !strings.HasPrefix(path, "/admin/"+route.name) {
			t.Fatalf("%s %s: route %+v, %+v", method, path, route, a)
		}
	})
}
