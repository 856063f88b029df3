package leaderless_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
)

// scripted is a server that does with each connection what a test wants. It
// counts the requests that it has read completely.
type scripted struct {
	listener net.Listener
	requests atomic.Int64
	conns    atomic.Int64
}

// serve handles each connection with handle, which gets the requests' reader.
func serve(t *testing.T, handle func(s *scripted, conn net.Conn, next func() (string, error))) *scripted {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &scripted{listener: listener}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			go func() {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				handle(s, conn, func() (string, error) {
					request, err := http.ReadRequest(reader)
					if err != nil {
						return "", err
					}
					body, err := io.ReadAll(request.Body)
					if err == nil {
						s.requests.Add(1)
					}
					return request.Method + " " + request.RequestURI + " " + string(body), err
				})
			}()
		}
	}()
	return s
}

func (s *scripted) connect(t *testing.T, settings map[string]string) target.Register {
	system, err := leaderless.New().Configure(3, settings)
	require.NoError(t, err)
	client, err := system.Connect("n1", s.listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client.(target.Register)
}

func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

const done = "HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n" + `{"version":"1@0:1:1"}`

// A connection that breaks after the request was sent: the write is made once,
// never repeated, and its outcome is unknown. A read's failure is definite.
func TestABrokenConnectionIsIndeterminateAndNothingIsRepeated(t *testing.T) {
	s := serve(t, func(_ *scripted, conn net.Conn, next func() (string, error)) { _, _ = next() })
	client := s.connect(t, nil)
	_, err := client.Write(within(t, patience), "key", 1)
	require.Error(t, err)
	assert.False(t, target.IsDefinite(err), "%v", err)
	assert.Equal(t, int64(1), s.requests.Load())
	_, err = client.Read(within(t, patience), "key")
	require.Error(t, err)
	assert.True(t, target.IsDefinite(err))
	assert.Equal(t, int64(2), s.requests.Load())
}

// The same on a connection that has served a request before, which is the case
// in which http.Client repeats requests.
func TestABrokenKeptConnectionIsIndeterminate(t *testing.T) {
	s := serve(t, func(s *scripted, conn net.Conn, next func() (string, error)) {
		_, _ = next()
		_, _ = io.WriteString(conn, done)
		_, _ = next()
	})
	client := s.connect(t, nil)
	_, err := client.Write(within(t, patience), "key", 1)
	require.NoError(t, err)
	_, err = client.Write(within(t, patience), "key", 2)
	require.Error(t, err)
	assert.False(t, target.IsDefinite(err), "%v", err)
	assert.Equal(t, int64(2), s.requests.Load())
	assert.Equal(t, int64(1), s.conns.Load())
}

// A connection that the node has closed while it was idle is replaced before
// anything is sent.
func TestAConnectionClosedWhileIdleIsReplaced(t *testing.T) {
	closed := make(chan struct{}, 10)
	s := serve(t, func(_ *scripted, conn net.Conn, next func() (string, error)) {
		_, _ = next()
		_, _ = io.WriteString(conn, done)
		_ = conn.Close()
		closed <- struct{}{}
	})
	client := s.connect(t, nil)
	for range 3 {
		_, err := client.Write(within(t, patience), "key", 1)
		require.NoError(t, err)
		<-closed
	}
	assert.Equal(t, int64(3), s.requests.Load())
	assert.Equal(t, int64(3), s.conns.Load())
}

func TestRefusedAndTimedOutDialsAreDefinite(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	system, err := leaderless.New().Configure(3, nil)
	require.NoError(t, err)
	client, err := system.Connect("n1", address)
	require.NoError(t, err)
	_, err = client.(target.Register).Write(within(t, patience), "key", 1)
	require.ErrorContains(t, err, "refused")
	assert.True(t, target.IsDefinite(err))

	over, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = client.(target.Register).Write(over, "key", 1)
	require.ErrorContains(t, err, "nothing was sent")
	assert.True(t, target.IsDefinite(err))
}

// Neither a deadline nor a cancellation waits for a silent node; the connection
// is not used again, because its late answer would be taken for the next one's.
func TestASilentNode(t *testing.T) {
	s := serve(t, func(s *scripted, conn net.Conn, next func() (string, error)) {
		for {
			request, err := next()
			if err != nil {
				return
			}
			if s.conns.Load() > 2 {
				_, _ = io.WriteString(conn, done)
			}
			_ = request
		}
	})
	client := s.connect(t, nil)
	_, err := client.Write(within(t, enough), "key", 1)
	require.ErrorContains(t, err, "timeout")
	assert.False(t, target.IsDefinite(err))

	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for s.requests.Load() < 2 {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	_, err = client.Write(ctx, "key", 2)
	require.Error(t, err)
	assert.False(t, target.IsDefinite(err))

	_, err = client.Write(within(t, patience), "key", 3)
	require.NoError(t, err)
	assert.Equal(t, int64(3), s.conns.Load())
}

func TestWhatTheNodeSaysOfErrorsIsPassedOn(t *testing.T) {
	answers := []string{
		`503 {"error":"too few","code":"unavailable","definite":true,"evidence":{"coordinator":"n1","required":2}}`,
		`504 {"error":"too late","code":"timeout","definite":false,"evidence":{"coordinator":"n1","hints":["n2"]}}`,
		`502 bad gateway`,
	}
	turn := 0
	s := serve(t, func(_ *scripted, conn net.Conn, next func() (string, error)) {
		for {
			if _, err := next(); err != nil {
				return
			}
			status, body, _ := strings.Cut(answers[turn], " ")
			turn++
			response := http.Response{ProtoMajor: 1, ProtoMinor: 1, StatusCode: map[string]int{"503": 503, "504": 504, "502": 502}[status],
				Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
			_ = response.Write(conn)
		}
	})
	client := s.connect(t, nil)
	evidence, err := client.Write(within(t, patience), "key", 1)
	assert.True(t, target.IsDefinite(err))
	assert.ErrorContains(t, err, "unavailable: too few")
	require.NotNil(t, evidence)
	assert.Equal(t, 2, evidence.Required)
	evidence, err = client.Write(within(t, patience), "key", 1)
	require.Error(t, err)
	assert.False(t, target.IsDefinite(err))
	assert.Equal(t, []string{"n2"}, evidence.Hints)
	_, err = client.Write(within(t, patience), "key", 1)
	require.ErrorContains(t, err, "not its JSON")
	assert.False(t, target.IsDefinite(err), "somebody else's error says nothing")
}

func TestRequestsOnTheWire(t *testing.T) {
	var got []string
	s := serve(t, func(_ *scripted, conn net.Conn, next func() (string, error)) {
		for {
			request, err := next()
			if err != nil {
				return
			}
			got = append(got, request)
			_, _ = io.WriteString(conn, done)
		}
	})
	client := s.connect(t, nil)
	_, err := client.Write(within(t, patience), "a/b c?", -17)
	require.NoError(t, err)
	reading, err := client.Read(within(t, patience), "key")
	require.NoError(t, err)
	assert.False(t, reading.Found)
	assert.Equal(t, []string{"PUT /kv/a%2Fb%20c%3F -17", "GET /kv/key "}, got)

	got = nil
	before := time.Now().UnixNano()
	_, err = s.connect(t, map[string]string{"timestamps": "client"}).Write(within(t, patience), "key", 1)
	require.NoError(t, err)
	require.Len(t, got, 1)
	var stamp int64
	_, err = fmt.Sscanf(got[0], "PUT /kv/key?timestamp=%d 1", &stamp)
	require.NoError(t, err)
	assert.True(t, before <= stamp && stamp <= time.Now().UnixNano(), got[0])
}
