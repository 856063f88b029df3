package clock

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

func newPage(t testing.TB) (*Page, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page")
	p, err := CreatePage(path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p, path
}

func TestPageIsSharedAndReadableByAll(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	p, path := newPage(t)
	st, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, fs.FileMode(0o644), st.Mode().Perm())
	assert.Equal(t, Skew{}, p.Get())
	reader, err := OpenPageReadOnly(path)
	require.NoError(t, err)
	defer reader.Close()
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Int64()
		s := Skew{v.Draw(t, "base"), v.Draw(t, "offset"), v.Draw(t, "rate"), v.Draw(t, "period"), v.Draw(t, "delta")}
		p.Set(s)
		require.Equal(t, s, reader.Get())
	})
	assert.Panics(t, func() { reader.Set(Skew{}) })
}

func TestCreatePageKeepsOneThatExists(t *testing.T) {
	p, path := newPage(t)
	p.Set(Skew{Offset: 42})
	before, err := os.Stat(path)
	require.NoError(t, err)
	again, err := CreatePage(path)
	require.NoError(t, err)
	defer again.Close()
	after, err := os.Stat(path)
	require.NoError(t, err)
	assert.True(t, os.SameFile(before, after))
	assert.Equal(t, int64(42), again.Get().Offset)
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, left, 1, "no temporary file is left")
}

func TestCreatePageByManyAtOnceMakesOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page")
	var wg sync.WaitGroup
	pages := make([]*Page, 8)
	for i := range pages {
		wg.Go(func() {
			p, err := CreatePage(path)
			if assert.NoError(t, err) {
				pages[i] = p
			}
		})
	}
	wg.Wait()
	for i, p := range pages {
		p.Set(Skew{Offset: int64(i)})
		for _, other := range pages {
			require.Equal(t, int64(i), other.Get().Offset)
		}
	}
	for _, p := range pages {
		require.NoError(t, p.Close())
	}
}

func TestOpenPageRefusesWhatIsNone(t *testing.T) {
	folder := t.TempDir()
	_, err := OpenPage(filepath.Join(folder, "absent"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
	short := filepath.Join(folder, "short")
	require.NoError(t, os.WriteFile(short, []byte("x"), 0o600))
	_, err = OpenPage(short)
	assert.ErrorIs(t, err, ErrNotAPage)
	other := filepath.Join(folder, "other")
	require.NoError(t, os.WriteFile(other, make([]byte, pageSize), 0o600))
	_, err = OpenPage(other)
	assert.ErrorIs(t, err, ErrNotAPage)
	_, err = CreatePage(other)
	assert.ErrorIs(t, err, ErrNotAPage)
	got, err := os.ReadFile(other)
	require.NoError(t, err)
	assert.Equal(t, make([]byte, pageSize), got, "a foreign file is left alone")
}

// A reader must see skews as they were set, whole, however fast they change.
func TestGetIsNeverTorn(t *testing.T) {
	p, path := newPage(t)
	reader, err := OpenPageReadOnly(path)
	require.NoError(t, err)
	defer reader.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range int64(200_000) {
			p.Set(Skew{i, i, i, i, i})
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		s := reader.Get()
		require.Equal(t, Skew{s.Base, s.Base, s.Base, s.Base, s.Base}, s)
	}
}

func BenchmarkSet(b *testing.B) {
	p, _ := newPage(b)
	for i := range b.N {
		p.Set(Skew{Offset: int64(i)})
	}
}
