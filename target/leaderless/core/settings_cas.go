package core

import (
	"errors"
	"fmt"
)

// CAS is the protocol of compare-and-sets.
type CAS uint8

// The protocols; see lightweight.go.
const (
	// CASOff refuses them.
	CASOff CAS = iota
	CASPaxosV1
	CASPaxosV2
)

var casNames = []string{CASOff: "off", CASPaxosV1: "paxos-v1", CASPaxosV2: "paxos-v2"}

// String returns the protocol as it is written in settings.
func (c CAS) String() string { return enumName(casNames, int(c)) }

// CASSettings are the settings of compare-and-set.
type CASSettings struct {
	// CAS is how compare-and-sets and serial reads agree on one order.
	CAS CAS
	// CASExpiry is after how much time without a change, by its wall clock, a
	// replica forgets what it promised, accepted and saw committed of a key; 0:
	// never. Cassandra's first generation writes that state with a time to
	// live, gc_grace of the table and at least three hours (paxosTtlSec), since
	// else every key that ever had a compare-and-set would cost memory for
	// ever; its second removes it when a repair has shown that all is done.
	CASExpiry int64
}

// casRows are their rows of the table.
var casRows = []settingRow{
	choice("cas", "off", casNames, "Compare-and-set and serial reads by consensus: none, Cassandra's lightweight transactions before 4.1 (paxos-v1), or since (paxos-v2).",
		func(s *Settings) *CAS { return &s.CAS }),
	longDuration("cas-expiry", "0s", "With cas=paxos-v1, after how much time without a change a replica forgets a key's ballots and unfinished proposals; 0s: never.",
		func(s *Settings) *int64 { return &s.CASExpiry }),
}

// check finds what is wrong between these settings and others.
func (c *CASSettings) check(s *Settings) error {
	if c.CASExpiry != 0 && c.CAS != CASPaxosV1 {
		return errors.New("cas-expiry with cas=" + c.CAS.String() + ": only paxos-v1 forgets its state after a time; set cas=paxos-v1 or cas-expiry=0s")
	}
	if c.CAS != CASOff && (s.DataType != DataTypeRegister || s.Resolver != ResolverLWW) {
		return fmt.Errorf("cas=%s where keys are more than the newest value: ballots order whole values of registers; set data-type=register and resolver=lww, or cas=off", c.CAS)
	}
	return nil
}
