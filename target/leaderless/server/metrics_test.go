package server_test

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The grammar of Prometheus' text format 0.0.4, as far as it concerns a program that writes it.
var (
	metricName  = `[a-zA-Z_:][a-zA-Z0-9_:]*`
	helpLine    = regexp.MustCompile(`^# HELP (` + metricName + `) ([^\n]+)$`)
	typeLine    = regexp.MustCompile(`^# TYPE (` + metricName + `) (counter|gauge|histogram)$`)
	sampleLine  = regexp.MustCompile(`^(` + metricName + `)(\{.*\})? (\S+)$`)
	labelSyntax = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)`)
)

// scrape is a text of metrics, taken apart: samples by name and labels as written.
type scrape struct {
	kinds   map[string]string
	samples map[string]float64
}

// parseMetrics takes a text apart and checks what the format demands: HELP and
// TYPE once and before the first sample of their family, families in one
// piece, no sample twice, counters without sign that end in _total, and
// histograms whose parts add up.
func parseMetrics(text string) (*scrape, error) {
	s := &scrape{kinds: map[string]string{}, samples: map[string]float64{}}
	family := ""
	helped := map[string]bool{}
	if !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("the last line has no end")
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	type bucket struct{ le, count float64 }
	buckets := map[string][]bucket{}
	for lines.Scan() {
		line := lines.Text()
		if m := helpLine.FindStringSubmatch(line); m != nil {
			if helped[m[1]] {
				return nil, fmt.Errorf("HELP twice: %s", line)
			}
			helped[m[1]], family = true, m[1]
			continue
		}
		if m := typeLine.FindStringSubmatch(line); m != nil {
			if m[1] != family || s.kinds[m[1]] != "" {
				return nil, fmt.Errorf("TYPE without its HELP, or twice: %s", line)
			}
			s.kinds[m[1]] = m[2]
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("no line of the format: %q", line)
		}
		kind := s.kinds[family]
		base := m[1]
		if kind == "histogram" {
			base = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(m[1], "_bucket"), "_sum"), "_count")
		}
		if base != family || kind == "" {
			return nil, fmt.Errorf("a sample outside of its family %s: %s", family, line)
		}
		value, err := strconv.ParseFloat(m[3], 64)
		if err != nil || math.IsNaN(value) || (kind != "gauge") && value < 0 {
			return nil, fmt.Errorf("value: %s", line)
		}
		if kind == "counter" && !strings.HasSuffix(m[1], "_total") {
			return nil, fmt.Errorf("a counter that does not end in _total: %s", line)
		}
		labels, le := "", math.NaN()
		seen := map[string]bool{}
		for rest := strings.TrimSuffix(strings.TrimPrefix(m[2], "{"), "}"); rest != ""; {
			l := labelSyntax.FindStringSubmatch(rest)
			if l == nil || seen[l[1]] {
				return nil, fmt.Errorf("labels: %s", line)
			}
			seen[l[1]] = true
			rest = rest[len(l[0]):]
			if l[1] == "le" {
				if le, err = strconv.ParseFloat(l[2], 64); err != nil {
					return nil, fmt.Errorf("le: %s", line)
				}
				continue
			}
			labels += "{" + l[1] + "=" + l[2] + "}"
		}
		if strings.HasSuffix(m[1], "_bucket") && kind == "histogram" {
			if math.IsNaN(le) {
				return nil, fmt.Errorf("a part without a bound: %s", line)
			}
			key := base + labels
			if b := buckets[key]; len(b) > 0 && (b[len(b)-1].le >= le || b[len(b)-1].count > value) {
				return nil, fmt.Errorf("parts that do not grow: %s", line)
			}
			buckets[key] = append(buckets[key], bucket{le, value})
			continue
		}
		if _, twice := s.samples[m[1]+labels]; twice {
			return nil, fmt.Errorf("a sample twice: %s", line)
		}
		s.samples[m[1]+labels] = value
	}
	for key, parts := range buckets {
		base, labels, _ := strings.Cut(key, "{")
		if labels != "" {
			labels = "{" + labels
		}
		last := parts[len(parts)-1]
		count, ok := s.samples[base+"_count"+labels]
		if _, sum := s.samples[base+"_sum"+labels]; !ok || !sum || !math.IsInf(last.le, 1) || last.count != count {
			return nil, fmt.Errorf("the histogram %s does not add up", key)
		}
	}
	return s, nil
}

// The parser itself: a check that lets everything pass would be none.
func TestTheParserOfMetricsFindsMistakes(t *testing.T) {
	good := "# HELP a_total help\n# TYPE a_total counter\na_total{k=\"v\",l=\"\\\"\"} 1\na_total{k=\"w\"} 2\n" +
		"# HELP h help\n# TYPE h histogram\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 0.5\nh_count 3\n"
	s, err := parseMetrics(good)
	require.NoError(t, err)
	assert.Equal(t, 2.0, s.samples["a_total{k=w}"])
	assert.Equal(t, 3.0, s.samples["h_count"])
	for _, change := range [][2]string{
		{"# HELP a_total help\n", ""}, {"# TYPE a_total counter\n", ""}, {"counter", "count"}, {"a_total{k=\"w\"} 2", "a_total{k=\"v\",l=\"\\\"\"} 2"},
		{"} 2\n", "} -2\n"}, {"} 2\n", "} two\n"}, {`k="w"`, `k=w`}, {`k="w"`, `0="w"`}, {"h_bucket{le=\"0.1\"} 1", "h_bucket{le=\"0.1\"} 4"},
		{"h_count 3", "h_count 4"}, {"h_sum 0.5\n", ""}, {`le="+Inf"`, `le="9"`}, {"a_total{k=\"w\"} 2\n", "b_total 2\n"}, {"h_count 3\n", "h_count 3"},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		require.NotEqual(t, good, bad)
		_, err := parseMetrics(bad)
		assert.Error(t, err, "%q instead of %q", change[1], change[0])
	}
}

func (c *cluster) metrics(i int) *scrape {
	c.t.Helper()
	response, err := http.Get("http://" + c.clients[i] + "/metrics")
	require.NoError(c.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, response.StatusCode, string(text))
	require.Equal(c.t, "text/plain; version=0.0.4; charset=utf-8", response.Header.Get("Content-Type"))
	s, err := parseMetrics(string(text))
	require.NoError(c.t, err, string(text))
	return s
}

// What is counted is what happened.
func TestMetricsCountWhatHappens(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"w": "3", "r": "3", "request-timeout": "200ms", "hint-retry": "50ms"})
	for range 5 {
		require.Equal(t, http.StatusOK, c.put(0, "key", "value", "").status)
	}
	require.Equal(t, http.StatusOK, c.get(0, "key", "").status)
	require.Equal(t, http.StatusBadRequest, c.get(0, "key", "?r=4").status)
	require.Equal(t, http.StatusBadRequest, c.get(0, "key", "?r=x").status)
	s := c.metrics(0)
	for sample, want := range map[string]float64{
		"leaderless_requests_total{kind=put}{outcome=ok}":                 5,
		"leaderless_requests_total{kind=get}{outcome=ok}":                 1,
		"leaderless_requests_total{kind=get}{outcome=definite}":           1,
		"leaderless_requests_total{kind=put}{outcome=indeterminate}":      0,
		"leaderless_requests_refused_total{code=bad-request}":             1,
		"leaderless_request_duration_seconds_count{kind=put}":             5,
		"leaderless_reads_total":                                          1,
		"leaderless_messages_sent_total{kind=write}":                      10,
		"leaderless_messages_sent_total{kind=read}":                       2,
		"leaderless_peer_connected{peer=n2}":                              1,
		"leaderless_peer_suspected{peer=n3}":                              0,
		"leaderless_hints{for=n2}":                                        0,
		"leaderless_divergent_replicas":                                   0,
		"leaderless_keys":                                                 1,
		"leaderless_tombstones":                                           0,
		"leaderless_incarnation":                                          1,
		"leaderless_log_records_total":                                    5,
		"leaderless_compare_and_set_not_applied_total":                    0,
		"leaderless_antientropy_rounds_total":                             0,
		"leaderless_request_duration_seconds_count{kind=compare-and-set}": 0,
	} {
		got, ok := s.samples[sample]
		if assert.True(t, ok, "no sample %s", sample) {
			assert.Equal(t, want, got, sample)
		}
	}
	assert.Positive(t, s.samples["leaderless_request_duration_seconds_sum{kind=put}"])
	assert.Positive(t, s.samples["leaderless_log_fsyncs_total"])
	assert.Positive(t, s.samples["leaderless_log_bytes"])
	c.eventually("a heartbeat", func() bool { return c.metrics(0).samples["leaderless_messages_received_total{kind=heartbeat}"] > 0 })

	// A node that is down: suspected, hints kept for it, and in the end delivered.
	c.kill(2)
	require.Equal(t, http.StatusOK, c.put(0, "key", "missed", "?w=2").status)
	c.eventually("a hint", func() bool { return c.metrics(0).samples["leaderless_hints{for=n3}"] == 1 })
	s = c.metrics(0)
	assert.Equal(t, 1.0, s.samples["leaderless_hints_kept_total"])
	assert.Equal(t, 1.0, s.samples["leaderless_divergent_replicas"])
	assert.Positive(t, s.samples["leaderless_hints_lacking_seconds{for=n3}"])
	c.eventually("the suspicion", func() bool { return c.metrics(0).samples["leaderless_peer_suspected{peer=n3}"] == 1 })
	c.start(2)
	c.eventually("the hint's delivery", func() bool { return c.metrics(0).samples["leaderless_hints_delivered_total"] == 1 })
	s = c.metrics(0)
	assert.Zero(t, s.samples["leaderless_divergent_replicas"])
	assert.Equal(t, 1.0, s.samples["leaderless_convergence_seconds_count"])
	assert.Positive(t, s.samples["leaderless_convergence_seconds_sum"])
	assert.Equal(t, 1.0, c.metrics(2).samples["leaderless_handoffs_received_total"])
	assert.Equal(t, 2.0, c.metrics(2).samples["leaderless_incarnation"])
}

// A replica that missed a write and got no hint is found by a read, which says by how much it lags.
func TestMetricsTellOfStaleReplicas(t *testing.T) {
	c := newCluster(t, 3, map[string]string{"w": "2", "r": "3", "hints": "off", "repair": "blocking"})
	require.Equal(t, http.StatusOK, c.put(0, "key", "old", "?w=3").status)
	c.kill(2)
	require.Equal(t, http.StatusOK, c.put(0, "key", "new", "").status)
	c.start(2)
	c.connected(0)
	c.eventually("a read of all three", func() bool { return c.get(0, "key", "").status == http.StatusOK })
	s := c.metrics(0)
	assert.Equal(t, 1.0, s.samples["leaderless_reads_divergent_total"])
	assert.Equal(t, 1.0, s.samples["leaderless_read_repairs_total"])
	assert.Equal(t, 1.0, s.samples["leaderless_replica_lag_seconds_count"])
	assert.Positive(t, s.samples["leaderless_replica_lag_seconds_sum"])
}
