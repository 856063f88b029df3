package clock

import (
	"errors"
	"fmt"
)

// ErrUnsupported is returned by everything that would have to patch a program
// where this package does not know how to.
var ErrUnsupported = errors.New("clock skew is implemented for amd64 only (Linux)")

// ErrNotAPage is wrapped by OpenPage when the file is no control page.
var ErrNotAPage = errors.New("not a clock control page")

// UnavailableError says that a program cannot be skewed here, so that it was
// not run at all. It prints as one line.
type UnavailableError struct {
	// Reason is what was refused or failed.
	Reason string
	// Remedy is what to change so that it works; may be empty.
	Remedy string
	// Err is the cause; may be nil.
	Err error
}

// Error returns "clock skew unavailable: REASON: CAUSE (REMEDY)".
func (e *UnavailableError) Error() string {
	s := "clock skew unavailable: " + e.Reason
	if e.Err != nil {
		s = fmt.Sprintf("%s: %v", s, e.Err)
	}
	if e.Remedy != "" {
		s += " (" + e.Remedy + ")"
	}
	return s
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }
