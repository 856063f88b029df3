// Command differential holds the three ways in which this module decides
// whether a register's history is linearizable against one another.
//
// # The problem
//
// A method that decides a million operations in a fraction of a second does
// not try orders; it argues about intervals, and an argument can have a hole that
// shows in one history of a million. Nothing finds such a hole but very many
// small histories, each decided by other means too.
//
// # What it does
//
// It makes random histories of a few operations by a few clients, in named
// mixes: half of them legal by the way they are made (each operation takes
// effect at an instant between its invocation and its completion), the others
// changed afterwards. It asks the method without a search, the search over
// tightened histories, and Porcupine on the operations as they are; and it
// knows of every unchanged history that it is legal. Any disagreement is written to
// a file that "refute check" can read, and ends the program with code 1.
//
//	go run ./checker/differential -for 10m -mix all -seed 1 -operations 3..14 -clients 2..5
//
// The histories follow from the seed, the mix and their number alone, however
// many processors there are. With -for how many there are depends on the machine.
//
// The table says for each mix how many histories were legal, illegal, and left to
// the search by the method without one. Of the mixes marked with * that method must
// leave none: a history that it leaves counts as a disagreement.
package main
