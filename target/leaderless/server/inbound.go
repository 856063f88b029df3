package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/refute-lab/refute/target/leaderless/core"
)

// helloMagic begins a connection between nodes; the digit is the version of what follows.
const helloMagic = "refute-leaderless/1"

// helloLimit bounds the length of a hello in bytes.
const helloLimit = 1 << 16

// keepAlive ends connections from nodes that are gone for good within about four seconds.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3}

// inbound are the connections from other nodes.
type inbound struct {
	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	newest map[core.NodeID]net.Conn
	closed bool
}

// hello is how this node introduces itself to another: u32 length, then fields
// that are each ended by a zero byte: magic, sender, receiver, all nodes.
func (s *Server) hello(to string) []byte {
	b := make([]byte, 4)
	for _, field := range append([]string{helloMagic, s.name, to}, s.settings.Nodes...) {
		b = append(append(b, field...), 0)
	}
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// acceptNodes accepts the connections of other nodes until the listener is closed.
func (s *Server) acceptNodes() {
	for {
		conn, err := s.nodes.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.fail(fmt.Errorf("accept nodes: %w", err))
			}
			return
		}
		if !s.inbound.add(conn) {
			_ = conn.Close()
			return
		}
		s.workers.Go(func() {
			defer s.inbound.remove(conn)
			err := s.receive(conn)
			select {
			case <-s.stop:
			default:
				s.logger.Info("connection from a node ended", "from", conn.RemoteAddr().String(), "error", err)
			}
		})
	}
}

// receive hands the messages of a connection to the loop until it ends.
func (s *Server) receive(conn net.Conn) error {
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.SetKeepAliveConfig(keepAlive); err != nil {
			return err
		}
	}
	reader := bufio.NewReaderSize(conn, 64<<10)
	from, err := s.readHello(conn, reader)
	if err != nil {
		return err
	}
	s.inbound.supersede(from, conn)
	var inputs []input
	var frame []byte
	for {
		if frame, err = readFrame(reader, frame, core.MaxMessageBytes); err != nil {
			return err
		}
		m, err := core.DecodeMessage(frame)
		if err != nil {
			return err
		}
		if m.From != from || m.To != s.id {
			return fmt.Errorf("a message from node %d to node %d on the connection from node %d to node %d", m.From, m.To, from, s.id)
		}
		inputs = append(inputs, input{message: m})
		if frameBuffered(reader) {
			continue
		}
		if !s.loop.post(inputs) {
			return net.ErrClosed
		}
		clear(inputs)
		inputs = inputs[:0]
	}
}

// readHello returns who is at the other end, or tells it why it is refused.
func (s *Server) readHello(conn net.Conn, reader *bufio.Reader) (core.NodeID, error) {
	if err := conn.SetDeadline(time.Now().Add(helloTimeout)); err != nil {
		return 0, err
	}
	content, err := readFrame(reader, nil, helloLimit)
	if err != nil {
		return 0, fmt.Errorf("read hello: %w", err)
	}
	var fields []string
	for _, field := range bytes.Split(bytes.TrimSuffix(content, []byte{0}), []byte{0}) {
		fields = append(fields, string(field))
	}
	from := -1
	switch {
	case len(fields) < 4 || fields[0] != helloMagic:
		err = fmt.Errorf("not a node that speaks %s", helloMagic)
	case fields[2] != s.name:
		err = fmt.Errorf("this is node %s, not %s: check the peers' addresses", s.name, fields[2])
	case !slices.Equal(fields[3:], s.settings.Nodes):
		err = fmt.Errorf("node %s believes in the nodes %q, node %s in %q: give every node the same peers in the same order", fields[1], fields[3:], s.name, s.settings.Nodes)
	default:
		from = slices.Index(s.settings.Nodes, fields[1])
		if from < 0 || core.NodeID(from) == s.id {
			err = fmt.Errorf("node %q is not another member", fields[1])
		}
	}
	if err != nil {
		_, _ = io.WriteString(conn, err.Error())
		return 0, err
	}
	return core.NodeID(from), conn.SetDeadline(time.Time{})
}

// readFrame reads u32 length and that many bytes into buf's memory.
func readFrame(reader *bufio.Reader, buf []byte, limit int) ([]byte, error) {
	var header [4]byte
	if _, err := io.ReadFull(reader, header[:]); err != nil {
		return buf, err
	}
	length := int(binary.LittleEndian.Uint32(header[:]))
	if length == 0 || length > limit {
		return buf, fmt.Errorf("a frame of %d bytes: want 1…%d", length, limit)
	}
	buf = slices.Grow(buf[:0], length)[:length]
	_, err := io.ReadFull(reader, buf)
	return buf, err
}

// frameBuffered says that the next frame can be read without waiting.
func frameBuffered(reader *bufio.Reader) bool {
	if reader.Buffered() < 4 {
		return false
	}
	header, _ := reader.Peek(4)
	return reader.Buffered()-4 >= int(binary.LittleEndian.Uint32(header))
}

// add notes a connection; false if all are closed already.
func (in *inbound) add(conn net.Conn) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return false
	}
	if in.conns == nil {
		in.conns, in.newest = make(map[net.Conn]struct{}), make(map[core.NodeID]net.Conn)
	}
	in.conns[conn] = struct{}{}
	return true
}

// supersede ends an older connection from the same node: what is still in it
// was sent before the node gave it up.
func (in *inbound) supersede(from core.NodeID, conn net.Conn) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if older := in.newest[from]; older != nil {
		_ = older.Close()
	}
	in.newest[from] = conn
}

func (in *inbound) remove(conn net.Conn) {
	in.mu.Lock()
	defer in.mu.Unlock()
	_ = conn.Close()
	delete(in.conns, conn)
	for from, newest := range in.newest {
		if newest == conn {
			delete(in.newest, from)
		}
	}
}

func (in *inbound) closeAll() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	for conn := range in.conns {
		_ = conn.Close()
	}
}
