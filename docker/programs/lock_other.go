//go:build !unix

package programs

import (
	"context"
	"fmt"
	"os"
	"sync"
)

var building sync.Mutex

// lock serialises the builds of this process. Go replaces a program's file in
// one step, so another process at worst builds it a second time.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", errLocked, err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	building.Lock()
	return func() { building.Unlock(); _ = f.Close() }, nil
}
