// Command leaderless runs one node of the leaderless store:
//
//	leaderless --name n1 --peers n1=10.0.0.1:7000,n2=10.0.0.2:7000,n3=10.0.0.3:7000 --data /data --set w=2
//
// It ends with status 0 on SIGTERM or SIGINT, after its log is flushed; with 2
// on wrong usage; with 1 when it can't start or can't go on.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/refute-lab/refute/target/leaderless/core"
	"github.com/refute-lab/refute/target/leaderless/server"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// usageError is an error of the command line.
type usageError struct{ error }

// options are what the command line says.
type options struct {
	config         server.Config
	clients, nodes string // addresses to listen at
	peersText      string
	settings       settingsFlag
	usable         bool
}

// run is main without the process around it.
func run(arguments []string, stdout, stderr io.Writer) int {
	options, err := parse(arguments, stdout)
	if err == nil && options.usable {
		err = serve(options, stderr)
	}
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "leaderless: %v (--help lists the flags)\n", err)
		return 2
	}
	fmt.Fprintf(stderr, "leaderless: %v\n", err)
	return 1
}

// parse reads the command line; options.usable is false when only help was asked for.
func parse(arguments []string, stdout io.Writer) (*options, error) {
	o := &options{settings: settingsFlag{}}
	flags := flag.NewFlagSet("leaderless", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	flags.StringVar(&o.config.Name, "name", "", "this node's `name`, one of --peers")
	flags.StringVar(&o.peersText, "peers", "", "all nodes, this one included, as `name=host:port,…`, in the same order on every node")
	flags.StringVar(&o.clients, "client-listen", ":8080", "`address` at which clients are served (HTTP)")
	flags.StringVar(&o.nodes, "peer-listen", "", "`address` at which other nodes are served (default: the port of this node in --peers, on all interfaces)")
	flags.StringVar(&o.config.Data, "data", "", "`directory` of the durable log")
	flags.StringVar(&o.config.Restore, "restore", "", "`directory` of a snapshot to make the log of, which must be empty or restored from the same snapshot before")
	flags.Var(o.settings, "set", "a `setting=value`; may be repeated")
	err := flags.Parse(arguments)
	if errors.Is(err, flag.ErrHelp) {
		printHelp(flags, stdout)
		return o, nil
	}
	if err != nil {
		return nil, usageError{err}
	}
	if flags.NArg() > 0 {
		return nil, usageError{fmt.Errorf("unexpected argument %q: everything is given by flags", flags.Arg(0))}
	}
	if err := o.complete(); err != nil {
		return nil, usageError{err}
	}
	o.usable = true
	return o, nil
}

// complete checks the options and derives those that are not given.
func (o *options) complete() error {
	var names []string
	for item := range strings.SplitSeq(o.peersText, ",") {
		name, address, ok := strings.Cut(item, "=")
		if !ok || name == "" {
			return fmt.Errorf("--peers %q: %q is not name=host:port", o.peersText, item)
		}
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return fmt.Errorf("--peers: the address of %s: %w", name, err)
		}
		if name == o.config.Name && o.nodes == "" {
			o.nodes = net.JoinHostPort("", port)
		}
		names = append(names, name)
		o.config.Peers = append(o.config.Peers, server.Peer{Name: name, Address: address})
	}
	switch {
	case o.config.Name == "":
		return errors.New("--name is missing: want one of --peers")
	case o.nodes == "":
		return fmt.Errorf("--name %s is not one of --peers %s", o.config.Name, o.peersText)
	case o.config.Data == "":
		return errors.New("--data is missing: want the directory of the durable log")
	}
	o.config.Settings = o.settings
	_, err := core.ParseSettings(names, o.settings)
	return err
}

// serve runs the node until it is told to end or can't go on.
func serve(o *options, stderr io.Writer) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	defer signal.Stop(signals)
	var err error
	if o.config.Nodes, err = net.Listen("tcp", o.nodes); err != nil {
		return fmt.Errorf("listen for nodes: %w", err)
	}
	if o.config.Clients, err = net.Listen("tcp", o.clients); err != nil {
		return errors.Join(fmt.Errorf("listen for clients: %w", err), o.config.Nodes.Close())
	}
	o.config.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	o.config.FirstIncarnation = firstIncarnation(time.Now())
	node, err := server.Start(o.config)
	if err != nil {
		return err
	}
	select {
	case <-signals:
	case <-node.Failed():
	}
	return node.Close()
}

// settingsFlag collects --set.
type settingsFlag map[string]string

// String is part of flag.Value.
func (s settingsFlag) String() string { return "" }

// Set is part of flag.Value.
func (s settingsFlag) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return errors.New("want setting=value")
	}
	if _, twice := s[name]; twice {
		return fmt.Errorf("%s is set twice", name)
	}
	s[name] = value
	return nil
}

// printHelp lists the flags and the settings.
func printHelp(flags *flag.FlagSet, w io.Writer) {
	fmt.Fprintln(w, "leaderless runs one node of a leaderless key-value store.\n\nFlags:")
	flags.SetOutput(w)
	flags.PrintDefaults()
	fmt.Fprintln(w, "\nSettings (--set name=value):")
	for _, s := range core.Describe() {
		fmt.Fprintf(w, "  %-16s %s\n  %-16s values: %s; default: %s\n", s.Name, s.Help, "", s.Values, s.Default)
	}
}

// firstIncarnation is the incarnation of a node with an empty directory: the
// seconds since 2025. It may be its first life, or the disk of all its earlier
// ones is lost; then this number is greater than any of theirs, unless it was
// started more often than once a second on average, or the clock is wrong.
func firstIncarnation(now time.Time) uint32 {
	since := now.Sub(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))
	return uint32(min(max(int64(since/time.Second), 1), 1<<31))
}
