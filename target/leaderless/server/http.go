package server

import (
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// The codes of errors that this package finds itself; others are the core's.
const (
	codeBadRequest = "bad-request"
	codeTooLarge   = "too-large"
	codeNoSuchPath = "no-such-path"
	codeMethod     = "method-not-allowed"
	codeStopped    = "stopped"
	codeInternal   = "internal"
	// codeUnavailable is the core's, too.
	codeUnavailable = core.CodeUnavailable
)

// contextHeader is the header in which causal contexts travel, in base64, both ways.
const contextHeader = "X-Causal-Context"

var (
	jsonType = []string{"application/json"}
	waiters  = sync.Pool{New: func() any { return &waiter{done: make(chan struct{}, 1)} }}
)

// serveHTTP answers a client. It does without a router and without encoding/json
// because it is what most of a node's time is spent on.
func (s *Server) serveHTTP(rw http.ResponseWriter, r *http.Request) {
	key, ok := strings.CutPrefix(r.URL.Path, "/kv/")
	if !ok {
		s.serveAdmin(rw, r)
		return
	}
	w := waiters.Get().(*waiter)
	if problem := parseRequest(&w.request, key, rw, r); problem != nil {
		s.refused.count(problem.code)
		w.body = problem.append(w.body[:0])
		writeJSON(rw, problem.status, w.body)
		waiters.Put(w)
		return
	}
	if !s.loop.ask(w) {
		// The loop may still hold it: it must not be used again.
		stopped := httpError{http.StatusGatewayTimeout, codeStopped, "the node stopped before it answered; the outcome is unknown"}
		writeJSON(rw, stopped.status, stopped.append(nil))
		return
	}
	if w.context != "" {
		rw.Header()[contextHeader] = []string{w.context}
	}
	writeJSON(rw, w.status, w.body)
	w.request, w.context = core.Request{}, ""
	waiters.Put(w)
}

// writeJSON sends the answer.
func writeJSON(rw http.ResponseWriter, status int, body []byte) {
	header := rw.Header()
	header["Content-Type"] = jsonType
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	rw.WriteHeader(status)
	// An error means that the client is gone.
	_, _ = rw.Write(body)
}

// httpError is an error that is found before the core is asked.
type httpError struct {
	status  int
	code    string
	message string
}

// append appends the error as JSON. All but the timeout are definite.
func (e *httpError) append(b []byte) []byte {
	b = append(b, `{"error":`...)
	b = appendString(b, e.message)
	b = append(b, `,"code":`...)
	b = appendString(b, e.code)
	b = append(b, `,"definite":`...)
	b = strconv.AppendBool(b, e.status != http.StatusGatewayTimeout)
	return append(b, "}\n"...)
}
