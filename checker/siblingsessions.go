package checker

import "github.com/refute-lab/refute/harness/history"

// ownWrites counts the reads by a process that lack an acknowledged write of
// its own, and returns how many reads followed one.
func (s *siblingHistory) ownWrites(all *tally) (eligible int) {
	own := map[int32][]int32{} // the acknowledged writes that told their dots, by session
	for _, p := range s.key.positions {
		o := &s.t.operations[p]
		session := s.t.session[p]
		if session == none {
			continue
		}
		if _, known := s.dotOf[p]; known && s.tellers[p] == none && o.Type == history.Ok {
			own[session] = append(own[session], p)
		}
		v, read := s.returned[p]
		if !read || len(own[session]) == 0 {
			continue
		}
		eligible++
		for _, w := range own[session] {
			if !v.Covers(s.dotOf[w]) {
				s.count(all, classOwnVersion, none, w, p)
				break
			}
		}
	}
	return eligible
}

// backward counts the reads by a process that lack a version which an earlier
// read of it knew of, and returns how many reads followed another.
func (s *siblingHistory) backward(all *tally) (eligible int) {
	// The newest dot of each node that a session has seen, and the read that returned it.
	type newest struct {
		counter int64
		read    int32
	}
	seen := map[int32]map[string]newest{}
	for _, p := range s.key.positions {
		session := s.t.session[p]
		v, read := s.returned[p]
		if session == none || !read {
			continue
		}
		before := seen[session]
		if before == nil {
			before = map[string]newest{}
			seen[session] = before
		} else {
			eligible++
		}
		missing := newest{read: none}
		for node, n := range before {
			if !v.Covers(history.Dot{Node: node, Counter: n.counter}) && (missing.read == none || n.read < missing.read) {
				missing = n
			}
		}
		if missing.read != none {
			s.count(all, classForgotten, missing.read, none, p)
		}
		note := func(node string, counter int64) {
			if counter > before[node].counter {
				before[node] = newest{counter, p}
			}
		}
		for node, counter := range v.Context {
			note(node, counter)
		}
		for _, dot := range v.Dots {
			note(dot.Node, dot.Counter)
		}
	}
	return eligible
}

// count counts a violation. Its proof is what the operations themselves say:
// their dots and contexts.
func (s *siblingHistory) count(all *tally, class string, first, own, late int32) {
	f := newFinding(class, s.key.name)
	f.first, f.newer, f.second = first, own, late
	f.gather()
	if all.count(class, f.key, len(f.positions)) {
		f.versions = true
		all.best[f.key] = f
	}
}
