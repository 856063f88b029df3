package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// FormatVersionError says that a plan file is of a version that this program does not know.
type FormatVersionError struct {
	// Version is the file's "format"; 0 where there is none.
	Version int
}

// Error is one line.
func (e *FormatVersionError) Error() string {
	if e.Version == 0 {
		return fmt.Sprintf(`the field "format" is missing: this is no plan (want "format": %d)`, Format)
	}
	return fmt.Sprintf("plan format %d is unknown: this program reads format %d; use the version of refute that wrote the file", e.Version, Format)
}

// Bytes returns the canonical text of the plan: indented JSON with a newline
// at the end, the same for equal plans. It is what Save writes and SHA256 digests.
func (p *Plan) Bytes() ([]byte, error) {
	canonical := *p
	// An empty list is written [] however it came about.
	if canonical.Nemesis == nil {
		canonical.Nemesis = []string{}
	}
	if canonical.Schedule == nil {
		canonical.Schedule = []Fault{}
	}
	if canonical.Claims == nil {
		canonical.Claims = []string{}
	}
	if canonical.Target.Settings == nil {
		canonical.Target.Settings = map[string]string{}
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(canonical); err != nil {
		return nil, fmt.Errorf("write plan %s: %w", p.Name, err)
	}
	return text.Bytes(), nil
}

// SHA256 returns the digest of the canonical text in hexadecimal: the digest
// of the file that Save writes. It is empty for a plan that can't be written
// (a rate that is no number), which Validate refuses.
func (p *Plan) SHA256() string {
	text, err := p.Bytes()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Save writes the plan to a file, in place of the one that may be there. The
// file is complete or untouched, whenever the process is killed: the text goes
// to a temporary file beside it, which is then renamed.
func (p *Plan) Save(path string) (err error) {
	text, err := p.Bytes()
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	defer func() {
		if err != nil {
			temporary.Close()
			os.Remove(temporary.Name())
			err = fmt.Errorf("save plan %s: %w", path, err)
		}
	}()
	if _, err := temporary.Write(text); err != nil {
		return err
	}
	if err := temporary.Chmod(0o644); err != nil {
		return err
	}
	if err := temporary.Sync(); err != nil {
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}

// Load reads a plan and validates it. The error names the file and, where the
// text is no JSON, the line.
func Load(path string) (*Plan, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load plan: %w", err)
	}
	p, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("plan %s: %w", path, err)
	}
	return p, nil
}

// Parse is Load for a text. Fields that the format does not have are refused:
// a misspelt one would otherwise silently keep its default.
func Parse(text []byte) (*Plan, error) {
	var head struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, atLine(text, err)
	}
	if head.Format != Format {
		return nil, &FormatVersionError{Version: head.Format}
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	p := new(Plan)
	if err := decoder.Decode(p); err != nil {
		return nil, atLine(text, err)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// atLine names the line of a JSON error.
func atLine(text []byte, err error) error {
	offset := int64(-1)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) && len(bytes.TrimSpace(text)) == 0:
		return errors.New("the file is empty: restore it")
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
		err = fmt.Errorf("field %q is a JSON %s: want %s", kind.Field, kind.Value, kind.Type)
	}
	if offset < 0 || offset > int64(len(text)) {
		return err
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(text[:offset], []byte("\n")), err)
}
