package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// route is one path of the operator's interface, /admin/NAME or, with an
// argument, /admin/NAME/ARGUMENT.
type route struct {
	method string
	name   string
	// argument is what comes behind the name, for messages; empty: nothing may.
	argument string
	// parameters are those that the query may have.
	parameters []string
	serve      func(s *Server, a *adminRequest) (any, *httpError)
}

// adminRequest is a request of an operator.
type adminRequest struct {
	argument string
	query    map[string]string
}

// routes are in the order in which messages list them. It is filled in below
// because its functions mention it.
var routes []route

func init() {
	routes = []route{
		{http.MethodGet, "status", "", []string{"key"}, (*Server).serveStatus},
		{http.MethodGet, "dump", "", nil, (*Server).serveDump},
		{http.MethodGet, "ring", "", nil, (*Server).serveRing},
		{http.MethodGet, "members", "", nil, (*Server).serveMembers},
		{http.MethodGet, "preference", "KEY", []string{"n"}, (*Server).servePreference},
		{http.MethodGet, "versions", "KEY", nil, (*Server).serveVersions},
		{http.MethodGet, "hints", "", nil, (*Server).serveHints},
		{http.MethodGet, "siblings", "", []string{"limit"}, (*Server).serveSiblings},
		{http.MethodGet, "trees", "", []string{"leaves"}, (*Server).serveTrees},
		{http.MethodGet, "snapshot", "", nil, (*Server).listSnapshots},
		{http.MethodPost, "snapshot", "", []string{"name"}, (*Server).makeSnapshot},
		{http.MethodDelete, "snapshot", "", []string{"name"}, (*Server).removeSnapshot},
		{http.MethodPost, "compact", "", nil, (*Server).compact},
		{http.MethodPost, "repair", "", nil, commandRoute(core.AdminRepair)},
		{http.MethodPost, "join", "", nil, commandRoute(core.AdminJoin)},
		{http.MethodPost, "leave", "", nil, commandRoute(core.AdminLeave)},
		{http.MethodPost, "replace", "", []string{"node"}, (*Server).replaceNode},
	}
}

// serveAdmin answers everything but requests for keys.
func (s *Server) serveAdmin(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/metrics" {
		s.serveMetrics(rw, r)
		return
	}
	route, a, problem := findRoute(r)
	var answer any
	if problem == nil {
		answer, problem = route.serve(s, a)
	}
	var body []byte
	if problem == nil {
		var err error
		if body, err = json.Marshal(answer); err != nil {
			problem = &httpError{http.StatusInternalServerError, codeInternal, err.Error()}
		}
	}
	if problem != nil {
		writeJSON(rw, problem.status, problem.append(nil))
		return
	}
	status := http.StatusOK
	if _, begun := answer.(*Begun); begun {
		status = http.StatusAccepted
	}
	writeJSON(rw, status, append(body, '\n'))
}

// findRoute returns the route of a request, or what is wrong with it.
func findRoute(r *http.Request) (*route, *adminRequest, *httpError) {
	path, admin := strings.CutPrefix(r.URL.Path, "/admin/")
	name, argument, more := strings.Cut(path, "/")
	methods := []string{}
	var found *route
	for i := range routes {
		if t := &routes[i]; admin && t.name == name && (t.argument != "") == more {
			methods = append(methods, t.method)
			if t.method == r.Method {
				found = t
			}
		}
	}
	switch {
	case len(methods) == 0:
		return nil, nil, &httpError{http.StatusNotFound, codeNoSuchPath, "no such path: want /kv/KEY, /metrics or one of " + paths()}
	case found == nil:
		return nil, nil, &httpError{http.StatusMethodNotAllowed, codeMethod, fmt.Sprintf("method %s: want %s", r.Method, strings.Join(methods, " or "))}
	case found.argument != "" && argument == "":
		return nil, nil, badRequest(fmt.Sprintf("want /admin/%s/%s", found.name, found.argument))
	}
	a := &adminRequest{argument: argument, query: make(map[string]string)}
	for name, texts := range r.URL.Query() {
		switch {
		case !slices.Contains(found.parameters, name):
			return nil, nil, badRequest(fmt.Sprintf("unknown parameter %q: known are [%s]", name, strings.Join(found.parameters, ", ")))
		case len(texts) > 1:
			return nil, nil, badRequest(fmt.Sprintf("%s is given %d times: want it once", name, len(texts)))
		}
		a.query[name] = texts[0]
	}
	return found, a, nil
}

// paths lists what an operator may ask for.
func paths() string {
	var all []string
	for i := range routes {
		t := &routes[i]
		path := t.method + " /admin/" + t.name
		if t.argument != "" {
			path += "/" + t.argument
		}
		all = append(all, path)
	}
	return strings.Join(all, ", ")
}

// stopping is the error of a node that is about to end.
func stopping() *httpError {
	return &httpError{http.StatusServiceUnavailable, codeStopped, "the node is stopping"}
}
