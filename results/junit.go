package results

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/refute-lab/refute/checker"
)

type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Time     string     `xml:"time,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit returns junit.xml: a test case for each claim and one for the run's
// validity, in the dialect that Jenkins, GitLab and GitHub's reporters share.
//
// A refuted claim is a failure. An unknown claim and an invalid run are
// errors, the format's word for a test that could not be carried out: they
// show red. As "skipped" they would leave the build green, and a claim that
// nobody could decide would count as one that passed. A refutation that the
// plan expects passes, and its absence fails.
func JUnit(run *Run) ([]byte, error) {
	d := run.Document
	class := "refute." + run.name()
	suite := junitSuite{Name: class, Properties: junitProperties(run)}
	expected := map[string]bool{}
	if run.Plan != nil {
		expected = expectedRefutations(run.Plan.Expect)
	}
	total := 0.0
	for _, c := range d.Claims {
		total += c.Seconds
		suite.add(run.junitClaim(class, c, expected[c.Claim]))
	}
	validity := junitCase{Class: class, Name: "the run is valid", Time: "0.000"}
	if len(d.Validity) > 0 {
		validity.Error = &junitProblem{
			Type: string(checker.Invalid), Message: clip(d.Validity[0], 300), Text: "\n- " + strings.Join(d.Validity, "\n- ") + "\n",
		}
	}
	suite.add(validity)
	suite.Time = fmt.Sprintf("%.3f", total)
	out, err := xml.MarshalIndent(junitSuites{
		Name: "refute", Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Time: suite.Time, Suite: suite,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", JUnitFile, err)
	}
	// Line breaks, which stand in texts only (clip takes them out of attributes), are for people to read.
	return []byte(xml.Header + strings.ReplaceAll(string(out), "&#xA;", "\n") + "\n"), nil
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func (run *Run) junitClaim(class string, c Claim, expected bool) junitCase {
	out := junitCase{Class: class, Name: "claim: " + clip(c.Claim, 100), Time: fmt.Sprintf("%.3f", c.Seconds)}
	text := "\n" + run.claimText(c) + "\n"
	switch {
	case c.Verdict == checker.Refuted && expected:
		out.Output = "\nrefuted, as the plan expects\n" + text
	case expected && c.Verdict == checker.Holds:
		out.Failure = &junitProblem{Type: "not-refuted", Message: "the plan expects a refutation, and this history has none", Text: text}
	case c.Verdict == checker.Refuted:
		out.Failure = &junitProblem{Type: string(c.Verdict), Message: clip(firstSentence(c.Explanation), 300), Text: text}
	case c.Verdict == checker.Unknown:
		out.Error = &junitProblem{Type: string(c.Verdict), Message: clip(firstSentence(c.Explanation), 300), Text: text}
	default:
		out.Output = "\nnot refuted by this history\n" + text
	}
	return out
}

func junitProperties(run *Run) []junitProperty {
	var out []junitProperty
	add := func(name, value string) {
		if value != "" {
			out = append(out, junitProperty{name, clip(value, 2000)})
		}
	}
	d := run.Document
	add("verdict", string(d.Verdict))
	if run.Plan != nil {
		add("seed", fmt.Sprint(run.Plan.Seed))
		add("target", run.Plan.Target.Name)
		add("workload", run.Plan.Workload.Name)
		add("nemesis", strings.Join(run.Plan.Nemesis, ","))
	}
	add("command", d.Command)
	add("plan_sha256", d.PlanSHA256)
	add("history_sha256", d.HistorySHA256)
	return out
}

// claimText is everything about a claim as plain lines.
func (run *Run) claimText(c Claim) string {
	var b strings.Builder
	for _, line := range wrap(clip(c.Explanation, 4000), 100) {
		fmt.Fprintln(&b, line)
	}
	position := run.position(c.Claim)
	for i := range c.Witnesses {
		if i == 3 {
			fmt.Fprintf(&b, "\n%s more in %s\n", plural(len(c.Witnesses)-i, "witness", "witnesses"), DocumentFile)
			break
		}
		detail := c.detail(i)
		fmt.Fprintf(&b, "\nwitness %d: %s\n", i+1, witnessTitle(detail))
		for _, line := range wrap(clip(detail.Explanation, 2000), 98) {
			fmt.Fprintln(&b, "  "+line)
		}
		for _, text := range []string{prefixed("Cause: ", causeText(detail)), prefixed("Remedy: ", detail.Remedy)} {
			for _, line := range wrap(clip(text, 1000), 98) {
				fmt.Fprintln(&b, "  "+line)
			}
		}
		for _, line := range run.witnessLines(position, i, 98) {
			fmt.Fprintln(&b, "  "+line)
		}
	}
	return strings.TrimRight(b.String(), "\n")
}
