package docker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/pkg/stdcopy"
)

// tailLength is how much of a log is kept for error messages, in bytes.
const tailLength = 2048

// nodeLog receives what a node's container says, as it says it.
type nodeLog struct {
	mu   sync.Mutex
	file *os.File // nil: only the tail is kept
	tail []byte
	err  error // the first failure to write
}

// openLog creates directory/node.log; an empty directory keeps only the tail.
func openLog(directory, node string) (*nodeLog, error) {
	if directory == "" {
		return &nodeLog{}, nil
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of the nodes' logs: %w", err)
	}
	f, err := os.Create(filepath.Join(directory, node+".log"))
	if err != nil {
		return nil, fmt.Errorf("create the node's log: %w", err)
	}
	return &nodeLog{file: f}, nil
}

// Write implements io.Writer. It never fails: a full disk must not stop the
// reading, which would stop the node as soon as the engine's buffer is full.
func (l *nodeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil && l.err == nil {
		_, l.err = l.file.Write(p)
	}
	l.tail = append(l.tail, p...)
	if len(l.tail) > 2*tailLength {
		l.tail = append([]byte(nil), l.tail[len(l.tail)-tailLength:]...)
	}
	return len(p), nil
}

// lastWords returns the end of the log as one line.
func (l *nodeLog) lastWords() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(l.tail)), "\n")
	if len(lines) > 3 {
		lines = lines[len(lines)-3:]
	}
	return strings.Join(lines, "; ")
}

// close returns the first failure to write the log.
func (l *nodeLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := errors.Join(l.err, l.file.Close())
	l.file = nil
	if err != nil {
		return fmt.Errorf("write the node's log: %w", err)
	}
	return nil
}

// follow copies both streams of a container into the log until they end. The
// returned channel is closed then.
func (l *nodeLog) follow(stream types.HijackedResponse) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = stdcopy.StdCopy(l, l, stream.Reader)
		stream.Close()
	}()
	return ended
}
