package harness

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Live shows how a run goes: on a terminal one line that is rewritten in
// place, otherwise a plain line every few seconds, fit for pipes and logs.
// Every logged line also goes to the run's log file. It is an Observer.
type Live struct {
	mu       sync.Mutex
	out      io.Writer // nil: quiet
	log      io.Writer
	terminal bool
	width    int
	started  time.Time
	phase    string
	shown    bool // a live line stands on the terminal
}

// NewLive writes to out (nil for silence) and logs to log. terminal says that
// out can rewrite its line, which is at most width columns long.
func NewLive(out, log io.Writer, terminal bool, width int) *Live {
	return &Live{out: out, log: log, terminal: terminal, width: width, started: time.Now()}
}

// Phase names what is being done from now on.
func (l *Live) Phase(name string) {
	l.mu.Lock()
	l.phase = name
	l.mu.Unlock()
	l.Log("phase: %s", name)
}

// step is Phase for what only the live line and the log file are to show.
func (l *Live) step(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.phase = name
	l.write("phase: " + name)
}

// Log writes one line with the time since the start.
func (l *Live) Log(format string, arguments ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	line := l.write(fmt.Sprintf(format, arguments...))
	if l.out != nil {
		l.erase()
		_, _ = io.WriteString(l.out, line)
	}
}

// Show writes the state of the run: the live line, or a plain one.
func (l *Live) Show(s Status) {
	if l.out == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	line := fmt.Sprintf("%7.1fs  %s  %s", time.Since(l.started).Seconds(), l.phase, describeStatus(s))
	if !l.terminal {
		_, _ = io.WriteString(l.out, line+"\n")
		return
	}
	l.erase()
	_, _ = io.WriteString(l.out, fitted(line, l.width))
	l.shown = true
}

// fitted cuts a line that would not leave the last of so many columns free; 0 is no bound.
func fitted(line string, width int) string {
	if runes := []rune(line); width > 1 && len(runes) >= width {
		return string(runes[:width-2]) + "…"
	}
	return line
}

// Finish leaves the terminal on a fresh line.
func (l *Live) Finish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.out != nil {
		l.erase()
	}
}

func (l *Live) erase() {
	if l.shown {
		_, _ = io.WriteString(l.out, "\r\x1b[K")
		l.shown = false
	}
}

func describeStatus(s Status) string {
	c := s.Counts
	open := c.Invoked - c.Ok - c.Fail - c.Info
	text := fmt.Sprintf("%d operations: %d ok, %d fail, %d info, %d open", c.Invoked, c.Ok, c.Fail, c.Info, open)
	if len(s.Faults) == 0 {
		return text + "  no fault"
	}
	return text + "  " + strings.Join(s.Faults, "; ")
}

// Watch shows the status again and again until stop is closed.
func (l *Live) Watch(stop <-chan struct{}, status func() Status) {
	pause := 5 * time.Second
	if l.terminal {
		pause = 200 * time.Millisecond
	}
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			l.Show(status())
		case <-stop:
			return
		}
	}
}

// logOnly writes a line to the log file that is of no interest while the run goes well.
func (l *Live) logOnly(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(line)
}

// write puts the text into the log file, with the time since the start, and
// returns the line.
func (l *Live) write(text string) string {
	line := fmt.Sprintf("%7.3fs  %s\n", time.Since(l.started).Seconds(), text)
	_, _ = io.WriteString(l.log, line) // a full disk shows in the history first
	return line
}
