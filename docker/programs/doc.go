// Package programs finds the static Linux programs that run inside containers:
// the agent and the bundled stores.
//
// A container engine may be of another architecture than the controller's
// machine, and a controller may be a downloaded release, a `go install`ed binary
// or `go run .` in a clone. So a program is looked for in three ways, in order:
//
//  1. as a file named Name, or Name-linux-ARCH, in $REFUTE_PROGRAMS or next to
//     the running executable: the layout of a release;
//  2. by building it with the Go toolchain from this module's own source, into
//     the user's cache directory, where Go's build IDs make a second build of
//     the same source quick and an outdated one impossible;
//  3. otherwise there is one error that says what was tried and what to do.
//
// What is found is checked: an ELF file for the engine's architecture, without an
// interpreter, because the image it goes into holds nothing else.
package programs
