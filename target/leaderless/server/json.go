package server

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// appendReply appends the core's reply as JSON and returns the HTTP status with it.
func (s *Server) appendReply(b []byte, kind core.RequestKind, r *core.Reply) (status int, body []byte) {
	b = append(b, '{')
	switch r.Status {
	case core.StatusOK:
		status = http.StatusOK
		b = s.appendResult(b, kind, r)
		b = append(b, `"version":`...)
		b = appendString(b, r.Cell.Version.String())
	default:
		definite := r.Status == core.StatusDefinite
		switch {
		case !definite:
			status = http.StatusGatewayTimeout
		case r.Code == codeBadRequest:
			status = http.StatusBadRequest
		default:
			status = http.StatusServiceUnavailable
		}
		b = append(b, `"error":`...)
		b = appendString(b, r.Message)
		b = append(b, `,"code":`...)
		b = appendString(b, r.Code)
		b = append(b, `,"definite":`...)
		b = strconv.AppendBool(b, definite)
	}
	b = append(b, `,"evidence":`...)
	b = s.appendEvidence(b, r)
	return status, append(b, "}\n"...)
}

// appendResult appends what a request found or did, each member with a comma behind it.
func (s *Server) appendResult(b []byte, kind core.RequestKind, r *core.Reply) []byte {
	if kind == core.RequestCompareAndSet {
		b = append(b, `"applied":`...)
		b = strconv.AppendBool(b, r.Applied)
		b = append(b, ',')
	}
	if kind == core.RequestGet || kind == core.RequestCompareAndSet && !r.Applied {
		b = append(b, `"found":`...)
		b = strconv.AppendBool(b, r.Found)
		b = append(b, ',')
		if value, one := single(r); one {
			b = appendValue(b, value)
		}
	}
	if r.Siblings != nil {
		b = append(b, `"siblings":[`...)
		for i := range r.Siblings {
			if i > 0 {
				b = append(b, ',')
			}
			b = s.appendSibling(b, &r.Siblings[i])
		}
		b = append(b, "],"...)
	}
	if r.Context != nil {
		b = append(b, `"context":"`...)
		b = base64.StdEncoding.AppendEncode(b, r.Context)
		b = append(b, `",`...)
	}
	return b
}

// single returns the value that a request found, if there is exactly one.
func single(r *core.Reply) (value []byte, one bool) {
	if r.Siblings == nil {
		return r.Cell.Value, r.Found
	}
	for i := range r.Siblings {
		if s := &r.Siblings[i]; !s.Tombstone {
			if one {
				return nil, false
			}
			value, one = s.Value, true
		}
	}
	return value, one
}

// appendSibling appends one of several concurrent values.
func (s *Server) appendSibling(b []byte, v *core.Sibling) []byte {
	b = append(b, '{')
	if v.Tombstone {
		b = append(b, `"deleted":true,`...)
	} else {
		b = appendValue(b, v.Value)
	}
	if !v.Dot.IsZero() {
		b = append(b, `"dot":`...)
		b = appendString(b, s.dot(v.Dot))
		b = append(b, ',')
	}
	b = append(b, `"version":`...)
	b = appendString(b, v.Version.String())
	return append(b, '}')
}

// dot writes a dot with the name of its node.
func (s *Server) dot(d core.Dot) string {
	return d.Actor.Name(s.settings.Nodes[d.Actor.Node]) + ":" + strconv.FormatUint(d.Counter, 10)
}

// appendValue appends `"value":"…",`, or `"value_base64"` where the value is not text.
func appendValue(b, value []byte) []byte {
	if utf8.Valid(value) {
		b = append(b, `"value":`...)
		b = appendString(b, string(value))
	} else {
		b = append(b, `"value_base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, value)
		b = append(b, '"')
	}
	return append(b, ',')
}

// appendEvidence appends the evidence in the form of history.Evidence.
func (s *Server) appendEvidence(b []byte, r *core.Reply) []byte {
	e := &r.Evidence
	b = append(b, `{"coordinator":`...)
	coordinator := s.id
	if e.Forwarded {
		coordinator = e.Coordinator
	}
	b = appendString(b, s.settings.Nodes[coordinator])
	if e.Required > 0 {
		b = append(b, `,"required":`...)
		b = strconv.AppendInt(b, int64(e.Required), 10)
	}
	if !r.Cell.Version.IsZero() {
		b = append(b, `,"version":`...)
		b = appendString(b, r.Cell.Version.String())
		if s.settings.Resolver != core.ResolverArrival {
			if s.settings.Fetches() {
				b = append(b, `,"counter":`...)
			} else {
				b = append(b, `,"timestamp":`...)
			}
			b = strconv.AppendInt(b, r.Cell.Version.Time, 10)
		}
	}
	if s.settings.Resolver == core.ResolverArrival {
		b = append(b, `,"arrival":true`...)
	}
	b = appendNumber(b, `,"took":`, e.Took)
	b = appendList(b, `,"replicas":[`, e.Replicas, s.appendReplica)
	b = appendList(b, `,"phases":[`, e.Phases, func(b []byte, phase *string) []byte { return appendString(b, *phase) })
	if e.Level != core.LevelNumbers {
		b = append(b, `,"level":`...)
		b = appendString(b, e.Level.String())
	}
	b = appendList(b, `,"hints":[`, e.Hints, func(b []byte, id *core.NodeID) []byte { return appendString(b, s.settings.Nodes[*id]) })
	b = appendNumber(b, `,"grace":`, e.Grace)
	if c := leaderless.Causal(&s.settings, e); c != nil {
		if causal, err := json.Marshal(c); err == nil { // texts and numbers always can
			b = append(append(b, `,"causal":`...), causal...)
		}
	}
	return append(b, '}')
}

func (s *Server) appendReplica(b []byte, r *core.ReplicaEvidence) []byte {
	b = append(b, `{"node":`...)
	b = appendString(b, s.settings.Nodes[r.Node])
	b = append(b, `,"answered":`...)
	b = strconv.AppendBool(b, r.Answered)
	if r.Counted {
		b = append(b, `,"counted":true`...)
	}
	if !r.Version.IsZero() {
		b = append(b, `,"version":`...)
		b = appendString(b, r.Version.String())
	}
	if r.StandsIn {
		b = append(b, `,"hint_for":`...)
		b = appendString(b, s.settings.Nodes[r.HintFor])
	}
	if s.settings.Datacenters > 1 {
		b = append(b, `,"datacenter":`...)
		b = appendString(b, core.DatacenterName(s.settings.Datacenter(r.Node)))
	}
	b = appendNumber(b, `,"round_trip":`, r.RoundTrip)
	if r.Repaired {
		b = append(b, `,"repaired":true`...)
	}
	if r.Fetched {
		b = append(b, `,"fetched":true`...)
	}
	return append(b, '}')
}

// appendNumber appends a member that is a number, unless it is 0.
func appendNumber(b []byte, opening string, n int64) []byte {
	if n == 0 {
		return b
	}
	return strconv.AppendInt(append(b, opening...), n, 10)
}

// appendList appends a member that is a list, unless it is empty.
func appendList[T any](b []byte, opening string, list []T, item func([]byte, *T) []byte) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(b, opening...)
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, &list[i])
	}
	return append(b, ']')
}

const hexDigits = "0123456789abcdef"

// appendString appends valid UTF-8 as a JSON string (RFC 8259, section 7).
// What is not valid UTF-8 becomes U+FFFD.
func appendString(b []byte, text string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, text[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		}
		b = append(b, text[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		start = i
	}
	return append(append(b, text[start:]...), '"')
}
