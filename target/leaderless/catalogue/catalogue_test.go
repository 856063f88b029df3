package catalogue

import (
	"io/fs"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestItemsAreNumberedWithoutGaps(t *testing.T) {
	items := Items()
	require.Len(t, items, 30)
	names := map[string]bool{}
	for i, item := range items {
		assert.Equal(t, i+1, item.Number)
		assert.False(t, names[item.Name], "%s stands twice", item.Name)
		names[item.Name] = true
		assert.NotEmpty(t, item.Title)
		if item.Missing != "" {
			continue
		}
		for _, text := range []string{item.Story, item.Claim, item.Source} {
			assert.NotEmpty(t, text, item.Name)
		}
		assert.Equal(t, item.HasTwin(), item.Setting != "" && item.Remedy != "" && item.Cost != "", item.Name)
	}
}

// Every file belongs to an item, and every item has its files.
func TestFilesAndItemsAgree(t *testing.T) {
	want := map[string]bool{}
	for _, item := range Items() {
		if item.Missing != "" {
			_, err := item.LoadPlan()
			assert.ErrorContains(t, err, item.Missing)
			continue
		}
		want[item.Folder()+"/plan.json"] = true
		_, err := item.LoadPlan()
		assert.NoError(t, err)
		if item.HasTwin() {
			want[item.Folder()+"/twin.json"] = true
			_, err := item.LoadTwin()
			assert.NoError(t, err)
		}
	}
	found := map[string]bool{}
	require.NoError(t, fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if !d.IsDir() {
			found[path] = true
		}
		return err
	}))
	assert.Equal(t, want, found)
}

func TestLookup(t *testing.T) {
	for _, item := range Items() {
		for _, text := range []string{strconv.Itoa(item.Number), item.Name, item.Folder()} {
			found, err := Lookup(text)
			require.NoError(t, err)
			assert.Equal(t, item, found)
		}
	}
	for text, want := range map[string]string{
		"31":     "no item 31: they are numbered from 1 to 30",
		"sloppy": "did you mean sloppy-quorum?",
		"":       "`refute catalogue` lists numbers and names",
		"zzz":    "`refute catalogue` lists numbers and names",
	} {
		_, err := Lookup(text)
		assert.ErrorContains(t, err, want)
	}
}
