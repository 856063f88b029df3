package checker

import (
	"fmt"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// The models of Options.Model: what a key of the history is, where that is
// not to be found out from its operations.
const (
	ModelRegister       = "register"
	ModelCASRegister    = "cas-register"
	ModelSet            = "set"
	ModelCounter        = "counter"
	ModelQueue          = "queue"
	ModelUnorderedQueue = "unordered-queue"
	ModelMultiRegister  = "multi-register"
	ModelText           = "text"
)

// ModelDescription describes a model for help output.
type ModelDescription struct {
	// Name is the model as it is written in --model and in Options.Model.
	Name string
	// Description is one sentence: what the object holds and which operations it has.
	Description string
}

// model is a model with the kind of object that it makes of every key.
type model struct {
	ModelDescription
	object object
}

func models() []model {
	return []model{
		{ModelDescription{ModelRegister, "One value: read, write, delete."}, registerObject},
		{ModelDescription{ModelCASRegister, "One value: read, write, delete, and cas, which changes it if it is the expected one."}, registerObject},
		{ModelDescription{ModelSet, "A set that only grows: add, and reads of the whole set."}, setObject},
		{ModelDescription{ModelCounter, "A sum, 0 at first: add of a number, which may be negative, and reads of the sum."}, counterObject},
		{ModelDescription{ModelQueue, "A queue, first in, first out: enqueue, and dequeue, which returns null if the queue is empty."}, queueObject},
		{ModelDescription{ModelUnorderedQueue, "A queue without order: enqueue, and dequeue, which returns any one of the elements, or null if there is none."}, bagObject},
		{ModelDescription{ModelMultiRegister, "Many registers: txn, which reads and writes several of them at one instant."}, transactionObject},
		{ModelDescription{ModelText, "A text, empty at first: read, write, and append at its end."}, textObject},
	}
}

// Models lists the models that Options.Model may name, in the order of the help.
func Models() []ModelDescription {
	var list []ModelDescription
	for _, m := range models() {
		list = append(list, m.ModelDescription)
	}
	return list
}

// ParseModel checks the name of a model; empty is allowed, and means that it is
// found out from the operations of each key. The error lists the known names.
func ParseModel(name string) error {
	_, _, err := lookupModel(name)
	return err
}

// lookupModel returns the kind of object that the model makes of each key.
// forced is false where the model is to be found out.
func lookupModel(name string) (kind object, forced bool, err error) {
	if name == "" {
		return 0, false, nil
	}
	var names []string
	for _, m := range models() {
		if m.Name == name {
			return m.object, true, nil
		}
		names = append(names, m.Name)
	}
	return 0, false, fmt.Errorf("unknown model %q: choose from %s", name, strings.Join(names, ", "))
}

// as makes every key an object of the named model.
func (t *timeline) as(name string) error {
	kind, forced, err := lookupModel(name)
	if err != nil || !forced {
		return err
	}
	for k := range t.keys {
		t.keys[k].object, t.keys[k].why = kind, ""
	}
	return nil
}

// shareKinds corrects the kinds of keys that are known only from the operations
// on other keys: beside texts, what holds text is a text too (empty at first,
// where a register is not found), and a register that transactions use cannot
// be judged by itself.
func (t *timeline) shareKinds() {
	texts, transactions := t.count(textObject) > 0, t.count(transactionObject) > 0
	if !texts && !transactions {
		return
	}
	var used map[string]bool
	if transactions {
		used = t.usedByTransactions()
	}
	for k := range t.keys {
		key := &t.keys[k]
		switch {
		case key.object != registerObject:
		case used[key.name]:
			key.object = transactionObject
		case texts && t.holdsText(key):
			key.object = textObject
		}
	}
}

// holdsText says whether the key has only reads and writes, of texts.
func (t *timeline) holdsText(key *keyOperations) bool {
	for _, p := range key.positions {
		o := &t.operations[p]
		value := o.Input
		if o.F == history.FRead {
			value = o.Output
		} else if o.F != history.FWrite {
			return false
		}
		if _, err := textOf(value); err != nil && value.Kind() != history.Absent {
			return false
		}
	}
	return true
}
