package docker

import (
	"fmt"
	"strings"
)

// EngineError says that no container engine can be used.
type EngineError struct {
	// Address is where the engine was looked for.
	Address string
	// Err is what happened.
	Err error
}

// Error is one line with the cause and the remedy.
func (e *EngineError) Error() string {
	return fmt.Sprintf("no Docker engine answers at %s: start it, or set DOCKER_HOST (%s)", e.Address, oneLine(e.Err))
}

// Unwrap returns what happened.
func (e *EngineError) Unwrap() error { return e.Err }

// ImageError says that an image can't be had.
type ImageError struct {
	// Reference is the image's.
	Reference string
	// Err is what happened.
	Err error
}

// Error is one line with the cause and the remedy.
func (e *ImageError) Error() string {
	return fmt.Sprintf("the engine does not have the image %s: docker pull it, or docker load it from a file (%s)", e.Reference, oneLine(e.Err))
}

// Unwrap returns what happened.
func (e *ImageError) Unwrap() error { return e.Err }

// NodeError says what went wrong with one node.
type NodeError struct {
	// Node is the node's name.
	Node string
	// Doing is what was being done, for people: "start the pod".
	Doing string
	// Err is what happened.
	Err error
	// Log is the end of what the node's containers said, if anything.
	Log string
}

// Error is one line; it ends with the node's last words.
func (e *NodeError) Error() string {
	text := fmt.Sprintf("node %s: %s: %s", e.Node, e.Doing, oneLine(e.Err))
	if e.Log != "" {
		text += " (it said: " + e.Log + ")"
	}
	return text
}

// Unwrap returns what happened.
func (e *NodeError) Unwrap() error { return e.Err }

// AgentError is an answer of an agent that a request was not carried out.
type AgentError struct {
	// Node is whose agent.
	Node string
	// Op is the request's operation.
	Op string
	// Message is the agent's.
	Message string
}

// Error is one line.
func (e *AgentError) Error() string {
	return fmt.Sprintf("node %s: %s: %s", e.Node, e.Op, e.Message)
}

// LostError says that an agent can't be spoken to any more: its pod is gone, or
// the connection with the engine.
type LostError struct {
	// Node is whose agent.
	Node string
	// Err is what ended the channel.
	Err error
}

// Error is one line.
func (e *LostError) Error() string {
	return fmt.Sprintf("node %s: its agent is gone: %s", e.Node, oneLine(e.Err))
}

// Unwrap returns what ended the channel.
func (e *LostError) Unwrap() error { return e.Err }

func oneLine(err error) string {
	return strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; ")
}
