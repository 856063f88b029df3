package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"github.com/refute-lab/refute/docker/programs"
)

const (
	// agentPackage is the agent's program.
	agentPackage = "nemesis/agent"
	// controlDirectory is where pod and node share the agent's program and the clock's page.
	controlDirectory = "/.refute"
	// agentPath is the agent's program in both containers.
	agentPath = controlDirectory + "/agent"
	// nobody is the user of images that are made of a program alone.
	nobody = "65532:65532"
	// repository is the first part of our images' names.
	repository = "refute"
)

// images remembers which images the engine has, so that many nodes of one image ask once.
type images struct {
	mu    sync.Mutex
	known map[string]*knownImage
}

type knownImage struct {
	once sync.Once
	ref  string
	err  error
}

// remember calls find at most once for each key, unless it failed.
func (i *images) remember(key string, find func() (string, error)) (string, error) {
	i.mu.Lock()
	if i.known == nil {
		i.known = map[string]*knownImage{}
	}
	k, ok := i.known[key]
	if !ok {
		k = &knownImage{}
		i.known[key] = k
	}
	i.mu.Unlock()
	k.once.Do(func() { k.ref, k.err = find() })
	if k.err != nil {
		i.mu.Lock()
		if i.known[key] == k {
			delete(i.known, key)
		}
		i.mu.Unlock()
	}
	return k.ref, k.err
}

// forget makes the next question ask the engine again.
func (i *images) forget() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.known = nil
}

// agentImage returns the reference of the agent's image, which it makes if need be.
func (e *Engine) agentImage(ctx context.Context) (string, error) {
	return e.images.remember("agent", func() (string, error) {
		p, err := programs.Find(ctx, agentPackage, e.Architecture())
		if err != nil {
			return "", err
		}
		return e.ensure(ctx, content{
			name: "agent", architecture: e.Architecture(),
			files:      []file{{name: path.Base(controlDirectory) + "/", mode: 0o755}, {name: agentPath[1:], mode: 0o755, data: p.Data}},
			entrypoint: []string{agentPath},
		})
	})
}

// programImage returns the reference of an image that holds one program of this
// module and nothing else.
func (e *Engine) programImage(ctx context.Context, importPath string) (string, error) {
	return e.images.remember("program "+importPath, func() (string, error) {
		p, err := programs.Find(ctx, importPath, e.Architecture())
		if err != nil {
			return "", err
		}
		return e.ensure(ctx, content{
			name: p.Name[len("refute-"):], architecture: e.Architecture(), user: nobody,
			files:      []file{{name: p.Name, mode: 0o755, data: p.Data}, {name: "tmp/", mode: 0o1777}},
			entrypoint: []string{"/" + p.Name},
		})
	})
}

// existing makes sure that the engine has the image.
func (e *Engine) existing(ctx context.Context, reference string) (string, error) {
	return e.images.remember("image "+reference, func() (string, error) {
		if _, err := e.client.ImageInspect(ctx, reference); err != nil {
			return "", &ImageError{Reference: reference, Err: err}
		}
		return reference, nil
	})
}

// content is what an image is made of.
type content struct {
	name, architecture, user string
	files                    []file
	entrypoint               []string
}

// file is a file, or a directory if its name ends with a slash.
type file struct {
	name string
	mode int64
	data []byte
}

// ensure loads the image unless the engine has it, and returns its reference. The
// tag is derived from the whole content: what is there under it is what is wanted.
func (e *Engine) ensure(ctx context.Context, c content) (string, error) {
	archive, reference, err := c.archive()
	if err != nil {
		return "", fmt.Errorf("make the image %s: %w", c.name, err)
	}
	switch _, err := e.client.ImageInspect(ctx, reference); {
	case err == nil:
		return reference, nil
	case !errdefs.IsNotFound(err):
		return "", fmt.Errorf("look for the image %s: %w", reference, err)
	}
	response, err := e.client.ImageLoad(ctx, bytes.NewReader(archive), client.ImageLoadWithQuiet(true))
	if err != nil {
		return "", fmt.Errorf("load the image %s: %w", reference, err)
	}
	defer response.Body.Close()
	if err := messages(response.Body); err != nil {
		return "", fmt.Errorf("load the image %s: %w", reference, err)
	}
	if _, err := e.client.ImageInspect(ctx, reference); err != nil {
		return "", fmt.Errorf("load the image %s: the engine took it but does not have it: %w", reference, err)
	}
	return reference, nil
}

// archive returns the image as `docker save` would write it. It depends on
// nothing but the content, so the image has the same ID wherever it is made.
func (c content) archive() (archive []byte, reference string, err error) {
	layer, err := tarball(c.files)
	if err != nil {
		return nil, "", err
	}
	layerSum := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": c.architecture, "os": "linux", "created": "1970-01-01T00:00:00Z",
		"config": map[string]any{
			"Entrypoint": c.entrypoint, "User": c.user, "WorkingDir": "/", "Env": []string{"PATH=/"},
			"Labels": map[string]string{LabelImage: c.name},
		},
		"rootfs":  map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(layerSum[:])}},
		"history": []any{map[string]any{"created": "1970-01-01T00:00:00Z", "created_by": "refute"}},
	})
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(config)
	id := hex.EncodeToString(sum[:])
	reference = fmt.Sprintf("%s/%s:%s", repository, c.name, id[:16])
	manifest, err := json.Marshal([]any{map[string]any{"Config": id + ".json", "RepoTags": []string{reference}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, "", err
	}
	archive, err = tarball([]file{
		{name: id + ".json", mode: 0o644, data: config},
		{name: "layer.tar", mode: 0o644, data: layer},
		{name: "manifest.json", mode: 0o644, data: manifest},
	})
	return archive, reference, err
}

func tarball(files []file) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: time.Unix(0, 0)}
		if f.name[len(f.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// messages reads the engine's stream of messages; errors come in it, after a
// status that says that all is well.
func messages(r io.Reader) error {
	decoder := json.NewDecoder(r)
	for {
		var m struct {
			Error string `json:"error"`
		}
		switch err := decoder.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case m.Error != "":
			return errors.New(m.Error)
		}
	}
}

// removeImages removes the images that this package made and that no container uses.
func (e *Engine) removeImages(ctx context.Context) ([]string, error) {
	defer e.images.forget()
	list, err := e.client.ImageList(ctx, image.ListOptions{Filters: filterBy(LabelImage)})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var removed []string
	var errs []error
	for _, i := range list {
		name := i.ID
		if len(i.RepoTags) > 0 {
			name = i.RepoTags[0]
		}
		_, err := e.client.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true, PruneChildren: true})
		switch {
		case err == nil:
			removed = append(removed, name)
		case errdefs.IsNotFound(err), errdefs.IsConflict(err): // gone already; in use
		default:
			errs = append(errs, fmt.Errorf("remove the image %s: %w", name, err))
		}
	}
	return removed, errors.Join(errs...)
}
