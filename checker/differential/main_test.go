package main

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestNoDisagreement is the command itself, for seconds instead of hours.
func TestNoDisagreement(t *testing.T) {
	count := "4000"
	if testing.Short() {
		count = "500"
	}
	var out, errors bytes.Buffer
	folder := t.TempDir()
	code := run([]string{"-count", count, "-out", folder, "-seed", "7"}, &out, &errors)
	require.Equal(t, exitAgreed, code, "%s%s", out.String(), errors.String())
	t.Log("\n" + out.String())
	for _, m := range mixes {
		row := regexp.MustCompile(`(?m)^ *` + m.name + `\*? +(\d+) +(\d+) +(\d+) `).FindStringSubmatch(out.String())
		require.NotNil(t, row, m.name)
		assert.Equal(t, count, row[1])
		assert.Greater(t, len(row[2]), 2, "%s: hardly any legal history", m.name)
		assert.Greater(t, len(row[3]), 1, "%s: hardly any illegal history", m.name)
	}
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left)
}

// TestDisagreementIsWritten: a method that is wrong once is found, and its
// history can be read and checked.
func TestDisagreementIsWritten(t *testing.T) {
	s, err := parse([]string{"-count", "3000", "-mix", "deletes,everything", "-out", t.TempDir()}, &bytes.Buffer{})
	require.NoError(t, err)
	wrong := 0
	var last []history.Operation
	s.workers = 1
	s.ask = func(a *checker.Adviser, operations []history.Operation) (checker.Opinions, error) {
		o, err := a.Ask(operations)
		if o.Porcupine == checker.Illegal && len(operations) == 7 && wrong == 0 {
			wrong++
			o.Fast, o.Ordered = checker.Legal, true
			last = append(last, operations...)
		}
		return o, err
	}
	var out bytes.Buffer
	assert.Equal(t, exitDisagreed, s.report(&out, s.compareAll()))
	require.Equal(t, 1, wrong)
	files, err := filepath.Glob(filepath.Join(s.directory, "*.jsonl"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	assert.Contains(t, out.String(), files[0]+": without a search legal, search illegal, Porcupine illegal")
	operations, _, err := history.ReadFile(context.Background(), files[0])
	require.NoError(t, err)
	require.Len(t, operations, len(last))
	for i := range operations {
		got, want := operations[i], last[i]
		assert.Equal(t, [4]any{want.F, want.Type, want.Start, want.End}, [4]any{got.F, got.Type, got.Start, got.End})
	}
	report, err := checker.Check(context.Background(), operations, checker.Options{Claims: []string{checker.Linearizable}})
	require.NoError(t, err)
	assert.Equal(t, checker.Refuted, report.Claims[0].Verdict)
}

// TestHistoriesFollowFromTheSeed, however many workers there are.
func TestHistoriesFollowFromTheSeed(t *testing.T) {
	table := func(workers int, seed string) string {
		s, err := parse([]string{"-count", "5000", "-mix", "cas,conditional", "-seed", seed}, &bytes.Buffer{})
		require.NoError(t, err)
		s.workers = workers
		var out bytes.Buffer
		require.Equal(t, exitAgreed, s.report(&out, s.compareAll()))
		return regexp.MustCompile(`(?m) +\S+$`).ReplaceAllString(out.String(), "") // all but the rate
	}
	assert.Equal(t, table(1, "3"), table(4, "3"))
	assert.NotEqual(t, table(1, "3"), table(1, "4"))
}

// TestLegalHistoriesAreRuns: what is made to be legal keeps the rules of histories.
func TestLegalHistoriesAreRuns(t *testing.T) {
	for _, m := range mixes {
		g := generator{mix: m, operations: span{3, 14}, clients: span{2, 5}, r: rand.New(rand.NewPCG(1, 1))}
		kinds := map[string]int{}
		for range 2000 {
			open := map[history.Process]int64{}
			for _, o := range g.legal() {
				require.GreaterOrEqual(t, o.Start, open[o.Process], m.name)
				require.LessOrEqual(t, o.Start, o.End)
				open[o.Process] = o.End
				kinds[o.F+" "+o.Type.String()+" "+o.Error]++
			}
		}
		assert.Equal(t, m.deletes > 0, kinds["delete ok "] > 0, m.name)
		assert.Equal(t, m.cas+m.conditional > 0, kinds["cas ok "] > 0, m.name)
		assert.Equal(t, m.told != nothing, kinds["cas fail mismatch"] > 0, m.name)
		assert.Equal(t, m.unknown > 0, kinds["read info "] > 0, m.name)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-mix", "cass"}, `no mix "cass": choose from reads-writes`},
		{[]string{"-operations", "9..3"}, "9..3"},
		{[]string{"-clients", "many"}, "want a range like 3..14"},
		{[]string{"-count", "-1"}, "must not be negative"},
		{[]string{"more"}, `unexpected argument "more"`},
	} {
		var out, errors bytes.Buffer
		assert.Equal(t, exitUsage, run(c.args, &out, &errors))
		assert.Contains(t, errors.String(), c.says)
		assert.Empty(t, strings.TrimSpace(out.String()))
	}
	var out, errors bytes.Buffer
	assert.Equal(t, exitAgreed, run([]string{"-h"}, &out, &errors))
	assert.Contains(t, errors.String(), "-operations")
}

// TestAnInterruptEndsWithTheTable: what was compared until then is reported.
func TestAnInterruptEndsWithTheTable(t *testing.T) {
	s, err := parse([]string{"-for", "1h", "-out", t.TempDir()}, io.Discard)
	require.NoError(t, err)
	interrupted := make(chan struct{})
	asked := s.ask
	s.interrupted = interrupted
	s.workers = 1
	s.ask = func(a *checker.Adviser, operations []history.Operation) (checker.Opinions, error) {
		if interrupted != nil {
			close(interrupted)
			interrupted = nil
		}
		return asked(a, operations)
	}
	var out bytes.Buffer
	assert.Equal(t, exitAgreed, s.report(&out, s.compareAll()))
	assert.Contains(t, out.String(), "reads-writes")
}
