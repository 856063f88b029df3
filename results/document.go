package results

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/checker/staleness"
	"github.com/refute-lab/refute/harness/history"
)

// DocumentFormat is the version of results.json that this package writes.
// Fields are only ever added to a format; readers ignore what they don't know.
const DocumentFormat = 1

// Document is results.json: the outcome of a run for programs. What it says
// about operations it says by their indexes in history.jsonl.
type Document struct {
	// Format is the version of the file; see DocumentFormat.
	Format int `json:"format"`
	// Verdict is the run's: the claims' and its validity merged.
	Verdict checker.Verdict `json:"verdict"`
	// Claims are in the order in which they were asked for.
	Claims []Claim `json:"claims"`
	// Validity lists why the run cannot be judged; empty when it can.
	Validity []string `json:"validity"`
	// Warnings are what a reader should know although it invalidates nothing.
	Warnings []string `json:"warnings,omitempty"`
	// Stats describe the traffic of the clients.
	Stats checker.Stats `json:"stats"`
	// Staleness says how stale the reads of registers were; null when that
	// was not measured. Files written before it was have an empty object.
	Staleness *staleness.Report `json:"staleness"`
	// Faults are in the order of their injection.
	Faults []Fault `json:"faults"`
	// Sets says what became of the elements of sets, Replicas how far the
	// dumped replicas were apart, Siblings how many versions stood side by
	// side; each is left out where the history has nothing of the kind.
	Sets     *checker.SetTimeline   `json:"sets,omitempty"`
	Replicas *checker.Census        `json:"replicas,omitempty"`
	Siblings *checker.SiblingCounts `json:"siblings,omitempty"`
	// Command is the command line that runs the plan again from flags alone;
	// empty where flags can't describe it, and the plan's file is needed.
	Command string `json:"command,omitempty"`
	// Version is the version of refute that wrote the file; may be empty.
	Version string `json:"version,omitempty"`
	// PlanSHA256 and HistorySHA256 are hexadecimal digests of plan.json and
	// history.jsonl, so that a verdict can be tied to what it judged. Empty
	// where there is no such file.
	PlanSHA256    string `json:"plan_sha256"`
	HistorySHA256 string `json:"history_sha256"`
}

// Claim is the verdict on one claim.
type Claim struct {
	Claim   string          `json:"claim"`
	Verdict checker.Verdict `json:"verdict"`
	// Checker names the method.
	Checker string `json:"checker"`
	// Witnesses has, for each witness, the indexes of its operations' invocations.
	Witnesses [][]int64 `json:"witnesses"`
	// WitnessDetails says more about each element of Witnesses, in the same order.
	WitnessDetails []WitnessDetail `json:"witness_details,omitempty"`
	Explanation    string          `json:"explanation"`
	// Vacuous says that the verdict is unknown because there was nothing to check.
	Vacuous bool `json:"vacuous,omitempty"`
	// Seconds is how long the check took.
	Seconds float64 `json:"seconds"`
	// Found counts all violations, of which Witnesses shows some; Classes counts them by class.
	Found   int            `json:"found,omitempty"`
	Classes map[string]int `json:"classes,omitempty"`
}

// WitnessDetail says what a witness shows.
type WitnessDetail struct {
	Class       string `json:"class"`
	Key         string `json:"key"`
	Explanation string `json:"explanation"`
	// Summary is the explanation without what each replica answered.
	Summary string `json:"summary,omitempty"`
	// Faults are the identifiers of the faults in force during the witness.
	Faults []string `json:"faults,omitempty"`
	// Cause is why the target let it happen, by its name in checker.Causes, as
	// far as that was derived from what the target told; Why proves it, or says
	// what is missing. Remedy says what would rule it out. All are empty
	// where the target told nothing.
	Cause  string `json:"cause,omitempty"`
	Why    string `json:"why,omitempty"`
	Remedy string `json:"remedy,omitempty"`
	// Confirmed says that Porcupine finds the witness illegal by itself.
	Confirmed bool `json:"confirmed_by_porcupine,omitempty"`
}

// Fault is a fault of the run and the proof that it took effect.
type Fault struct {
	// Fault is its kind, and its shape if it has one: "partition majorities-ring".
	Fault string `json:"fault"`
	// ID names it in the plan and in the history.
	ID string `json:"id"`
	// Description is one line for people.
	Description string `json:"description,omitempty"`
	// Targets are the nodes affected.
	Targets []string `json:"targets"`
	// Cuts are the directed links that were cut.
	Cuts []history.Cut `json:"cuts,omitempty"`
	// Offset is a clock fault's, in nanoseconds, as the node's clock showed it.
	Offset int64 `json:"offset,omitempty"`
	// Start and End are in nanoseconds since the run's start. End is null
	// where the history ends before the fault was healed.
	Start int64  `json:"start"`
	End   *int64 `json:"end"`
	// Verified says that both its effect and its end were observed.
	Verified bool `json:"verified"`
	// Evidence says what was observed.
	Evidence string `json:"evidence"`
}

