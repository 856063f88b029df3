package server

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// maxContextHeader is the greatest length of a causal context in base64.
const maxContextHeader = (core.MaxContextBytes + 2) / 3 * 4

// parseRequest makes the core's request of the client's. For POST the last part
// of the path is the operation and the rest the key.
func parseRequest(request *core.Request, key string, rw http.ResponseWriter, r *http.Request) *httpError {
	*request = core.Request{}
	operation := ""
	switch r.Method {
	case http.MethodGet:
		request.Kind = core.RequestGet
	case http.MethodPut:
		request.Kind = core.RequestPut
	case http.MethodDelete:
		request.Kind = core.RequestDelete
	case http.MethodPost:
		request.Kind = core.RequestUpdate
		at := strings.LastIndexByte(key, '/')
		if at < 0 {
			return badRequest("POST wants /kv/KEY/OPERATION, with one of the operations " + operationNames)
		}
		key, operation = key[:at], key[at+1:]
	default:
		return &httpError{http.StatusMethodNotAllowed, codeMethod, fmt.Sprintf("method %s: want GET, PUT, DELETE or POST", r.Method)}
	}
	request.Key = key
	if key == "" {
		return badRequest("the key is empty: want /kv/KEY")
	}
	if len(key) > core.MaxKeyBytes {
		return badRequest(fmt.Sprintf("a key of %d bytes: want 1…%d", len(key), core.MaxKeyBytes))
	}
	if operation != "" || request.Kind == core.RequestUpdate {
		if request.Operand = operandOf(operation); request.Operand == nil {
			return badRequest(fmt.Sprintf("no operation %q: known are %s", operation, operationNames))
		}
	}
	if r.URL.RawQuery != "" {
		if problem := parseQuery(request, r.URL.RawQuery); problem != "" {
			return badRequest(problem)
		}
	}
	if texts := r.Header[contextHeader]; len(texts) > 0 {
		causal, problem := parseContextHeader(texts)
		if problem != "" {
			return badRequest(problem)
		}
		if request.Kind == core.RequestGet {
			return badRequest("a causal context with GET: contexts come from reads and go with writes")
		}
		request.Context = causal
	}
	if r.Method == http.MethodGet || r.Method == http.MethodDelete {
		return nil
	}
	value, problem := readBody(rw, r)
	if problem != nil {
		return problem
	}
	if request.Operand == nil || r.Method == http.MethodPut {
		request.Value = value
		return nil
	}
	return parseOperandBody(request.Operand, value)
}

func badRequest(message string) *httpError {
	return &httpError{http.StatusBadRequest, codeBadRequest, message}
}

// parseContextHeader reads a causal context; what is in it is the core's affair.
func parseContextHeader(texts []string) (causal []byte, problem string) {
	switch {
	case len(texts) > 1:
		return nil, fmt.Sprintf("%s is given %d times: want it once", contextHeader, len(texts))
	case texts[0] == "":
		return nil, ""
	case len(texts[0]) > maxContextHeader:
		return nil, fmt.Sprintf("%s of %d bytes: want at most %d", contextHeader, len(texts[0]), maxContextHeader)
	}
	causal, err := base64.StdEncoding.Strict().DecodeString(texts[0])
	if err != nil {
		return nil, contextHeader + ": " + err.Error() + ": hand back what a read returned, unaltered, or none"
	}
	return causal, ""
}

// parseQuery reads the parameters of a key's URL.
func parseQuery(request *core.Request, query string) (problem string) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "the query: " + err.Error()
	}
	// In the order of their names, so that of several problems always the same is told.
	for i := range parameters {
		texts, ok := values[parameters[i].name]
		switch {
		case !ok:
			continue
		case len(texts) > 1:
			return fmt.Sprintf("%s is given %d times: want it once", parameters[i].name, len(texts))
		}
		delete(values, parameters[i].name)
		if want := parameters[i].parse(request, texts[0]); want != "" {
			return fmt.Sprintf("%s=%s: %s", parameters[i].name, texts[0], want)
		}
	}
	least := ""
	for name := range values {
		if least == "" || name < least {
			least = name
		}
	}
	if len(values) > 0 {
		return fmt.Sprintf("unknown parameter %q: known are %s", least, parameterNames)
	}
	return ""
}

