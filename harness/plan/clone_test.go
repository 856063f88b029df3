package plan_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
)

// filled gives every field that the type has, and will have, a value other than zero.
func filled(v reflect.Value, n *int64) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			filled(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("key"), reflect.ValueOf("value"))
	case reflect.Struct:
		for i := range v.NumField() {
			filled(v.Field(i), n)
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(float64(*n))
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	default:
		v.SetInt(*n)
	}
}

// shared names the first place at which two values have memory in common.
func shared(a, b reflect.Value, path string) string {
	switch a.Kind() {
	case reflect.Pointer, reflect.Map:
		if a.Pointer() == b.Pointer() {
			return path
		}
		if a.Kind() == reflect.Pointer {
			return shared(a.Elem(), b.Elem(), path)
		}
	case reflect.Slice:
		if a.Pointer() == b.Pointer() {
			return path
		}
		for i := range a.Len() {
			if at := shared(a.Index(i), b.Index(i), path+"[]"); at != "" {
				return at
			}
		}
	case reflect.Struct:
		for i := range a.NumField() {
			if at := shared(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name); at != "" {
				return at
			}
		}
	}
	return ""
}

func TestCloneSharesNothing(t *testing.T) {
	var p plan.Plan
	var n int64
	filled(reflect.ValueOf(&p).Elem(), &n)
	clone := p.Clone()
	require.Equal(t, &p, clone)
	assert.Empty(t, shared(reflect.ValueOf(&p).Elem(), reflect.ValueOf(clone).Elem(), "plan"), "shared with the original")
}

func TestCloneOfAFaultStandsAlone(t *testing.T) {
	f := plan.Fault{ID: "f1", Kind: "clock", Targets: []string{"n1"}, Cuts: []history.Cut{{From: "n1", To: "n2"}},
		Clock: &plan.Clock{Offset: plan.Duration(time.Second)}, Network: &plan.Network{LossPPM: 1}}
	clone := f.Clone()
	clone.Targets[0], clone.Cuts[0].To, clone.Clock.Offset, clone.Network.LossPPM = "n3", "n3", 0, 0
	assert.Equal(t, plan.Fault{ID: "f1", Kind: "clock", Targets: []string{"n1"}, Cuts: []history.Cut{{From: "n1", To: "n2"}},
		Clock: &plan.Clock{Offset: plan.Duration(time.Second)}, Network: &plan.Network{LossPPM: 1}}, f)
}

func TestCloneKeepsWhatIsAbsent(t *testing.T) {
	p := &plan.Plan{Schedule: []plan.Fault{{ID: "f1"}}, Operations: []plan.Operation{{F: "read"}}}
	assert.Equal(t, p, p.Clone(), "nil stays nil")
	assert.Equal(t, &plan.Plan{}, (&plan.Plan{}).Clone())
}
