// Package history is the record of a run: its events and operations, the file
// in which they are kept, and the reading of Jepsen's files.
//
// # The problem
//
// Everything that refute says about a store is derived from one history. If
// the history is wrong, so is the verdict, and nobody notices: a lost line or
// a process number used twice makes an innocent store look guilty, or hides a
// guilty one. The history must also survive the death of the program that
// writes it, since the most interesting runs are those that end badly, and a
// million operations must fit in the memory of a small machine beside the
// checkers' own data.
//
// # The model
//
// It is Jepsen's. An event is the invocation of an operation by a process or
// its completion: ok (it happened), fail (it did not and never will), info
// (nobody knows; it may still happen). A process has one operation at a time;
// after info it is retired and its client goes on under a new number. The
// nemesis is a process too, but its operations may overlap and are paired by f
// and key. An operation is both events together; where the completion is info
// or missing it has no end.
//
// A register whose store keeps concurrent values side by side returns Versions:
// all of them, with the dots of their writes and a causal context.
//
// # The file
//
// history.jsonl has one JSON object a line, in the order of the events:
//
//	{"index":3,"time":30417,"process":0,"type":"ok","f":"write","key":"x","value":1,"node":"n1","evidence":{…}}
//
// index counts from 0 without gaps; time is in nanoseconds since the run's
// start on one monotonic clock; process is a number or "nemesis"; key, value,
// error, node and evidence are left out where there are none (a value that is
// null is another thing: a read that found nothing). Lines of text were chosen
// over a denser form because they can be read by any tool and by the eye, can
// be cut anywhere, and lose one event when a write is cut short. The price is
// about 350 bytes an event with evidence, a third of that when gzipped.
//
// # Writing
//
// A Writer hands each event to the kernel with one write, encoded by hand
// without reflection or allocation, and refuses events that break the rules:
// an error there is a bug of the recorder, and must not wait for the check.
//
// # Reading
//
// A history is validated as it is read, from whatever source, so that no
// checker ever sees one that breaks the rules. The first fault ends the
// reading with a FormatError, one line with place, cause and remedy. The one
// thing forgiven is a last line that was cut, which is what a killed run leaves:
// it is dropped with a warning. A history without any operation is an error,
// because a check of nothing must not pass.
//
// Operations come in the order of invocation, as every checker wants them, so
// each must wait for the completion of those before it. With the operation
// that spans the whole main phase this would hold back everything; a File
// therefore looks once over the beginnings of all lines for the completions of
// the nemesis (and for the count, and some offsets, which are needed anyway)
// and then needs memory for the operations that are open at a time only, and a
// small record for each process. It pays with a second look at every byte,
// about a tenth of the time.
//
// Files of hundreds of megabytes are read in seconds by three means. The file
// is cut into blocks of whole lines, which one worker for each processor
// decodes beside the others; pairing and validation then go through the blocks
// in order, one event after the other, so that they are as strict as ever and a
// fault names the same line. Nearly every line was written by a Writer: it is
// compared with the form that a Writer gives it (fields in one order, no
// spaces, no escapes), and only what differs in the least is left to the
// decoder for all of JSON; the two are held to one another by tests and by
// fuzzing. And the memory of operations that nobody keeps is used again. A
// stream (ReadOperations) is read by one goroutine, line by line, since what
// cannot be read twice is not to be read further than asked for.
//
// Evidence, the largest part of a history, is left in the file; an
// EvidenceReader fetches it for the few operations of a witness.
//
// # Jepsen's files
//
// Open and ReadOperations tell the format by the content: JSONL, Jepsen's
// history.edn (maps one after the other or in one vector, with or without the
// tag of jepsen.history.Op), Porcupine's key-value logs, which are such maps
// with :key, or the operations in a Jepsen log or history.txt; each plain or
// gzipped. What Jepsen does differently is translated:
//
//   - Values [key value] of independent workloads, which nothing marks as such,
//     are recognised by the form that an invocation's value must have, and
//     opened; without them the key is empty. A map with :key has no such values.
//   - Both ends of a nemesis operation are info in Jepsen. Of two with one f
//     the first becomes the invocation, the second its ok completion, unless it
//     has an error.
//   - Times and indexes may be missing; then the order of the maps counts. It
//     counts too where times go back, as they do a little in old files.
//   - :r, :get and :w, :put become read and write. A txn [[:r x nil] [:w y 1]], the
//     only operation whose :f may be missing, becomes [["r","x",null],["w","y",1]].
//   - Sets and vectors of integers become lists; other values JSON that says the
//     same, where there is any, else their text.
//
// The rules of processes and completions are the same as for refute's own files.
//
// # Writing EDN
//
// File.WriteEDN writes any history, of whatever format, for the users of
// Knossos or Elle. What Jepsen leaves to the reader's guess (is [1 2] a value,
// or a key and a value?) must come back as it was, so each event is read again
// before it is written, by the code that reads files; where the usual form
// would be mistaken the key gets a field of its own. For Elle, whose inference
// rests on unique values and on the order of appends, a history for which that
// does not hold is refused rather than written: its anomalies would be ours.
package history
