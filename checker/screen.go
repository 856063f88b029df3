package checker

import (
	"cmp"
	"context"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// Suspicion is a violation that a Screener found. It is as certain as a
// refutation by Check; what it lacks is the witness and the explanation.
type Suspicion struct {
	// Claim and Class are what is violated and how, as in Witness.
	Claim string
	Class string
	// Key is the key concerned.
	Key string
	// Time is when the last of the operations that show it was invoked, in
	// nanoseconds since the run's start; of several violations of one class,
	// the suspicion is the one for which that is earliest.
	Time int64
}

// Screener says whether a history refutes claims, in the time that it takes
// to look at each operation a few times. It finds what Check finds, by the
// same definitions, but makes no witness and never searches for an order of
// the operations: where that would be needed the claim is in doubt. It is for
// judging very many histories, nearly all of which refute nothing.
//
// It reuses its memory from one history to the next and is not safe for
// concurrent use.
type Screener struct {
	// MaximumSiblings is that of Options.
	MaximumSiblings int

	screenings []*screening
	// Of each claim, or nil if it is not asked for.
	linearizable, lostWrites, staleReads, readYourWrites, monotonicReads, convergence *screening
	// others are those that are decided as Check does, witness and all.
	others []*screening

	timeline timeline
	register register
	decider  decider
	shrinker *shrinker // made when the first conflict is found
	index    writeIndex
	sessions sessionReads
	finals   finalReads
	set      setHistory
	setOrder setOrder
	dumps    dumps
}

// screening is what is known about one claim of the present history.
type screening struct {
	claim      string
	suspicions []Suspicion
	// examined says that there was something that could have violated it.
	examined bool
	// skipped says that a part of the history could not be read: Check gives up on it too.
	skipped bool
	// undecided says that a key needs a search.
	undecided bool
}

// NewScreener returns a Screener for the claims, which are parsed as by ParseClaims.
func NewScreener(claims []string) (*Screener, error) {
	names, err := ParseClaims(claims)
	if err != nil {
		return nil, err
	}
	s := &Screener{timeline: timeline{distil: true}}
	for _, claim := range names {
		c := &screening{claim: claim}
		s.screenings = append(s.screenings, c)
		switch claim {
		case Linearizable:
			s.linearizable = c
		case NoLostWrites:
			s.lostWrites = c
		case NoStaleReads:
			s.staleReads = c
		case ReadYourWrites:
			s.readYourWrites = c
		case MonotonicReads:
			s.monotonicReads = c
		case Convergence:
			s.convergence = c
		default:
			s.others = append(s.others, c)
		}
	}
	return s, nil
}

// Screen judges a history: all its operations, the nemesis' included, in
// order of invocation, as Check takes it. It does not change them.
//
// It returns one suspicion for each claim and class that the history refutes,
// in the order of the claims and then of the classes' names; nil if none. The
// claims in doubt are those that it could not decide; only for them is Check
// needed. A claim may have suspicions and be in doubt, if one key refutes it
// and another could not be decided: Check may then find further classes.
//
// An error means that the operations are no history (see Check).
func (s *Screener) Screen(operations []history.Operation) (suspicions []Suspicion, doubt []string, err error) {
	for _, c := range s.screenings {
		*c = screening{claim: c.claim, suspicions: c.suspicions[:0]}
	}
	if err := s.timeline.load(operations); err != nil {
		return nil, nil, err
	}
	for k := range s.timeline.keys {
		switch key := &s.timeline.keys[k]; key.object {
		case registerObject:
			s.screenRegister(key)
		case setObject:
			s.screenSet(key)
		case counterObject, queueObject, bagObject, textObject:
			if s.linearizable != nil {
				s.screenObject(s.linearizable, newObjectHistory(key.object), key)
			}
		case transactionObject: // not by itself
			if s.linearizable != nil {
				s.linearizable.undecided = true
			}
		case siblingObject: // Check decides the claims that speak of siblings
			for _, c := range []*screening{s.lostWrites, s.readYourWrites, s.monotonicReads} {
				if c != nil {
					c.undecided = true
				}
			}
		default:
			s.skip()
		}
	}
	if s.convergence != nil {
		s.screenReplicas(s.convergence)
	}
	for _, c := range s.others {
		s.screenOther(c)
	}
	for _, c := range s.screenings {
		slices.SortFunc(c.suspicions, func(a, b Suspicion) int { return cmp.Compare(a.Class, b.Class) })
		suspicions = append(suspicions, c.suspicions...)
		if c.doubtful() {
			doubt = append(doubt, c.claim)
		}
	}
	return suspicions, doubt, nil
}

// Vacuous returns the claims about which the last screened history says
// nothing, since there was nothing to check: Check's verdict is Unknown. That
// such a claim was not refuted counts for nothing.
func (s *Screener) Vacuous() []string {
	var claims []string
	for _, c := range s.screenings {
		if !c.examined && len(c.suspicions) == 0 && !c.doubtful() {
			claims = append(claims, c.claim)
		}
	}
	return claims
}

// doubtful: a violation refutes a claim whatever could not be read, but of a
// key that needs a search Check may find more.
func (c *screening) doubtful() bool {
	return c.undecided || c.skipped && len(c.suspicions) == 0
}

// suspect notes a violation shown last by an operation that began at the time.
func (c *screening) suspect(class, key string, time int64) {
	for i := range c.suspicions {
		old := &c.suspicions[i]
		if old.Class != class {
			continue
		}
		if time < old.Time {
			old.Key, old.Time = key, time
		}
		return
	}
	c.suspicions = append(c.suspicions, Suspicion{Claim: c.claim, Class: class, Key: key, Time: time})
}

// latest is when the last of the operations at these positions began. Positions may be none.
func (s *Screener) latest(positions ...int32) int64 {
	time := never
	for _, p := range positions {
		if p != none {
			time = max(time, s.timeline.operations[p].Start)
		}
	}
	return time
}

// skip notes that a key cannot be judged by any claim about operations.
func (s *Screener) skip() {
	for _, c := range s.aboutOperations() {
		if c != nil {
			c.skipped = true
		}
	}
}

// aboutOperations are the claims that are screened key by key, nil where they are not asked for.
func (s *Screener) aboutOperations() [5]*screening {
	return [...]*screening{s.linearizable, s.lostWrites, s.staleReads, s.readYourWrites, s.monotonicReads}
}

// screenOther decides a claim as Check does, for which the history must be
// short or the claim be asked for knowingly.
func (s *Screener) screenOther(c *screening) {
	result := check(context.Background(), &s.timeline, c.claim, Options{MaximumSiblings: s.MaximumSiblings})
	c.examined = !result.Vacuous
	c.undecided = result.Verdict == Unknown && !result.Vacuous
	for i := range result.Witnesses {
		w := &result.Witnesses[i]
		shown := never
		for _, index := range w.Operations {
			if p, found := slices.BinarySearchFunc(s.timeline.operations, index, func(o history.Operation, index int64) int { return cmp.Compare(o.Index, index) }); found {
				shown = max(shown, s.timeline.operations[p].Start)
			}
		}
		c.suspect(w.Class, w.Key, shown)
	}
}

func (s *Screener) screenRegister(key *keyOperations) {
	if s.aboutOperations() == [5]*screening{} {
		return
	}
	r, t := &s.register, &s.timeline
	if err := r.loadEssences(t.essences, t.operations, key.name, key.positions); err != nil {
		s.skip()
		return
	}
	if s.linearizable != nil && !key.keepsSiblings() && s.screenOrder(s.linearizable) && s.examined() {
		return // a linearizable register violates none of the other claims
	}
	if c := s.staleReads; c != nil {
		r.staleReads(&s.index, func(_, late int32) { c.suspect(classStale, r.key, r.operations[late].start) })
		c.examined = c.examined || s.index.eligible(r) > 0
	}
	if c := s.readYourWrites; c != nil {
		s.sessions.ownWrites(t, r, func(_, late int32) { c.suspect(classOwnWrite, r.key, r.operations[late].start) })
		c.examined = c.examined || s.sessions.eligibleOwn(t, r) > 0
	}
	if c := s.monotonicReads; c != nil {
		s.sessions.backward(t, r, func(_, between, second int32) {
			c.suspect(backwardClass(between), r.key, r.operations[second].start)
		})
		c.examined = c.examined || s.sessions.eligibleRepeated(t, r) > 0
	}
	if c := s.lostWrites; c != nil {
		var counts lostCounts
		s.finals.lost(t, r, key.keepsSiblings(), &counts, func(_ int32, class string) {
			c.suspect(class, r.key, r.operations[s.finals.by[0]].start)
		})
		c.examined = c.examined || counts.acknowledged > 0
	}
}

// examined says whether every claim about operations has had something to examine.
func (s *Screener) examined() bool {
	for _, c := range s.aboutOperations() {
		if c != nil && !c.examined {
			return false
		}
	}
	return true
}

// screenOrder decides whether the register is linearizable. proved: it is.
func (s *Screener) screenOrder(c *screening) (proved bool) {
	r := &s.register
	if r.observations() == 0 {
		return false
	}
	c.examined = true
	found, proved := s.decider.conflicts(r)
	if len(found) == 0 && !proved {
		d := s.decider.decide(r)
		found, proved = d.conflicts, d.proved
	}
	switch {
	case len(found) == 0:
		c.undecided = c.undecided || !proved
		return proved
	case found[0].impossible():
		for _, conflict := range found {
			f := r.impossibleRead(conflict.a, conflict.class)
			c.suspect(f.class, r.key, s.latest(f.older, f.second))
		}
	default:
		// The class of a conflict is that of its smallest witness.
		if s.shrinker == nil {
			s.shrinker = &shrinker{limiter: newLimiter(context.Background(), 0)}
		}
		s.shrinker.begin(s.timeline.operations, r)
		f := s.shrinker.describe(s.shrinker.smallest(found))
		c.suspect(f.class, r.key, s.latest(f.positions...))
		c.undecided = c.undecided || s.shrinker.unsure
	}
	return false
}

// screenObject decides whether an object that is no register is linearizable,
// if that takes no search.
func (s *Screener) screenObject(c *screening, h objectHistory, key *keyOperations) {
	if h.load(s.timeline.operations, key.name, key.positions) != nil {
		c.skipped = true
		return
	}
	if h.observations() == 0 {
		return
	}
	c.examined = true
	found, proved := h.decide()
	for i := range found {
		c.suspect(found[i].class, key.name, s.latest(found[i].positions...))
	}
	c.undecided = c.undecided || !proved && len(found) == 0
}

func (s *Screener) screenSet(key *keyOperations) {
	x, t := &s.set, &s.timeline
	x.load(t.operations, key)
	if c := s.linearizable; c != nil {
		s.screenObject(c, &s.setOrder, key)
	}
	if c := s.staleReads; c != nil {
		eligible := x.stale(func(e *element, absent int32) { c.suspect(classMissing, key.name, s.latest(e.add, e.by, absent)) })
		c.examined = c.examined || eligible > 0
	}
	if c := s.readYourWrites; c != nil {
		eligible := x.own(t, key, func(since expectation, absent int32) {
			c.suspect(classOwnWrite, key.name, s.latest(since.since, absent))
		})
		c.examined = c.examined || eligible > 0
	}
	if c := s.monotonicReads; c != nil {
		eligible := x.shrinking(t, key, func(since expectation, absent int32) {
			c.suspect(classInversion, key.name, s.latest(x.elements[since.element].add, since.since, absent))
		})
		c.examined = c.examined || eligible > 0
	}
	if c := s.lostWrites; c != nil {
		var counts lostCounts
		x.lostElements(&counts, func(e *element) { c.suspect(classLostElement, key.name, s.latest(e.add, e.by, e.absent)) })
		c.examined = c.examined || counts.elements > 0
	}
}

// screenReplicas compares the replicas' dumps.
func (s *Screener) screenReplicas(c *screening) {
	if len(s.timeline.dumps) == 0 {
		return
	}
	d := &s.dumps
	if err := d.load(&s.timeline); err != nil {
		c.skipped = true
		return
	}
	for k := range d.keys {
		replicas := d.homeReplicas(&d.keys[k])
		if len(replicas) < 2 {
			continue
		}
		c.examined = true
		if agree(replicas) {
			continue
		}
		shown := never
		for _, r := range replicas {
			shown = max(shown, s.latest(d.nodes[r.node].position))
		}
		c.suspect(classDivergent, d.keys[k].name, shown)
	}
}