// parameters are those of a key's URL.
var parameters = []struct {
	name string
	// parse puts the value into the request, or says what it should be.
	parse func(r *core.Request, text string) (want string)
}{
	quorumParameter("n", func(r *core.Request) *int { return &r.N }),
	quorumParameter("r", func(r *core.Request) *int { return &r.R }),
	quorumParameter("w", func(r *core.Request) *int { return &r.W }),
	quorumParameter("pr", func(r *core.Request) *int { return &r.PR }),
	quorumParameter("pw", func(r *core.Request) *int { return &r.PW }),
	quorumParameter("dw", func(r *core.Request) *int { return &r.DW }),
	{"level", func(r *core.Request, text string) string {
		for level := core.LevelAny; level <= core.LevelLocalSerial; level++ {
			if level.String() == text {
				r.Level = level
				return ""
			}
		}
		return "want a consistency level, for instance one, quorum or all"
	}},
	{"timestamp", func(r *core.Request, text string) string {
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil || number <= 0 || r.Kind == core.RequestGet {
			return "want nanoseconds since 1970, with writes only"
		}
		r.Timestamp = number
		return ""
	}},
	{"if-value", func(r *core.Request, text string) string {
		return conditional(r, core.Condition{Kind: core.ConditionEqual, Value: []byte(text)})
	}},
	{"if-absent", func(r *core.Request, text string) string {
		return switched(r, text, core.ConditionAbsent)
	}},
	{"if-anything", func(r *core.Request, text string) string {
		return switched(r, text, core.ConditionNone)
	}},
	{"by", func(r *core.Request, text string) string {
		number, err := strconv.ParseInt(text, 10, 64)
		if err != nil || r.Operand == nil || r.Operand.Kind != core.OperandAdd {
			return "want a whole number of 64 bits, with the operation add only"
		}
		r.Operand.By = number
		return ""
	}},
	{"id", func(r *core.Request, text string) string {
		number, err := strconv.ParseUint(text, 10, 64)
		if err != nil || number == 0 || r.Operand == nil || r.Operand.Kind != core.OperandAdd {
			return "want a number of 64 bits greater than 0, with the operation add only"
		}
		r.Operand.ID = number
		return ""
	}},
	{"field", func(r *core.Request, text string) string {
		if r.Kind != core.RequestUpdate || text == "" {
			return "want the name of a member of a map, with POST only"
		}
		r.Operand.Field = text
		return ""
	}},
}

// parameterNames lists the parameters for messages.
var parameterNames = func() string {
	var names []string
	for i := range parameters {
		names = append(names, parameters[i].name)
	}
	return strings.Join(names, ", ")
}()

type parameter = struct {
	name  string
	parse func(*core.Request, string) string
}

func quorumParameter(name string, field func(*core.Request) *int) parameter {
	return parameter{name, func(r *core.Request, text string) string {
		number, err := strconv.Atoi(text)
		if err != nil || number < 1 || number > core.MaxNodes {
			return fmt.Sprintf("want 1…%d", core.MaxNodes)
		}
		*field(r) = number
		return ""
	}}
}

// switched makes the request a compare-and-set; text is what the parameter has behind its name.
func switched(r *core.Request, text string, kind core.ConditionKind) string {
	if text != "" && text != "true" {
		return "want it without a value, or true"
	}
	return conditional(r, core.Condition{Kind: kind})
}

// conditional makes a put or a delete a compare-and-set.
func conditional(r *core.Request, c core.Condition) string {
	switch {
	case r.Kind == core.RequestCompareAndSet:
		return "there is another condition already: want one"
	case r.Kind != core.RequestPut && r.Kind != core.RequestDelete:
		return "want it with PUT or DELETE only"
	case r.Kind == core.RequestDelete:
		r.Operand = &core.Operand{Kind: core.OperandDrop}
	}
	r.Kind, r.Condition = core.RequestCompareAndSet, &c
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
		return nil, badRequest("read the value: " + err.Error())
	}
	return value, nil
}
