package core

import "fmt"

// admin begins what an operator asks for, or says why it can't.
func (n *Node) admin(a *Admin) {
	switch a.Kind {
	case AdminJoin, AdminReplace:
		n.answerAdmin(a, n.adminJoin(a, a.Kind == AdminReplace))
	case AdminLeave:
		n.answerAdmin(a, n.adminLeave())
	case AdminVersions:
		n.startSurvey(a)
	case AdminRepair:
		n.demandRepair(a)
	default:
		n.answerAdmin(a, fmt.Sprintf("unknown command %d", a.Kind))
	}
}

// answerAdmin replies to an operator; an empty problem says that the command has begun.
func (n *Node) answerAdmin(a *Admin, problem string) {
	r := next(&n.out.Replies)
	r.ID, r.Status = a.ID, StatusOK
	if problem != "" {
		r.Status, r.Code, r.Message = StatusDefinite, CodeBadRequest, problem
	}
}
