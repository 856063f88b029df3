package leaderless

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// Name is the target's name in the registry.
const Name = "leaderless"

// How a node is run.
const (
	// Program is the package of the node's program.
	Program = "github.com/refute-lab/refute/target/leaderless/cmd/leaderless"
	// ClientPort is the TCP port of the HTTP interface, PeerPort that for other nodes.
	ClientPort = 8080
	PeerPort   = 7000
	// DataDirectory is where a node keeps its log.
	DataDirectory = "/data"
)

// The claims, by their names in package checker, which targets do not import.
const (
	claimLinearizable   = "linearizable"
	claimNoLostWrites   = "no-lost-writes"
	claimReadYourWrites = "read-your-writes"
	claimMonotonicReads = "monotonic-reads"
	claimConvergence    = "convergence"
	claimNoStaleReads   = "no-stale-reads"
)

// Target is the bundled store as a target. Its zero value is ready.
type Target struct{}

// New returns the target, for target.Add.
func New() Target { return Target{} }

// Name returns "leaderless".
func (Target) Name() string { return Name }

// Describe lists the store's settings.
func (Target) Describe() []target.Setting {
	var settings []target.Setting
	for _, s := range core.Describe() {
		settings = append(settings, target.Setting(s))
	}
	return settings
}

// Configure checks the settings for a cluster of that many nodes.
func (Target) Configure(nodes int, settings map[string]string) (target.System, error) {
	names := make([]string, max(nodes, 0))
	for i := range names {
		// The rules are the same whatever the nodes are called.
		names[i] = "n" + strconv.Itoa(i+1)
	}
	parsed, err := core.ParseSettings(names, settings)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", Name, err)
	}
	return &system{settings: parsed, text: parsed.Map()}, nil
}

// system is the store in one configuration.
type system struct {
	settings core.Settings
	text     map[string]string
	// book has the addresses of the nodes that clients were made for.
	book addressBook
}

// Settings returns every setting.
func (s *system) Settings() map[string]string { return s.settings.Map() }

// Core returns a copy of the settings: what a simulation boots nodes with. The
// nodes are called n1, n2 … .
func (s *system) Core() core.Settings {
	settings := s.settings
	settings.Nodes = slices.Clone(settings.Nodes)
	return settings
}

// SettleTime is the bound within which scheduled anti-entropy makes all
// replicas equal, for a hundred keys that differ and links of ten milliseconds;
// see core.Settings.ConvergenceBound.
func (s *system) SettleTime() time.Duration {
	return time.Duration(s.settings.ConvergenceBound(100, int64(10*time.Millisecond)))
}

// Datacenters returns the nodes of each data centre; nil where there is but one.
func (s *system) Datacenters() [][]string {
	if s.settings.Datacenters <= 1 {
		return nil
	}
	all := make([][]string, s.settings.Datacenters)
	for i, name := range s.settings.Nodes {
		dc := s.settings.Datacenter(core.NodeID(i))
		all[dc] = append(all[dc], name)
	}
	return all
}

// Claims returns what the configuration is commonly held to guarantee; see the package's documentation.
func (s *system) Claims() []string {
	if claims := s.objectClaims(); claims != nil {
		return claims
	}
	return s.registerClaims()
}

// registerClaims is Claims for registers that hold their newest value.
func (s *system) registerClaims() []string {
	overlap := s.settings.Overlaps()
	switch {
	case overlap && s.settings.Repair == core.RepairABD:
		return []string{claimLinearizable, claimNoLostWrites, claimReadYourWrites, claimMonotonicReads, claimNoResurrection}
	case overlap:
		return []string{claimLinearizable, claimNoLostWrites, claimReadYourWrites, claimMonotonicReads, claimNoResurrection, claimConvergence}
	case !s.settings.Hints && s.settings.Repair == core.RepairOff && s.settings.AntiEntropy != core.AntiEntropyScheduled:
		return []string{claimNoLostWrites}
	}
	return []string{claimConvergence, claimNoLostWrites}
}

// Node says how to run the named node.
func (s *system) Node(name string, peers []target.Peer) (target.NodeSpec, error) {
	if len(peers) != len(s.settings.Nodes) {
		return target.NodeSpec{}, fmt.Errorf("node %s: %d peers, but the system is configured for %d nodes", name, len(peers), len(s.settings.Nodes))
	}
	found := false
	var list []string
	for _, p := range peers {
		found = found || p.Name == name
		list = append(list, p.Name+"="+net.JoinHostPort(p.Address, strconv.Itoa(PeerPort)))
	}
	if !found {
		return target.NodeSpec{}, fmt.Errorf("node %s is not among the peers", name)
	}
	command := []string{
		"--name", name, "--peers", strings.Join(list, ","), "--data", DataDirectory,
		"--client-listen", ":" + strconv.Itoa(ClientPort), "--peer-listen", ":" + strconv.Itoa(PeerPort),
	}
	for _, setting := range core.Describe() {
		command = append(command, "--set", setting.Name+"="+s.text[setting.Name])
	}
	return target.NodeSpec{Program: Program, Command: command, ClientPort: ClientPort, DataDirectory: DataDirectory}, nil
}

// Connect returns a client of the node at the address; it connects with the first request.
func (s *system) Connect(node, address string) (target.Client, error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", node, err)
	}
	c := newClient(node, address, &s.settings)
	if s.settings.Routing == core.RoutingClient {
		s.book.add(node, address)
		c.book = &s.book
	}
	return c, nil
}
