package docker

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
)

const (
	// subnets is how many networks of 24 bits 198.19.0.0/16 has.
	subnets = 256
	// firstHost is the last byte of the first node's address; .1 is the bridge's.
	firstHost = 11
	// MostNodes is how many nodes a cluster's network has addresses for.
	MostNodes = 254 - firstHost
)

// subnet returns the n-th of the networks that clusters use.
func subnet(n int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 19, byte(n % subnets), 0}), 24)
}

// host returns an address of a subnet.
func host(p netip.Prefix, last int) netip.Addr {
	b := p.Addr().As4()
	b[3] = byte(last)
	return netip.AddrFrom4(b)
}

// createNetwork makes the cluster's network on a free subnet.
func (c *Cluster) createNetwork(ctx context.Context) error {
	taken, err := c.engine.takenSubnets(ctx)
	if err != nil {
		return err
	}
	// Runs begin to search at different places, so they seldom meet.
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.options.Run))
	return c.createNetworkFrom(ctx, int(h.Sum32()%subnets), taken)
}

// createNetworkFrom tries the subnets from the first on, but those that are taken.
func (c *Cluster) createNetworkFrom(ctx context.Context, first int, taken []netip.Prefix) error {
	no := false
	var refused error
	for i := range subnets {
		candidate := subnet(first + i)
		if overlapsAny(candidate, taken) {
			continue
		}
		response, err := c.engine.client.NetworkCreate(ctx, c.networkName(), network.CreateOptions{
			Driver: "bridge", Labels: c.labels(roleNetwork, ""), EnableIPv6: &no,
			IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: candidate.String(), Gateway: host(candidate, 1).String()}}},
		})
		switch {
		case err == nil:
			c.networkID, c.subnet = response.ID, candidate
			return nil
		case strings.Contains(strings.ToLower(err.Error()), "overlap"):
			refused = err // another run was quicker, or the engine knows more than we
		case errdefs.IsConflict(err) || strings.Contains(err.Error(), "already exists"):
			return fmt.Errorf("create the cluster's network: the run %q exists already: give each run a name of its own, or remove the old one with refute clean: %w", c.options.Run, err)
		default:
			return fmt.Errorf("create the cluster's network: %w", err)
		}
	}
	return fmt.Errorf("create the cluster's network: every subnet of 198.19.0.0/16 is in use: remove old networks with refute clean: %w", refused)
}

// takenSubnets lists the subnets of the engine's networks, and of this machine's interfaces.
func (e *Engine) takenSubnets(ctx context.Context) ([]netip.Prefix, error) {
	list, err := e.client.NetworkList(ctx, network.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	var taken []netip.Prefix
	for _, n := range list {
		for _, config := range n.IPAM.Config {
			if p, err := netip.ParsePrefix(config.Subnet); err == nil {
				taken = append(taken, p.Masked())
			}
		}
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return taken, nil // the engine decides
	}
	for _, a := range own {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			taken = append(taken, p.Masked())
		}
	}
	return taken, nil
}

func overlapsAny(p netip.Prefix, others []netip.Prefix) bool {
	for _, o := range others {
		if p.Overlaps(o) {
			return true
		}
	}
	return false
}

// removeNetwork removes a network. Containers that are being removed may hold it
// for a moment longer, so it is tried until the context ends.
func (e *Engine) removeNetwork(ctx context.Context, id string) error {
	return retry(ctx, func() error { return e.client.NetworkRemove(ctx, id) })
}

// retry calls f until it succeeds, says that the thing is gone, or the context ends.
func retry(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || errdefs.IsNotFound(err) {
			return nil
		}
		wait := time.NewTimer(20 * time.Millisecond)
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return errors.Join(err, ctx.Err())
		}
	}
}
