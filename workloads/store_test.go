package workloads_test

import (
	"context"
	"maps"
	"slices"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/target"
)

// store is a client of a store that forgets nothing, unless err is set: every
// request ends with it then. It can do everything that workloads ask for.
type store struct {
	values map[string]int64
	sets   map[string]map[int64]bool
	rows   map[string]map[string]int64
	blobs  map[string][]target.Versions
	err    error
	// then, if set, decides the error of each request instead.
	then func() error
	// ids are the identifiers of the additions, in order.
	ids []uint64
	// orders are what ReadOrdered returns, one after the other, beside the value.
	orders []string
}

var (
	_ target.Register         = (*store)(nil)
	_ target.Ordered          = (*store)(nil)
	_ target.Deleter          = (*store)(nil)
	_ target.CompareAndSetter = (*store)(nil)
	_ target.Counter          = (*store)(nil)
	_ target.Set              = (*store)(nil)
	_ target.Row              = (*store)(nil)
	_ target.Versioned        = (*store)(nil)
)

func (s *store) problem() error {
	if s.then != nil {
		return s.then()
	}
	return s.err
}

func (s *store) Ready(context.Context) error { return nil }
func (s *store) Close() error                { return nil }
func (s *store) Read(_ context.Context, key string) (target.Reading, error) {
	value, found := s.values[key]
	return target.Reading{Value: value, Found: found}, s.problem()
}

func (s *store) Write(_ context.Context, key string, value int64) (*history.Evidence, error) {
	err := s.problem()
	if err == nil {
		s.values[key] = value
	}
	return nil, err
}

func (s *store) ReadOrdered(ctx context.Context, key string) (target.Reading, string, error) {
	reading, err := s.Read(ctx, key)
	order := ""
	if len(s.orders) > 0 {
		order, s.orders = s.orders[0], s.orders[1:]
	}
	return reading, order, err
}

func (s *store) WriteOrdered(ctx context.Context, key string, value int64) (string, *history.Evidence, error) {
	evidence, err := s.Write(ctx, key, value)
	return "5", evidence, err
}

func (s *store) Delete(_ context.Context, key string) (*history.Evidence, error) {
	err := s.problem()
	if err == nil {
		delete(s.values, key)
	}
	return nil, err
}

func (s *store) CompareAndSet(_ context.Context, key string, old *int64, new int64) (target.Swap, error) {
	if err := s.problem(); err != nil {
		return target.Swap{}, err
	}
	value, found := s.values[key]
	if found != (old != nil) || found && value != *old {
		return target.Swap{Actual: target.Reading{Value: value, Found: found}}, nil
	}
	s.values[key] = new
	return target.Swap{Swapped: true}, nil
}

func (s *store) Count(ctx context.Context, key string) (target.Reading, error) {
	return s.Read(ctx, key)
}

func (s *store) Add(_ context.Context, key string, delta int64, id uint64) (*history.Evidence, error) {
	s.ids = append(s.ids, id)
	s.values[key] += delta
	return nil, s.problem()
}

func (s *store) Elements(_ context.Context, key string) (target.Elements, error) {
	return target.Elements{Values: slices.Sorted(maps.Keys(s.sets[key])), Context: []byte("seen")}, s.problem()
}

func (s *store) Insert(_ context.Context, key string, element int64) (*history.Evidence, error) {
	err := s.problem()
	if err == nil {
		if s.sets[key] == nil {
			s.sets[key] = map[int64]bool{}
		}
		s.sets[key][element] = true
	}
	return nil, err
}

func (s *store) Remove(_ context.Context, key string, element int64, causal []byte) (*history.Evidence, error) {
	err := s.problem()
	if err == nil && string(causal) == "seen" {
		delete(s.sets[key], element)
	}
	return nil, err
}

func (s *store) ReadRow(_ context.Context, key string) (map[string]int64, *history.Evidence, error) {
	return s.rows[key], nil, s.problem()
}

func (s *store) WriteRow(_ context.Context, key string, columns map[string]int64) (*history.Evidence, error) {
	err := s.problem()
	if err == nil {
		s.rows[key] = columns
	}
	return nil, err
}

func (s *store) ReadVersions(_ context.Context, key string) (target.Versions, error) {
	var all target.Versions
	for _, v := range s.blobs[key] {
		all.Values = append(all.Values, v.Values...)
		all.Dots = append(all.Dots, v.Dots...)
	}
	all.Context = []byte("seen")
	return all, s.problem()
}

// WriteVersion replaces everything with a context, and adds a sibling without one.
func (s *store) WriteVersion(_ context.Context, key string, value []byte, causal []byte) (target.Versions, error) {
	err := s.problem()
	if err != nil {
		return target.Versions{}, err
	}
	if causal != nil {
		s.blobs[key] = nil
	}
	own := history.Dot{Node: "n1", Counter: int64(len(s.blobs[key]) + 1)}
	v := target.Versions{Values: [][]byte{value}, Dots: []history.Dot{own}, Own: own, Context: []byte("seen"), Counters: map[string]int64{"n1": own.Counter}}
	s.blobs[key] = append(s.blobs[key], v)
	return v, nil
}

func (s *store) DeleteVersion(_ context.Context, key string, causal []byte) (target.Versions, error) {
	err := s.problem()
	if err == nil && causal != nil {
		s.blobs[key] = nil
	}
	return target.Versions{}, err
}
