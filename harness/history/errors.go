package history

import (
	"errors"
	"fmt"
)

// The causes of a FormatError, for errors.Is.
var (
	// ErrSyntax: the text is no event at all, or one of its fields has a wrong form.
	ErrSyntax = errors.New("malformed event")
	// ErrIndex: the index is not one more than that of the event before.
	ErrIndex = errors.New("index out of order")
	// ErrTime: the time is before that of the event before.
	ErrTime = errors.New("time goes backwards")
	// ErrNotInvoked: a completion for which the process has no open operation.
	ErrNotInvoked = errors.New("completion without invocation")
	// ErrCompletedTwice: a second completion of one invocation.
	ErrCompletedTwice = errors.New("invocation completed twice")
	// ErrMismatch: a completion whose f or key is not that of the invocation.
	ErrMismatch = errors.New("completion does not match its invocation")
	// ErrOpen: a process invokes an operation while another one of it is open.
	ErrOpen = errors.New("process has an open operation")
	// ErrRetired: an event of a process after one of its operations ended as info.
	ErrRetired = errors.New("process is retired")
)

// ErrEmpty says that a history holds no operation. It is an error because a
// check of nothing must not look like a check that was passed.
var ErrEmpty = errors.New("the history holds no operation: nothing can be checked; was the run interrupted before its first operation, or is this the wrong file?")

// ErrNoHistory says that a file is of none of the known formats.
var ErrNoHistory = errors.New("not a history: want refute's history.jsonl, Jepsen's history.edn or log, or a key-value log of Porcupine's, plain or gzipped")

// FormatError says where and why a history is not valid. Unwrap returns one
// of the causes above.
type FormatError struct {
	// Line is the line of the file, from 1. A Writer counts as it would be in its file.
	Line int64
	// Index is the index of the event, or -1 if it could not be read.
	Index int64
	// Kind is the class of the fault, one of the Err… variables.
	Kind error
	// Cause says what is wrong, with the events, processes and values concerned.
	Cause string
	// Remedy says what to do about it.
	Remedy string
}

// Error is one line: where, what, and the remedy.
func (e *FormatError) Error() string {
	where := fmt.Sprintf("line %d", e.Line)
	if e.Index >= 0 {
		where += fmt.Sprintf(", event %d", e.Index)
	}
	s := fmt.Sprintf("%s: %v: %s", where, e.Kind, e.Cause)
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// Unwrap returns Kind.
func (e *FormatError) Unwrap() error { return e.Kind }

// remedies say, for each class of fault, what to do about it.
var remedies = map[error]string{
	ErrSyntax:         "only the last line may be cut; repair or remove the line",
	ErrIndex:          "a line was lost, repeated or moved: restore the file as it was recorded",
	ErrTime:           "all times must be read from one monotonic clock, in the order of the events",
	ErrNotInvoked:     "restore the missing invocation or remove the completion",
	ErrCompletedTwice: "an invocation has one completion: remove the wrong one",
	ErrMismatch:       "a completion repeats the f and key of its invocation",
	ErrOpen:           "a process has one operation at a time: give concurrent operations different process numbers",
	ErrRetired:        "after info a client goes on under a new process number",
}

func fault(kind error, line, index int64, format string, args ...any) *FormatError {
	return &FormatError{Line: line, Index: index, Kind: kind, Cause: fmt.Sprintf(format, args...), Remedy: remedies[kind]}
}
