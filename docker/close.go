package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/testcontainers/testcontainers-go"
)

const (
	// vanishFor is how long containers may take to vanish by themselves.
	vanishFor = 8 * time.Second
	// closeFor bounds Close when the caller's context has ended already, as it
	// has after an interrupt.
	closeFor = 30 * time.Second
)

// Close ends the nodes and removes the containers, the network and the volumes.
// The logs are complete then. It works after a Start that failed half-way, and
// with a context that has ended (it then takes at most half a minute). A second
// Close does nothing.
func (c *Cluster) Close(ctx context.Context) error {
	var err error
	c.close.Do(func() { err = c.remove(ctx) })
	return err
}

func (c *Cluster) remove(ctx context.Context) error {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), closeFor)
		defer cancel()
	}
	if c.stop != nil {
		c.stop()
		c.beats.Wait()
	}
	err := c.each(func(n *node) error { return c.removeNode(ctx, n) })
	c.events.close()
	if e := c.engine.removeNetwork(ctx, c.networkID); e != nil {
		err = errors.Join(err, fmt.Errorf("remove the network %s: %w", c.networkName(), e))
	}
	return err
}

// removeNode ends the node by hanging up on its agent: the pod's PID namespace
// ends, and with it both containers, which the engine then removes.
func (c *Cluster) removeNode(ctx context.Context, n *node) error {
	waiting, stop := context.WithTimeout(ctx, vanishFor)
	defer stop()
	gone := []<-chan error{c.vanished(waiting, n.member), c.vanished(waiting, n.pod)}
	if n.channel != nil {
		n.channel.hangUp()
	}
	var errs []error
	for i, container := range []testcontainers.Container{n.member, n.pod} {
		if err := <-gone[i]; err != nil {
			errs = append(errs, terminate(ctx, container))
		}
	}
	if n.channel != nil {
		n.channel.close()
	}
	if n.logEnded != nil {
		select {
		case <-n.logEnded:
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("node %s: the end of its log: %w", n.name, ctx.Err()))
		}
	}
	if n.log != nil {
		errs = append(errs, n.log.close())
	}
	for _, role := range []string{roleControl, roleData} {
		name := c.volumeName(n.name, role)
		if err := retry(ctx, func() error { return c.engine.client.VolumeRemove(ctx, name, false) }); err != nil {
			errs = append(errs, fmt.Errorf("remove the volume %s: %w", name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("node %s: clean up: %w", n.name, err)
	}
	return nil
}

// vanished tells when a container has been removed, or why it will not be by
// itself: it never ran, or it took too long.
func (c *Cluster) vanished(ctx context.Context, x testcontainers.Container) <-chan error {
	told := make(chan error, 1)
	if x == nil {
		told <- nil
		return told
	}
	if !x.IsRunning() {
		told <- errors.New("it does not run")
		return told
	}
	done, failed := c.engine.client.ContainerWait(ctx, x.GetContainerID(), container.WaitConditionRemoved)
	go func() {
		select {
		case <-done:
			told <- nil
		case err := <-failed:
			told <- err
		}
	}()
	return told
}

// terminate removes a container that does not vanish by itself.
func terminate(ctx context.Context, x testcontainers.Container) error {
	return retry(ctx, func() error { return x.Terminate(ctx, testcontainers.StopTimeout(0)) })
}
