package core

import "fmt"

// Who takes part in consensus. At serial these are all home replicas of the
// key, at local-serial those of the coordinator's data centre, which saves the
// way to the others: but two data centres that do so at a time decide apart
// from one another, and what they decided is then merged as plain writes are.
// A cluster of several data centres keeps to one of the two, or to one data
// centre for each key.
//
// A compare-and-set has two levels, as in Cassandra: the one of its ballots,
// which is serial unless the request, or else the setting read-level, says
// local-serial; and that of its commit, which is that of any write.

// quorumLevel is the level that the request asks of a plain quorum: not that of the ballots.
func (q *Request) quorumLevel() Level {
	if q.Kind == RequestCompareAndSet && q.Level.Serial() {
		return LevelNumbers
	}
	return q.Level
}

// localSerial says that only the coordinator's data centre takes part in the ballots.
func (n *Node) localSerial(q *Request) bool {
	if q.Level.Serial() {
		return q.Level == LevelLocalSerial
	}
	return n.settings.ReadLevel == LevelLocalSerial
}

// participates says whether the leg's replica takes part.
func (n *Node) participates(t *transaction, l *leg) bool {
	return !t.local || n.settings.Datacenter(l.node) == n.settings.Datacenter(n.id)
}

// serialProblem says why a compare-and-set or a serial read could never be carried out.
func (n *Node) serialProblem(q *Request, u quorum) string {
	switch {
	case n.settings.CAS == CASOff:
		return fmt.Sprintf("level %s, but with cas=off no value is ever decided by consensus: set cas=paxos-v2 or use another level", u.level)
	case u.n != n.settings.N:
		return fmt.Sprintf("n=%d with a ballot: all must ask the same n=%d replicas, or two majorities need not meet", u.n, n.settings.N)
	case q.Condition != nil && q.Condition.Kind > lastConditionKind:
		return fmt.Sprintf("unknown kind of condition %d", q.Condition.Kind)
	case q.Operand != nil && q.Operand.Kind != OperandDrop && q.Kind == RequestCompareAndSet:
		return fmt.Sprintf("a compare-and-set with the operand %d: it writes the value, or deletes the key with OperandDrop", q.Operand.Kind)
	}
	return ""
}
