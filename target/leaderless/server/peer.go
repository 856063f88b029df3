package server

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// The times and sizes of the connections between nodes.
const (
	// dialTimeout is longer than any sane round trip and shorter than the
	// second after which a lost SYN is sent again.
	dialTimeout = 300 * time.Millisecond
	// The waiting time between two dials doubles from the first to the second.
	firstBackOff = 10 * time.Millisecond
	lastBackOff  = 100 * time.Millisecond
	// silenceLimit is how long sent data may stay unacknowledged, or a write may block.
	silenceLimit = time.Second
	// helloTimeout is how long a new connection may take to introduce itself.
	helloTimeout = 2 * time.Second
	// queueLimit is how many bytes may wait for one peer; further messages are dropped.
	queueLimit = 4 << 20
)

// peer sends to another node.
type peer struct {
	name, address string
	hello         []byte

	mu        sync.Mutex
	connected bool
	queue     []byte // frames that wait
	state     peerState

	pending bool          // the loop has queued something since the last flush; only the loop uses it
	wake    chan struct{} // capacity 1
}

// peerState is what is known of the connection to a peer.
type peerState struct {
	Name      string `json:"name"`
	Address   string `json:"address"`
	Connected bool   `json:"connected"`
	// Connects counts the connections that were made.
	Connects int64 `json:"connects"`
	// Sent and Dropped count messages; what is sent may still be lost.
	Sent    int64  `json:"sent"`
	Dropped int64  `json:"dropped"`
	Error   string `json:"error,omitempty"`
}

func newPeer(name, address string, hello []byte) *peer {
	return &peer{name: name, address: address, hello: hello, wake: make(chan struct{}, 1), state: peerState{Name: name, Address: address}}
}

// send queues a message or drops it. Only the loop calls it; flush must follow.
func (p *peer) send(m *core.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.connected || len(p.queue) > queueLimit {
		p.state.Dropped++
		return
	}
	start := len(p.queue)
	p.queue = core.AppendMessage(append(p.queue, 0, 0, 0, 0), m)
	binary.LittleEndian.PutUint32(p.queue[start:], uint32(len(p.queue)-start-4))
	p.state.Sent++
	p.pending = true
}

// flush has what was queued sent.
func (p *peer) flush() {
	if p.pending {
		p.pending = false
		signal(p.wake)
	}
}

// status returns what is known of the connection.
func (p *peer) status() peerState {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := p.state
	state.Connected = p.connected
	return state
}

// run keeps a connection to the peer until stop is closed.
func (p *peer) run(stop <-chan struct{}, logger *slog.Logger) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	dialer := net.Dialer{Timeout: dialTimeout, Control: limitSilence, KeepAliveConfig: keepAlive}
	backOff := firstBackOff
	for ctx.Err() == nil {
		conn, err := dialer.DialContext(ctx, "tcp", p.address)
		if err == nil {
			began := time.Now()
			err = p.serve(ctx, conn)
			if time.Since(began) > silenceLimit {
				backOff = firstBackOff
			}
		}
		if p.lost(err) && ctx.Err() == nil {
			logger.Info("no connection to a peer", "peer", p.name, "address", p.address, "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(backOff):
			backOff = min(2*backOff, lastBackOff)
		}
	}
}

// serve sends what is queued over conn until it breaks.
func (p *peer) serve(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	unwatch := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer unwatch()
	if err := p.write(conn, p.hello); err != nil {
		return err
	}
	// The peer never sends anything on this connection but a reason to refuse
	// it: reading it notices at once when it is gone.
	gone := make(chan error, 1)
	go func() {
		reason, err := io.ReadAll(io.LimitReader(conn, 1<<10))
		if err == nil {
			err = errors.New("closed by the peer")
		}
		if len(reason) > 0 {
			err = fmt.Errorf("refused by the peer: %s", reason)
		}
		gone <- err
	}()
	p.mu.Lock()
	p.connected = true
	p.state.Connects++
	p.state.Error = ""
	p.mu.Unlock()
	var sending []byte
	for {
		select {
		case err := <-gone:
			return err
		case <-p.wake:
		}
		p.mu.Lock()
		sending, p.queue = p.queue, sending[:0]
		p.mu.Unlock()
		if len(sending) == 0 {
			continue
		}
		if err := p.write(conn, sending); err != nil {
			return err
		}
		if cap(sending) > queueLimit/4 {
			sending = nil
		}
	}
}

func (p *peer) write(conn net.Conn, b []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(silenceLimit)); err != nil {
		return err
	}
	_, err := conn.Write(b)
	return err
}

// lost forgets what was queued for a connection that is gone, and says whether
// the reason is news.
func (p *peer) lost(err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	news := p.connected || p.state.Error == "" && err != nil
	p.connected = false
	p.queue = nil
	if err != nil {
		p.state.Error = err.Error()
	}
	return news
}
