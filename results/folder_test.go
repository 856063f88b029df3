package results

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestCreateNamesFoldersByRunAndTime(t *testing.T) {
	root := filepath.Join(t.TempDir(), "runs")
	f, err := Create(root, "lww-5", noon.In(time.FixedZone("elsewhere", 3600)))
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(root, "lww-5", "20261121T120000Z"), f.Path)
	assert.DirExists(t, f.Nodes())
	assert.Equal(t, filepath.Join(f.Path, "history.jsonl"), f.History())

	opened, err := Open(f.Path)
	require.NoError(t, err)
	assert.Equal(t, f, opened)
}

func TestCreateIsUniqueWithinASecond(t *testing.T) {
	root := t.TempDir()
	var mutex sync.Mutex
	paths := map[string]bool{}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			f, err := Create(root, "run", noon)
			mutex.Lock()
			defer mutex.Unlock()
			if assert.NoError(t, err) {
				paths[f.Timestamp] = true
			}
		})
	}
	group.Wait()
	assert.Len(t, paths, 20)
	assert.True(t, paths["20261121T120000Z"])
	assert.True(t, paths["20261121T120000Z-02"])

	left, err := filepath.Glob(filepath.Join(root, ".latest-*"))
	require.NoError(t, err)
	assert.Empty(t, left, "scratch of the link")
}

func TestLatestIsARelativeLinkToTheNewestRun(t *testing.T) {
	root := t.TempDir()
	_, err := Latest(root)
	assert.ErrorIs(t, err, fs.ErrNotExist)

	_, err = Create(root, "a", noon)
	require.NoError(t, err)
	second, err := Create(root, "b", noon)
	require.NoError(t, err)
	target, err := os.Readlink(filepath.Join(root, "latest"))
	require.NoError(t, err)
	assert.Equal(t, "b/20261121T120000Z", target)

	moved := filepath.Join(t.TempDir(), "elsewhere")
	require.NoError(t, os.Rename(root, moved))
	f, err := Latest(moved)
	require.NoError(t, err)
	assert.Equal(t, second.Timestamp, f.Timestamp)
	assert.Equal(t, "b", f.Name)
}

func TestLatestIsATextFileWhereThereAreNoLinks(t *testing.T) {
	root := t.TempDir()
	f, err := Create(root, "a", noon)
	require.NoError(t, err)
	_, err = Create(root, "b", noon)
	require.NoError(t, err)
	refused := func(string, string) error { return errors.New("operation not permitted") }
	require.NoError(t, point(root, filepath.Join("a", f.Timestamp), refused))

	info, err := os.Lstat(filepath.Join(root, "latest"))
	require.NoError(t, err)
	assert.True(t, info.Mode().IsRegular())
	latest, err := Latest(root)
	require.NoError(t, err)
	assert.Equal(t, f.Path, latest.Path)
}

func TestLatestDoesNotLeaveTheRoot(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(root, "latest"), []byte("../../etc\n"), 0o644))
	_, err := Latest(root)
	assert.ErrorContains(t, err, "outside the folder")
}

func TestCreateRefusesNamesThatAreNoFolders(t *testing.T) {
	for _, name := range []string{"", ".", "..", ".hidden", "a/b", "a b", "latest", "é", "a\x00b"} {
		_, err := Create(t.TempDir(), name, noon)
		var wrong *NameError
		assert.ErrorAs(t, err, &wrong, "%q", name)
	}
}

func TestCreateSaysWhatStandsInTheWay(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "latest", "full"), 0o755))
	_, err := Create(root, "a", noon)
	assert.ErrorContains(t, err, "remove "+filepath.Join(root, "latest"))
}

func TestWriteAtomicallyKeepsTheOldFileOnFailure(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, writeAtomically(path, []byte("old")))
	require.NoError(t, writeAtomically(path, []byte("new")))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "new", string(content))
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1)

	assert.Error(t, writeAtomically(filepath.Join(path, "below-a-file"), []byte("x")))
}
