package staleness

// Fresh counts the operations of one key that is known to be atomic without
// having been measured: no read of it was stale, k is 1, and Δ and Γ are 0. It is for
// histories that are too long to be kept. The zero Fresh has no operations.
type Fresh struct {
	reads, writes int
	// parts are the reads by part of a bucket, as in trend; it ends with the last that has any.
	parts []uint32
}

// Write counts a write that took effect or may have.
func (f *Fresh) Write() { f.writes++ }

// Read counts a read that began so long after the last acknowledged write of
// the key before it had ended, in nanoseconds; None if there was no such write.
func (f *Fresh) Read(since int64) {
	f.reads++
	if since < 0 {
		return
	}
	p := partOf(since)
	for len(f.parts) <= p {
		f.parts = append(f.parts, 0)
	}
	f.parts[p]++
}

// AddAtomic is Measure for a key that was counted.
func (m *Meter) AddAtomic(f *Fresh) {
	r := &m.report
	r.Keys++
	r.Reads += f.reads
	r.Writes += f.writes
	m.bins.counts[0] += f.reads
	for p, n := range f.parts {
		m.trend.addMany(p, int(n))
	}
	r.K.merge(1, 1, "", nil)
	r.Delta.merge(0, "", nil)
	r.Gamma.merge(0, "", nil)
}
