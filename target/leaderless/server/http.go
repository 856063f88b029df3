package server

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
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
)

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
	writeJSON(rw, w.status, w.body)
	w.request = core.Request{}
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

// parseRequest makes the core's request of the client's.
func parseRequest(request *core.Request, key string, rw http.ResponseWriter, r *http.Request) *httpError {
	*request = core.Request{Key: key}
	switch r.Method {
	case http.MethodGet:
		request.Kind = core.RequestGet
	case http.MethodPut:
		request.Kind = core.RequestPut
	case http.MethodDelete:
		request.Kind = core.RequestDelete
	default:
		return &httpError{http.StatusMethodNotAllowed, codeMethod, fmt.Sprintf("method %s: want GET, PUT or DELETE", r.Method)}
	}
	if key == "" {
		return &httpError{http.StatusBadRequest, codeBadRequest, "the key is empty: want /kv/KEY"}
	}
	if len(key) > core.MaxKeyBytes {
		return &httpError{http.StatusBadRequest, codeBadRequest, fmt.Sprintf("a key of %d bytes: want 1…%d", len(key), core.MaxKeyBytes)}
	}
	if r.URL.RawQuery != "" {
		if problem := parseQuery(request, r.URL.RawQuery); problem != "" {
			return &httpError{http.StatusBadRequest, codeBadRequest, problem}
		}
	}
	if request.Kind != core.RequestPut {
		return nil
	}
	value, problem := readBody(rw, r)
	request.Value = value
	return problem
}

// parseQuery reads the parameters of a key's URL.
func parseQuery(request *core.Request, query string) (problem string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "the query: " + err.Error()
	}
	for name, texts := range values {
		number, err := strconv.ParseInt(texts[0], 10, 64)
		switch {
		case len(texts) > 1:
			return fmt.Sprintf("%s is given %d times: want it once", name, len(texts))
		case name == "timestamp" && err == nil && number > 0 && request.Kind != core.RequestGet:
			request.Timestamp = number
		case name == "timestamp":
			return fmt.Sprintf("timestamp=%s: want nanoseconds since 1970, with PUT and DELETE only", texts[0])
		case name != "n" && name != "r" && name != "w":
			return fmt.Sprintf("unknown parameter %q: known are n, r, w, timestamp", name)
		case err != nil || number < 1 || number > core.MaxNodes:
			return fmt.Sprintf("%s=%s: want 1…%d", name, texts[0], core.MaxNodes)
		case name == "n":
			request.N = int(number)
		case name == "r":
			request.R = int(number)
		default:
			request.W = int(number)
		}
	}
	return ""
}

// readBody reads a value into memory of its own, which the core keeps.
func readBody(rw http.ResponseWriter, r *http.Request) ([]byte, *httpError) {
	if r.ContentLength > core.MaxValueBytes {
		return nil, &httpError{http.StatusRequestEntityTooLarge, codeTooLarge, fmt.Sprintf("a value of %d bytes: want at most %d", r.ContentLength, core.MaxValueBytes)}
	}
	var value []byte
	var err error
	if r.ContentLength >= 0 {
		value = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, value)
	} else {
		value, err = io.ReadAll(http.MaxBytesReader(rw, r.Body, core.MaxValueBytes))
	}
	if err != nil {
		return nil, &httpError{http.StatusBadRequest, codeBadRequest, "read the value: " + err.Error()}
	}
	return value, nil
}
