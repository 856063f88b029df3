// Package lease makes faults end. Each fault is granted a time; unless it is
// ended or renewed before, the table undoes it and reports that it did. A
// controller that dies, hangs or loses its connection therefore cannot leave a
// partition or a stopped process behind, and a test that relies on a fault's
// duration can trust an upper bound that does not depend on the controller.
//
// A lease is measured on the monotonic clock. Undoing is retried when it fails,
// a bounded number of times, because nobody else will do it.
package lease
