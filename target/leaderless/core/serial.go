package core

import "fmt"

// Who takes part in consensus, and which requests ask for it.

// serial says that a get asks for what compare-and-sets have decided.
func (n *Node) serial(q *Request) bool {
	return q.Level == LevelSerial || q.Level == LevelLocalSerial
}

// localSerial says that only the coordinator's data centre takes part: two data
// centres that do so at a time decide apart from one another.
func (n *Node) localSerial(q *Request) bool { return q.Level == LevelLocalSerial }

// participates says whether the leg's replica takes part.
func (n *Node) participates(t *transaction, l *leg) bool { return true }

// serialProblem says why a compare-and-set or a serial read could never be carried out.
func (n *Node) serialProblem(q *Request, u quorum) string {
	switch {
	case n.settings.CAS == CASOff:
		return fmt.Sprintf("level %s: there is nothing that compare-and-sets have decided with cas=off; set cas=paxos-v2", q.Level)
	case u.n != n.settings.N:
		return fmt.Sprintf("n=%d with a ballot: all must ask the same n=%d replicas, or two majorities need not meet", u.n, n.settings.N)
	case q.Kind == RequestGet:
		return ""
	case q.Level != LevelNumbers && q.Level != LevelSerial && q.Level != LevelLocalSerial:
		return fmt.Sprintf("level %s of a compare-and-set: it is decided at serial or local-serial, and committed at the write's quorum", q.Level)
	case q.Condition != nil && q.Condition.Kind > lastConditionKind:
		return fmt.Sprintf("unknown kind of condition %d", q.Condition.Kind)
	case q.Operand != nil && q.Operand.Kind != OperandDrop:
		return fmt.Sprintf("a compare-and-set with the operand %d: it writes the value, or deletes the key with OperandDrop", q.Operand.Kind)
	}
	return ""
}
