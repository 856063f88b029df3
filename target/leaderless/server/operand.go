package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// operationNames are the last parts of the path of POST /kv/KEY/OPERATION.
const operationNames = "add, insert, remove, assign, drop, columns"

// operandOf returns the operand of the name, nil if there is none.
func operandOf(operation string) *core.Operand {
	switch operation {
	case "add":
		return &core.Operand{Kind: core.OperandAdd, By: 1}
	case "insert":
		return &core.Operand{Kind: core.OperandInsert}
	case "remove":
		return &core.Operand{Kind: core.OperandRemove}
	case "assign":
		return &core.Operand{Kind: core.OperandAssign}
	case "drop":
		return &core.Operand{Kind: core.OperandDrop}
	case "columns":
		return &core.Operand{Kind: core.OperandColumns}
	}
	return nil
}

// parseOperandBody puts the body of a POST where the operation wants it.
func parseOperandBody(o *core.Operand, body []byte) *httpError {
	switch o.Kind {
	case core.OperandInsert, core.OperandRemove, core.OperandAssign:
		o.Element = body
	case core.OperandColumns:
		columns, err := parseColumns(body)
		if err != nil {
			return badRequest("the columns: " + err.Error() + `: want a JSON object such as {"x":"1","y":"-1"}`)
		}
		o.Columns = columns
	default:
		if len(body) > 0 {
			return badRequest("a body, which this operation has no use for")
		}
	}
	return nil
}

// parseColumns reads a JSON object of texts or numbers; a number is its text. A
// name that comes twice is an error: which of the two was meant?
func parseColumns(body []byte) ([]core.Column, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("no JSON object")
	}
	var columns []core.Column
	seen := make(map[string]bool)
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		value, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		c := core.Column{Name: name.(string)}
		switch v := value.(type) {
		case string:
			c.Value = []byte(v)
		case json.Number:
			c.Value = []byte(v)
		default:
			return nil, fmt.Errorf("column %q is neither a text nor a number", c.Name)
		}
		if seen[c.Name] {
			return nil, fmt.Errorf("column %q comes twice", c.Name)
		}
		seen[c.Name] = true
		columns = append(columns, c)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON object")
	}
	return columns, nil
}
