package docker

import (
	"time"
)

// The labels on everything that a run makes.
const (
	// LabelRun is the run's unique name.
	LabelRun = "lab.refute.run"
	// LabelRole is what it is: pod, node, network, data, control.
	LabelRole = "lab.refute.role"
	// LabelNode is the node's name.
	LabelNode = "lab.refute.node"
	// LabelCreated is when it was made, by the controller's clock, as RFC 3339.
	LabelCreated = "lab.refute.created"
	// LabelOwner identifies the controlling process on its machine; see owner.
	LabelOwner = "lab.refute.owner"
	// LabelImage is on images that this package made: the name of their program.
	LabelImage = "lab.refute.image"
)

// The roles.
const (
	rolePod     = "pod"
	roleNode    = "node"
	roleNetwork = "network"
	roleData    = "data"
	roleControl = "control"
)

// labels returns a new map with the labels of something that the run makes.
func (c *Cluster) labels(role, node string) map[string]string {
	l := map[string]string{
		LabelRun: c.options.Run, LabelRole: role,
		LabelCreated: c.created.UTC().Format(time.RFC3339), LabelOwner: c.owner,
	}
	if node != "" {
		l[LabelNode] = node
	}
	return l
}
