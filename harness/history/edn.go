package history

import (
	"bufio"
	"errors"
	"io"
)

// jepsenOp is an operation map of Jepsen's, its fields as text.
type jepsenOp struct {
	process, kind, f, key, node, value, time, index, err ednForm
}

// ednSource reads Jepsen's history.edn.
type ednSource struct {
	forms   formReader
	summary *Summary
	jepsen  *jepsenReader
	parts   []ednForm
}

func newEDNSource(text *bufio.Reader, summary *Summary) *ednSource {
	return &ednSource{
		forms:   formReader{r: text, line: 1, first: true},
		summary: summary,
		jepsen:  newJepsenReader(summary),
	}
}

func (s *ednSource) next(e *Event) (int64, error) {
	form, line, err := s.forms.next()
	switch {
	case errors.Is(err, io.EOF):
		s.jepsen.end()
		return line, io.EOF
	case errors.Is(err, errCut) && s.jepsen.events > 0:
		s.summary.warn(line, "the file is cut: dropped the map that begins here, or the end of the vector")
		s.jepsen.end()
		return line, io.EOF
	case err != nil:
		return line, s.jepsen.bad(line, "%v", err)
	}
	if form[0] != '{' {
		return line, s.jepsen.bad(line, "%.40q stands where a map with :process, :type and :f is due", form)
	}
	parts, _ := ednForm(form).elements(s.parts[:0])
	s.parts = parts
	if len(parts)%2 != 0 {
		return line, s.jepsen.bad(line, "the map has a key without value")
	}
	var op jepsenOp
	for i := 0; i < len(parts); i += 2 {
		switch value := parts[i+1]; string(parts[i]) {
		case ":process":
			op.process = value
		case ":type":
			op.kind = value
		case ":f":
			op.f = value
		case ":key":
			op.key = value
		case ":node":
			op.node = value
		case ":value":
			op.value = value
		case ":time":
			op.time = value
		case ":index":
			op.index = value
		case ":error":
			op.err = value
		}
	}
	return line, s.jepsen.event(&op, line, e)
}
