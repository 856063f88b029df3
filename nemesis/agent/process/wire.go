package process

// command is a line from the supervisor to the shim: start the entrypoint.
type command struct {
	// Held starts it stopped: it stops itself before it executes the entrypoint.
	Held bool `json:"held,omitempty"`
	// Wrapper are arguments of the agent's program that run the entrypoint in
	// their turn, given after them; empty for none.
	Wrapper []string `json:"wrapper,omitempty"`
}

// The kinds of report.
const (
	reportHello   = "hello"
	reportStarted = "started"
	reportFailed  = "failed"
	reportExited  = "exited"
)

// report is a line from the shim to the supervisor.
type report struct {
	Kind string `json:"kind"`
	// PID is whose start or exit it is, in the PID namespace that both share.
	PID int `json:"pid,omitempty"`
	// Status is the exit's description, or why the start failed.
	Status string `json:"status,omitempty"`
	// Clock is why clocks can't be skewed in the node's container; empty when they can.
	Clock string `json:"clock,omitempty"`
}
