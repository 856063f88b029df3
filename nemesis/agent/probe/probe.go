package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
)

const (
	// Port is the UDP port of the probes. It is below Linux's range of
	// ephemeral ports, so no outgoing socket of the node takes it by chance.
	Port = 28473
	// copies is how many datagrams are sent to each address.
	copies = 3
	// remembered is how many tokens are kept; the oldest is forgotten first.
	remembered = 256
	// longest is the longest token, in bytes.
	longest = 128
)

var magic = []byte("refute-probe ")

// Responder receives probes and sends them. Its methods may be called by several goroutines.
type Responder struct {
	conn *net.UDPConn
	port uint16

	mu      sync.Mutex
	seen    map[string][]netip.Addr
	order   []string
	changed chan struct{} // closed and replaced whenever seen changes
}

// Listen opens the socket on the given port of every address and starts to receive.
func Listen(port uint16) (*Responder, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{Port: int(port)})
	if err != nil {
		return nil, fmt.Errorf("open the probe socket: %w", err)
	}
	r := &Responder{conn: conn, port: conn.LocalAddr().(*net.UDPAddr).AddrPort().Port(), seen: map[string][]netip.Addr{}, changed: make(chan struct{})}
	go r.receive()
	return r, nil
}

// LocalPort is the port that was bound; it differs from the one asked for only when that was 0.
func (r *Responder) LocalPort() uint16 { return r.port }

// Close stops receiving.
func (r *Responder) Close() error { return r.conn.Close() }

// Send sends some datagrams with the token to each address, on the responder's own port.
func (r *Responder) Send(token string, addresses []netip.Addr) error {
	if token == "" || len(token) > longest {
		return fmt.Errorf("probe token %q: want 1 to %d bytes", token, longest)
	}
	message := append(slices.Clone(magic), token...)
	var errs []error
	for range copies {
		for _, a := range addresses {
			if _, err := r.conn.WriteToUDPAddrPort(message, netip.AddrPortFrom(a, r.port)); err != nil {
				errs = append(errs, fmt.Errorf("probe %s: %w", a, err))
			}
		}
		if len(errs) > 0 {
			return errors.Join(errs...)
		}
	}
	return nil
}

// Seen returns from which of the addresses the token has arrived, in order. It
// waits for all of them until the context ends; having waited in vain is no error.
func (r *Responder) Seen(ctx context.Context, token string, addresses []netip.Addr) []netip.Addr {
	for {
		r.mu.Lock()
		var found []netip.Addr
		for _, a := range r.seen[token] {
			if slices.Contains(addresses, a) {
				found = append(found, a)
			}
		}
		changed := r.changed
		r.mu.Unlock()
		slices.SortFunc(found, netip.Addr.Compare)
		if len(found) == len(slices.Compact(slices.SortedFunc(slices.Values(addresses), netip.Addr.Compare))) {
			return found
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return found
		}
	}
}

func (r *Responder) receive() {
	buffer := make([]byte, 2048)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an earlier datagram
		}
		token, ok := bytes.CutPrefix(buffer[:n], magic)
		if !ok || len(token) == 0 || len(token) > longest {
			continue
		}
		r.note(string(token), from.Addr().Unmap())
	}
}

func (r *Responder) note(token string, from netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	senders, known := r.seen[token]
	if slices.Contains(senders, from) {
		return
	}
	if !known {
		if len(r.order) == remembered {
			delete(r.seen, r.order[0])
			r.order = r.order[1:]
		}
		r.order = append(r.order, token)
	}
	r.seen[token] = append(senders, from)
	close(r.changed)
	r.changed = make(chan struct{})
}
