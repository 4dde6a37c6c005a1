package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/internal/build"
	"github.com/sohost/sohost/internal/dryrun"
	"github.com/sohost/sohost/internal/scratch"
	"github.com/sohost/sohost/internal/server/control"
	"github.com/spf13/cobra"
)

// testOptions are the flags of `sohost test`.
type testOptions struct {
	steps
	order       dryrun.Order
	specs       []string
	triggerArgs map[string]string
	onError     string
	state       string   // a file
	answers     []string // files
	expect      string   // a file
	expected    []byte   // what is in it
	api         string   // of a package
	server      bool
}

func newTestCommand() *cobra.Command {
	o := &testOptions{}
	cmd := &cobra.Command{
		Use:   "test IMAGE|PACKAGE|PLUGIN",
		Short: "Call a plugin with given input, away from any server, and show what it does",
		Long: `Test calls a plugin in a process of its own that is thrown away, and prints what it answered, emitted, logged, cached and asked,
and how its state changed. The process can neither write files nor connect nor signal, so nothing of a running server, of its store
or of the network is touched. IMAGE is a file; a PACKAGE's directory is built first, to a file that is thrown away, too.

The calls are made in the order of their flags: --write with a file of line protocol, --schedule with a time or "now", --request
with a method and a path in one argument, such as "GET /counter". --body and --header belong to the request before them. A file
"-" is the standard input.

Test exits with 1 if the plugin can't be loaded, or if a call returns an error, panics, hangs or ends the process; an answer is none
of that, whatever its status. With --expect it does so, too, if the emitted rows are others than those of a file, in any order.

With --server, PLUGIN is one of a running server: the image that serves is called, with the arguments of the server's
configuration, in a process that the server starts.`,
		Example: `  sohost test build/plugins/rollup.so --write points.lp --schedule now
  sohost test ./plugins/counter --arg step=2 --request "GET /counter" --request "GET /counter/total"
  sohost test rollup.so --request "POST /rollup?full=1" --body query.json --header "Content-Type: application/json"
  sohost test rollup.so --state store/state/rollup.cbor --trigger write:cpu --write - --expect golden.lp
  sohost test --server counter --request "GET /counter"`,
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	o.steps.bind(f)
	f.StringToStringVar(&o.order.Args, "arg", nil, "an argument of the plugin, `KEY=VALUE`; may be repeated")
	f.StringVar(&o.order.Plugin, "name", "", "`name` that the plugin finds (default: that of the image)")
	f.StringVar(&o.state, "state", "", "`file` with the checkpoint to begin from (default: without state)")
	f.StringArrayVar(&o.specs, "trigger", nil, "`spec` of the trigger that calls are made for; once for each kind (default write:*, every:1m, and a route)")
	f.StringToStringVar(&o.triggerArgs, "trigger-arg", nil, "an argument of these triggers, `KEY=VALUE`; may be repeated")
	f.StringVar(&o.onError, "on-error", "", "say what this `policy` would do after an error: log, retry or disable (default log)")
	f.StringVar(&o.order.Database, "database", "", "`name` of the database that rows are written to (default test)")
	f.StringArrayVar(&o.answers, "query-answer", nil, "`file` of line protocol that the next query gets; may be repeated. Further queries are refused")
	f.StringVar(&o.expect, "expect", "", "compare the emitted rows with this `file` of line protocol")
	apiFlag(cmd, &o.api)
	f.DurationVar(&o.order.Timeout, "timeout", 10*time.Second, "limit for each call of the plugin's code")
	f.BoolVar(&o.server, "server", false, "call a plugin of a running server, in a process that this starts")
	server, asJSON := connect(cmd), jsonFlag(cmd)
	cmd.RegisterFlagCompletionFunc("on-error", cobra.FixedCompletions(
		[]cobra.Completion{"log", "retry", "disable"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if o.server {
			return completePlugins(server)(cmd, args, begun)
		}
		return completeImages(cmd, args, begun)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		if err := o.read(cmd); err != nil {
			return err
		}
		r, err := o.run(ctx, cmd, args[0], server)
		if err != nil {
			return err
		}
		return o.report(cmd, r, *asJSON)
	}
	return cmd
}

// read reads the files that the flags name, before anything is built or run.
func (o *testOptions) read(cmd *cobra.Command) (err error) {
	in := &inputs{stdin: cmd.InOrStdin()}
	if len(o.steps.all) == 0 {
		return seeHelp(cmd, errors.New("nothing to call the plugin with: want --write, --schedule or --request"))
	}
	if o.server && o.order.Plugin != "" {
		return seeHelp(cmd, errors.New("with --server the plugin has the name that it has there: leave out --name"))
	}
	if o.order.Steps, err = o.steps.read(in); err != nil {
		return err
	}
	if o.state != "" {
		if o.order.State, err = in.read("--state", o.state); err != nil {
			return err
		}
		if what := foreign(o.order.State[:min(len(o.order.State), 16)]); what != "" || len(o.order.State) == 0 {
			return fmt.Errorf("--state %s is %s, and no state of a plugin; those are in a store's folder state", o.state, cmp.Or(what, "empty"))
		}
	}
	for _, file := range o.answers {
		text, err := in.read("--query-answer", file)
		if err != nil {
			return err
		}
		o.order.Answers = append(o.order.Answers, text)
	}
	if o.expect != "" {
		if o.expected, err = in.read("--expect", o.expect); err != nil {
			return err
		}
	}
	for _, spec := range orDefaultSpecs(o.specs, o.onError != "" || len(o.triggerArgs) > 0) {
		t := sohost.Trigger{Spec: spec, Args: o.triggerArgs, OnError: sohost.TriggerPolicy(o.onError)}
		o.order.Triggers = append(o.order.Triggers, t)
	}
	return nil
}

// orDefaultSpecs returns the specs, and those of the default triggers if they are to have something that isn't default.
func orDefaultSpecs(specs []string, changed bool) []string {
	if changed {
		return append(specs[:len(specs):len(specs)], "write:*", "every:1m")
	}
	return specs
}

// run calls the plugin, here or by the server.
func (o *testOptions) run(ctx context.Context, cmd *cobra.Command, what string, server clientFunc) (dryrun.Result, error) {
	if o.server {
		client, err := server()
		if err != nil {
			return dryrun.Result{}, err
		}
		client.Patience.Doing = "calling plugin " + what
		o.order.Plugin = what
		return client.Test(ctx, control.TestRequest{Order: o.order})
	}
	info, err := os.Stat(what)
	if err != nil {
		return dryrun.Result{}, fmt.Errorf("%w; to call a plugin of a running server, use --server", err)
	}
	if o.order.Plugin == "" {
		o.order.Plugin = strings.TrimSuffix(imageName(what), ".so")
	}
	if o.order.Image, err = filepath.Abs(what); err != nil {
		return dryrun.Result{}, err
	}
	if info.IsDir() {
		dir, remove, err := scratch.New("sohost-test")
		if err != nil {
			return dryrun.Result{}, err
		}
		defer remove()
		o.order.Image = filepath.Join(dir, o.order.Plugin+".so")
		if err := o.build(ctx, cmd, what); err != nil {
			return dryrun.Result{}, err
		}
	}
	r, err := dryrun.Run(ctx, o.order)
	if errors.Is(err, dryrun.ErrOrder) {
		err = usageError{err}
	}
	return r, err
}

// build builds a package to the order's image.
func (o *testOptions) build(ctx context.Context, cmd *cobra.Command, pkg string) error {
	progress := newProgress(cmd.ErrOrStderr(), "building")
	defer progress.stop()
	item := progress.begin(imageName(pkg))
	_, err := build.Build(ctx, build.Options{Package: pkg, API: o.api, Output: o.order.Image, Log: progress, Compiling: item.compiling})
	item.end()
	if ce := (*build.CompileError)(nil); errors.As(err, &ce) {
		fmt.Fprintln(cmd.ErrOrStderr(), complaints(ce))
		return fmt.Errorf("%s not built; nothing was called", imageName(pkg))
	}
	return err
}