// NewDocument says in the form of results.json what the checkers found. The
// digests, the command and the version are left empty.
func NewDocument(report checker.Report) *Document {
	d := &Document{
		Format:    DocumentFormat,
		Verdict:   report.Verdict,
		Claims:    make([]Claim, 0, len(report.Claims)),
		Validity:  append([]string{}, report.Validity...),
		Warnings:  report.Warnings,
		Stats:     report.Stats,
		Staleness: report.Staleness,
		Faults:    make([]Fault, 0, len(report.Faults)),
		Sets:      report.Sets,
		Replicas:  report.Replicas,
		Siblings:  report.Siblings,
	}
	for _, r := range report.Claims {
		d.Claims = append(d.Claims, newClaim(r))
	}
	for _, f := range report.Faults {
		d.Faults = append(d.Faults, newFault(f))
	}
	return d
}

func newClaim(r checker.Result) Claim {
	c := Claim{
		Claim: r.Claim, Verdict: r.Verdict, Checker: r.Checker,
		Witnesses:   make([][]int64, 0, len(r.Witnesses)),
		Explanation: r.Explanation, Vacuous: r.Vacuous, Seconds: r.Seconds, Found: r.Found, Classes: r.Classes,
	}
	for _, w := range r.Witnesses {
		c.Witnesses = append(c.Witnesses, append([]int64{}, w.Operations...))
		cause, _ := checker.DescribeCause(w.Cause)
		c.WitnessDetails = append(c.WitnessDetails, WitnessDetail{
			Class: w.Class, Key: w.Key, Explanation: w.Explanation, Summary: w.Summary, Faults: w.Faults, Confirmed: w.Confirmed,
			Cause: w.Cause, Why: w.Why, Remedy: cause.Remedy,
		})
	}
	return c
}

func newFault(f checker.FaultInterval) Fault {
	out := Fault{
		Fault: f.Kind, ID: f.ID, Description: f.Description,
		Targets: append([]string{}, f.Targets...), Cuts: f.Cuts, Offset: f.Offset,
		Start: f.Start, Verified: f.Verified, Evidence: f.Evidence,
	}
	if f.Shape != "" {
		out.Fault += " " + f.Shape
	}
	if f.End != history.Infinity {
		end := f.End
		out.End = &end
	}
	return out
}

// Encode returns the file's content: indented JSON that ends in a newline,
// the same bytes for the same document.
func (d *Document) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("encode %s: %w", DocumentFile, err)
	}
	return b.Bytes(), nil
}

// WriteFile writes the document, atomically.
func (d *Document) WriteFile(path string) error {
	content, err := d.Encode()
	if err != nil {
		return err
	}
	return writeAtomically(path, content)
}

// ReadDocument reads a results.json. Fields that it does not know are ignored.
func ReadDocument(path string) (*Document, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("results: %w", err)
	}
	d := &Document{}
	if err := json.Unmarshal(content, d); err != nil {
		return nil, fmt.Errorf("results %s: %w", path, err)
	}
	if !d.measured() {
		d.Staleness = nil
	}
	if err := d.validate(); err != nil {
		return nil, fmt.Errorf("results %s: %w", path, err)
	}
	return d, nil
}

func (d *Document) validate() error {
	if d.Format > DocumentFormat {
		return fmt.Errorf("format %d is newer than this refute's, %d: use a newer refute", d.Format, DocumentFormat)
	}
	switch d.Verdict {
	case checker.Holds, checker.Refuted, checker.Unknown, checker.Invalid:
	default:
		return fmt.Errorf("verdict %q: want holds, refuted, unknown or invalid", d.Verdict)
	}
	for _, c := range d.Claims {
		switch c.Verdict {
		case checker.Holds, checker.Refuted, checker.Unknown:
		default:
			return fmt.Errorf("claim %q has the verdict %q: want holds, refuted or unknown", c.Claim, c.Verdict)
		}
		if n := len(c.WitnessDetails); n != 0 && n != len(c.Witnesses) {
			return fmt.Errorf("claim %q has %d witnesses and details of %d", c.Claim, len(c.Witnesses), n)
		}
	}
	return nil
}

// detail returns what is known of witness i; older files may lack it.
func (c *Claim) detail(i int) WitnessDetail {
	if i < len(c.WitnessDetails) {
		return c.WitnessDetails[i]
	}
	return WitnessDetail{}
}

// fault returns the fault of that identifier.
func (d *Document) fault(id string) (Fault, bool) {
	for _, f := range d.Faults {
		if f.ID == id {
			return f, true
		}
	}
	return Fault{}, false
}

// digest is the file's SHA-256 in hexadecimal, or "" where there is no such file.
func digest(path string) (string, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("digest: %w", err)
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("digest: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
