package core

// faultSet says which faults a run may meet. Each run draws its own subset of
// them ("swarm testing": Groce et al., ISSTA 2012), because a run under all of
// them at once gets nothing done.
type faultSet struct {
	loss, partitions, crashes, pauses, skew, stalls bool
}

var everyFault = faultSet{loss: true, partitions: true, crashes: true, pauses: true, skew: true, stalls: true}

// at schedules an action.
func (w *world) at(after int64, do func()) { w.push(after, occurrence{what: happensAction, do: do}) }

// inject schedules faults over the next duration and heals all of them at its end.
func (w *world) inject(f faultSet, duration int64) {
	coin := func() bool { return w.random.IntN(2) == 0 }
	w.network.mean = []int64{100e3, 500e3, 2e6, 8e6}[w.random.IntN(4)]
	if f.loss && coin() {
		w.network.loss, w.network.duplicates = w.random.IntN(150), w.random.IntN(150)
	}
	if f.skew && coin() {
		scale := []int64{1e6, 20e6, 500e6, 10e9}[w.random.IntN(4)]
		for _, h := range w.nodes {
			h.skew = w.random.Int64N(2*scale) - scale
			for range w.random.IntN(4) { // and jumps
				w.at(w.random.Int64N(duration), func() { h.skew = w.random.Int64N(2*scale) - scale })
			}
		}
	}
	repeat := func(enabled bool, mean int64, fault func(at, length int64)) {
		if !enabled || !coin() {
			return
		}
		for at := w.random.Int64N(mean); at < duration; at += mean/2 + w.random.Int64N(mean) {
			length := mean/8 + w.random.Int64N(mean)
			fault(at, min(length, duration-at))
		}
	}
	mean := []int64{100e6, 400e6}[w.random.IntN(2)]
	repeat(f.partitions, mean, w.partition)
	repeat(f.crashes, mean, w.kill)
	repeat(f.pauses, mean, w.pause)
	repeat(f.stalls, mean, func(at, length int64) {
		h := w.nodes[w.random.IntN(len(w.nodes))]
		w.at(at, func() { h.stall++ })
		w.at(at+length, func() { h.stall-- })
	})
	w.at(duration, func() { w.network.loss, w.network.duplicates = 0, 0 })
}

// partition cuts the nodes in two at random, in one or both directions.
func (w *world) partition(at, length int64) {
	side, oneWay := w.random.IntN(1<<len(w.nodes)), w.random.IntN(4) == 0
	cut := func(by int) {
		for a := range w.nodes {
			for b := range w.nodes {
				if side>>a&1 == 1 && side>>b&1 == 0 {
					w.network.blocked[a][b] += by
					if !oneWay {
						w.network.blocked[b][a] += by
					}
				}
			}
		}
	}
	w.at(at, func() { cut(1) })
	w.at(at+length, func() { cut(-1) })
}

// kill crashes a random set of nodes at the same moment and restarts each on its own.
func (w *world) kill(at, length int64) {
	victims := w.random.Perm(len(w.nodes))[:1+w.random.IntN(len(w.nodes))]
	for _, v := range victims {
		h := w.nodes[v]
		w.at(at, func() {
			w.crash(v)
			h.crashes++
		})
		w.at(at+1+w.random.Int64N(length), func() {
			if h.crashes--; h.crashes == 0 {
				w.boot(v)
			}
		})
	}
}

func (w *world) pause(at, length int64) {
	v := w.random.IntN(len(w.nodes))
	h := w.nodes[v]
	w.at(at, func() { h.paused++ })
	w.at(at+length, func() {
		if h.paused--; h.paused == 0 {
			w.resume(v)
		}
	})
}
