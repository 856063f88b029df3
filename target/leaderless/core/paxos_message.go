package core

// The bodies of the messages of compare-and-sets; see paxos.go.

// ballotBody goes with MessagePrepare and MessagePropose, and says with
// MessageAccepted whether. With a read of a compare-and-set (paxos-v1) it says
// to which ballot it belongs; its answer repeats it.
type ballotBody struct {
	ballot Version
	flags  byte
	// latest is the greatest ballot that the replica knows.
	latest Version
}

const (
	// ballotYes: the replica accepted.
	ballotYes byte = 1 << iota
	// ballotWrite: the ballot may propose a change.
	ballotWrite
	// ballotRead: the promise is to come with the key's cell.
	ballotRead
	// ballotEmpty: the proposal changes nothing.
	ballotEmpty
	// ballotMaybe: the replica refuses, but may have accepted the very same proposal before: this one came a second time.
	ballotMaybe

	knownBallotFlags = ballotYes | ballotWrite | ballotRead | ballotEmpty | ballotMaybe
)

func (b *ballotBody) is(flag byte) bool { return b.flags&flag != 0 }

func (b *ballotBody) appendTo(buf []byte) []byte {
	buf = append(buf, b.flags)
	buf = appendVersion(buf, b.ballot)
	return appendVersion(buf, b.latest)
}

func (d *decoder) ballotBody() Body {
	b := &ballotBody{flags: d.byte(), ballot: d.version(), latest: d.version()}
	if b.flags&^knownBallotFlags != 0 {
		d.fail("unknown flags of a ballot")
	}
	return b
}

// promiseBody goes with MessagePromise. The message's cell is what the
// replica holds, if that was asked for.
type promiseBody struct {
	ballot Version
	yes    bool
	// latest is the greatest ballot that the replica knew before, write the
	// greatest that it had promised and that may propose a change.
	latest, write Version
	// accepted and committed are what the replica had; both may be zero.
	accepted, committed proposal
}

func (b *promiseBody) appendTo(buf []byte) []byte {
	buf = append(buf, boolByte(b.yes))
	buf = appendVersion(buf, b.ballot)
	buf = appendVersion(buf, b.latest)
	buf = appendVersion(buf, b.write)
	buf = appendCell(append(buf, boolByte(b.accepted.empty)), &b.accepted.cell)
	return appendCell(buf, &b.committed.cell)
}

func (d *decoder) promiseBody() Body {
	b := &promiseBody{yes: d.byte() == 1, ballot: d.version(), latest: d.version(), write: d.version()}
	b.accepted = proposal{empty: d.byte() == 1, cell: d.cell()}
	b.committed.cell = d.cell()
	return b
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func init() {
	for _, kind := range []MessageKind{MessagePrepare, MessagePropose, MessageAccepted, MessageRead, MessageReadAnswer} {
		bodyDecoders[kind] = (*decoder).ballotBody
	}
	bodyDecoders[MessagePromise] = (*decoder).promiseBody
}
