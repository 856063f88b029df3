//go:build !(linux && amd64)

package clock

import "context"

func execute(options, []string, []string) error { return ErrUnsupported }

func mainHelper([]string) int { return fail(ErrUnsupported) }

func mainReading() int { return fail(ErrUnsupported) }

func probe(context.Context) error { return ErrUnsupported }
