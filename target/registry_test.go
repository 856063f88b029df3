package target_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/target"
)

// named is a target with nothing but a name.
type named string

func (n named) Name() string               { return string(n) }
func (n named) Describe() []target.Setting { return nil }
func (n named) Configure(int, map[string]string) (target.System, error) {
	return nil, errors.New("not a system")
}

func TestRegistryFindsWhatWasRegistered(t *testing.T) {
	require.NoError(t, target.Add(named("zebra")))
	require.NoError(t, target.Add(named("ant")))

	found, err := target.Lookup("ant")
	require.NoError(t, err)
	assert.Equal(t, named("ant"), found)
	assert.Subset(t, target.Names(), []string{"ant", "zebra"})
	assert.IsIncreasing(t, target.Names())

	_, err = target.Lookup("bee")
	var unknown *target.UnknownError
	require.ErrorAs(t, err, &unknown)
	assert.Equal(t, "bee", unknown.Name)
	assert.Contains(t, err.Error(), `unknown target "bee": known are ant`)
}

func TestRegistryRefusesEmptyAndTakenNames(t *testing.T) {
	require.NoError(t, target.Add(named("once")))
	assert.ErrorContains(t, target.Add(named("once")), "taken")
	assert.ErrorContains(t, target.Add(named("")), "empty")
}

func ExampleIsDefinite() {
	refused := &target.Error{Definite: true, Message: "connection refused"}
	fmt.Println(target.IsDefinite(fmt.Errorf("write to n3: %w", refused)))
	fmt.Println(target.IsDefinite(errors.New("connection reset")))
	// Output:
	// true
	// false
}
