package plan

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
)

// gamma is the odd constant 2^64/φ by which splitmix64 advances its state.
const gamma = 0x9e3779b97f4a7c15

// Draw returns the random number that belongs to an identity: the plan's
// seed, a domain (what the number is for, for instance "generator.key") and
// the identifiers of the thing it is drawn for (a process and the number of
// its operation, a fault's position, …). The same identity always has the
// same number, on every machine and in every version of this package;
// different identities have numbers that look independent and uniform over
// all 64-bit values.
//
// Every draw of a run has an identity. No part of a run takes its numbers one
// after the other from a generator that it shares with another part, because
// then each draw would depend on how many were made before it: removing one
// operation or one fault from a plan would change all the others, and neither
// shrinking nor comparing two runs would mean anything.
//
// The function is a chain of splitmix64's finalizer (Steele, Lea and Flood,
// "Fast splittable pseudorandom number generators", OOPSLA 2014, with the
// constants of Stafford's variant 13). It is fast and well mixed; it is no
// cryptographic hash.
func Draw(seed uint64, domain string, ids ...uint64) uint64 {
	h := mix(seed + gamma)
	// Both lengths are part of the identity, so that no domain or list of
	// identifiers can be continued into another one.
	h = absorb(h, uint64(len(domain))<<32|uint64(len(ids)))
	for len(domain) >= 8 {
		h = absorb(h, binary.LittleEndian.Uint64([]byte(domain[:8])))
		domain = domain[8:]
	}
	if domain != "" {
		var word uint64
		for i := 0; i < len(domain); i++ {
			word |= uint64(domain[i]) << (8 * i)
		}
		h = absorb(h, word)
	}
	for _, id := range ids {
		h = absorb(h, id)
	}
	return mix(h + gamma)
}

// NewRand returns a generator of its own for one identity (see Draw), for the
// places that need many numbers or a distribution: a permutation of the nodes,
// an exponential interval. It must not outlive that identity or be handed to
// another; it is not safe for concurrent use.
func NewRand(seed uint64, domain string, ids ...uint64) *rand.Rand {
	first := Draw(seed, domain, ids...)
	return rand.New(rand.NewPCG(first, mix(first^gamma)))
}

// absorb adds a word to the state. For one state it is a bijection of the
// word, so that two identities that differ in one place never collide there.
func absorb(h, word uint64) uint64 { return mix((h ^ word) + gamma) }

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// NodeNames returns the names of a target's nodes: n1, n2, … up to n. It is
// empty for n < 1.
func NodeNames(n int) []string {
	names := make([]string, 0, max(n, 0))
	for i := 1; i <= n; i++ {
		names = append(names, "n"+strconv.Itoa(i))
	}
	return names
}
