package leaderless

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// answer is every answer to a request for a key.
type answer struct {
	Found       bool              `json:"found"`
	Applied     bool              `json:"applied"`
	Value       *string           `json:"value"`
	ValueBase64 []byte            `json:"value_base64"`
	Version     string            `json:"version"`
	Siblings    []sibling         `json:"siblings"`
	Context     []byte            `json:"context"`
	Error       string            `json:"error"`
	Code        string            `json:"code"`
	Definite    bool              `json:"definite"`
	Evidence    *history.Evidence `json:"evidence"`
}

// sibling is one of several values.
type sibling struct {
	Value       *string `json:"value"`
	ValueBase64 []byte  `json:"value_base64"`
	Deleted     bool    `json:"deleted"`
	Dot         string  `json:"dot"`
	Version     string  `json:"version"`
}

// parse makes the core's reply of an answer.
func (c *client) parse(status int, content []byte) (*core.Reply, *history.Evidence, error) {
	var a answer
	if err := json.Unmarshal(content, &a); err != nil {
		return nil, nil, err
	}
	r := &core.Reply{Status: core.StatusIndeterminate, Code: a.Code, Message: a.Error, Found: a.Found, Applied: a.Applied, Context: a.Context}
	switch {
	case status == http.StatusOK:
		r.Status = core.StatusOK
	case a.Definite:
		r.Status = core.StatusDefinite
	}
	var err error
	if r.Cell.Version, err = parseVersion(a.Version); err != nil {
		return nil, nil, err
	}
	r.Cell.Value = valueOf(a.Value, a.ValueBase64)
	if a.Siblings != nil {
		r.Siblings = make([]core.Sibling, len(a.Siblings))
	}
	for i := range a.Siblings {
		from, to := &a.Siblings[i], &r.Siblings[i]
		to.Value, to.Tombstone = valueOf(from.Value, from.ValueBase64), from.Deleted
		if to.Version, err = parseVersion(from.Version); err != nil {
			return nil, nil, err
		}
		if to.Dot, err = c.parseDot(from.Dot); err != nil {
			return nil, nil, err
		}
	}
	return r, a.Evidence, nil
}

func valueOf(text *string, encoded []byte) []byte {
	if text != nil {
		return []byte(*text)
	}
	return encoded
}

// parseVersion is the inverse of core.Version.String.
func parseVersion(text string) (v core.Version, err error) {
	if text == "" {
		return v, nil
	}
	time, rest, ok := strings.Cut(text, "@")
	parts := strings.Split(rest, ":")
	if !ok || len(parts) != 3 {
		return v, fmt.Errorf("%q is no version", text)
	}
	if v.Time, err = strconv.ParseInt(time, 10, 64); err != nil {
		return v, err
	}
	var numbers [3]uint64
	for i, bits := range []int{8, 32, 32} {
		if numbers[i], err = strconv.ParseUint(parts[i], 10, bits); err != nil {
			return v, err
		}
	}
	v.Node, v.Incarnation, v.Sequence = core.NodeID(numbers[0]), uint32(numbers[1]), uint32(numbers[2])
	return v, nil
}

// parseDot reads NODE:COUNTER or NODE/INCARNATION.NUMBER:COUNTER, with the node's name.
func (c *client) parseDot(text string) (d core.Dot, err error) {
	if text == "" {
		return d, nil
	}
	at := strings.LastIndexByte(text, ':')
	if at < 0 {
		return d, fmt.Errorf("%q is no dot", text)
	}
	if d.Counter, err = strconv.ParseUint(text[at+1:], 10, 64); err != nil {
		return d, err
	}
	name := text[:at]
	node := slices.Index(c.settings.Nodes, name)
	if slash := strings.LastIndexByte(name, '/'); node < 0 && slash >= 0 {
		incarnation, number, _ := strings.Cut(name[slash+1:], ".")
		upper, err := strconv.ParseUint(incarnation, 10, 32)
		if err != nil {
			return d, err
		}
		lower, err := strconv.ParseUint(number, 10, 32)
		if err != nil {
			return d, err
		}
		d.Actor.Epoch = upper<<32 | lower
		node = slices.Index(c.settings.Nodes, name[:slash])
	}
	if node < 0 {
		return d, fmt.Errorf("the dot %q is of an unknown node", text)
	}
	d.Actor.Node = core.NodeID(node)
	return d, nil
}
