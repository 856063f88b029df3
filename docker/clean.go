package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

const (
	// youth is how long a run that has no running pod may be one that is just starting.
	youth = 60 * time.Second
	// cleanFor bounds the removal of one thing.
	cleanFor = 20 * time.Second
)

// CleanOptions say what Clean removes.
type CleanOptions struct {
	// All removes the runs that are alive too.
	All bool
	// Images removes the images that this package made, unless a container uses them.
	Images bool
}

// Removed is what Clean removed, by name, in order.
type Removed struct {
	Runs, Containers, Networks, Volumes, Images []string
}

// Empty says that there was nothing to remove.
func (r Removed) Empty() bool {
	return len(r.Containers)+len(r.Networks)+len(r.Volumes)+len(r.Images) == 0
}

// String says what was removed, for people.
func (r Removed) String() string {
	if r.Empty() {
		return "nothing to remove"
	}
	return fmt.Sprintf("removed %s, %s, %s and %s of %s", count(r.Containers, "container"), count(r.Networks, "network"),
		count(r.Volumes, "volume"), count(r.Images, "image"), count(r.Runs, "run"))
}

func count(names []string, noun string) string {
	if len(names) == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", len(names), noun)
}

// remains is what the engine has of one run.
type remains struct {
	created    time.Time
	owner      string
	running    bool // a pod runs
	containers []container.Summary
	networks   []network.Summary
	volumes    []*volume.Volume
}

func (r *remains) label(labels map[string]string) {
	if t, err := time.Parse(time.RFC3339, labels[LabelCreated]); err == nil && (r.created.IsZero() || t.Before(r.created)) {
		r.created = t
	}
	if o := labels[LabelOwner]; o != "" {
		r.owner = o
	}
}

// dead says whether nobody can need the run's remains any more: its controller
// certainly ended; or nothing of it runs, it is not just starting, and its
// controller is not known to live.
func (r *remains) dead(now time.Time) bool {
	if ownerDied(r.owner) {
		return true
	}
	return !r.running && !ownerAlive(r.owner) && now.Sub(r.created) > youth
}

// Clean removes what dead runs left. Runs that are alive, of this process or any
// other, are not touched unless CleanOptions.All says so.
func (e *Engine) Clean(ctx context.Context, o CleanOptions) (Removed, error) {
	runs, err := e.remains(ctx)
	if err != nil {
		return Removed{}, err
	}
	var names []string
	for name, r := range runs {
		if o.All || r.dead(time.Now()) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var removed Removed
	var errs []error
	for _, name := range names {
		errs = append(errs, e.cleanRun(ctx, runs[name], &removed))
		removed.Runs = append(removed.Runs, name)
	}
	if o.Images {
		removed.Images, err = e.removeImages(ctx)
		errs = append(errs, err)
	}
	return removed, errors.Join(errs...)
}

// remains lists what the engine has of every run.
func (e *Engine) remains(ctx context.Context) (map[string]*remains, error) {
	runs := map[string]*remains{}
	of := func(labels map[string]string) *remains {
		name := labels[LabelRun]
		if runs[name] == nil {
			runs[name] = &remains{}
		}
		runs[name].label(labels)
		return runs[name]
	}
	containers, err := e.client.ContainerList(ctx, container.ListOptions{All: true, Filters: filterBy(LabelRun)})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	for _, c := range containers {
		r := of(c.Labels)
		r.containers = append(r.containers, c)
		r.running = r.running || c.State == container.StateRunning && c.Labels[LabelRole] == rolePod
	}
	networks, err := e.client.NetworkList(ctx, network.ListOptions{Filters: filterBy(LabelRun)})
	if err != nil {
		return nil, fmt.Errorf("list networks: %w", err)
	}
	for _, n := range networks {
		r := of(n.Labels)
		r.networks = append(r.networks, n)
	}
	volumes, err := e.client.VolumeList(ctx, volume.ListOptions{Filters: filterBy(LabelRun)})
	if err != nil {
		return nil, fmt.Errorf("list volumes: %w", err)
	}
	for _, v := range volumes.Volumes {
		r := of(v.Labels)
		r.volumes = append(r.volumes, v)
	}
	return runs, nil
}

func (e *Engine) cleanRun(ctx context.Context, r *remains, removed *Removed) error {
	ctx, cancel := context.WithTimeout(ctx, cleanFor)
	defer cancel()
	var errs []error
	remove := func(what, name string, names *[]string, f func() error) {
		if err := retry(ctx, f); err != nil {
			errs = append(errs, fmt.Errorf("remove the %s %s: %w", what, name, err))
			return
		}
		*names = append(*names, name)
	}
	for _, c := range r.containers {
		name := c.ID
		if len(c.Names) > 0 {
			name = strings.TrimPrefix(c.Names[0], "/")
		}
		remove("container", name, &removed.Containers, func() error {
			return e.client.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
		})
	}
	for _, v := range r.volumes {
		remove("volume", v.Name, &removed.Volumes, func() error { return e.client.VolumeRemove(ctx, v.Name, false) })
	}
	for _, n := range r.networks {
		remove("network", n.Name, &removed.Networks, func() error { return e.client.NetworkRemove(ctx, n.ID) })
	}
	return errors.Join(errs...)
}

// filterBy selects what has the label, whatever its value.
func filterBy(label string) filters.Args {
	return filters.NewArgs(filters.Arg("label", label))
}
