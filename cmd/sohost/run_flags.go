package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/sohost/sohost/internal/server/control"
	"github.com/sohost/sohost/internal/server/supervisor"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// runFlags are the flags of `sohost run`, and the configuration that results from them.
type runFlags struct {
	*config
	file      string
	plugins   []string
	logFormat string
	verbose   bool

	amendments *amendments
	changed    bool // by an amendment that is new
	amended    []control.Amended
	forget     []string // see sohost.Configuration
}

// add adds the flags to a command: one for each setting, and a few that sohost.toml doesn't have.
func (r *runFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false // related flags stand together
	f.StringVar(&r.file, "config", "", "configuration `file` (default "+defaultConfig+", if it exists)")
	f.StringArrayVar(&r.plugins, "plugin", nil, "serve `NAME=FILE`, with any of ,mode=dev ,route=/PATH ,probe=unwalled ,api=API ,cut_after=DURATION ,arg.KEY=VALUE ,sink=NAME ,disabled=true ,trigger=SPEC after it "+
		"(default mode prod, route /NAME); may be repeated")
	for _, s := range newConfig().settings {
		flag := f.VarPF(&givenFlag{kind: s.value.kind}, s.flag(), "", s.help)
		flag.DefValue = s.standard()
		if s.value.kind == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	f.StringVar(&r.logFormat, "log-format", "text", "`format` of the log: text or json")
	f.BoolVarP(&r.verbose, "verbose", "v", false, "also log events that need no action")
}

// givenFlag keeps the text of a flag. It is parsed after the configuration file, together with all others, so that every
// fault is reported.
type givenFlag struct{ kind, text string }

func (g *givenFlag) String() string        { return g.text }
func (g *givenFlag) Type() string          { return g.kind }
func (g *givenFlag) Set(text string) error { g.text = text; return nil }

// load reads the configuration and lays over it the flags, and then what commands have changed. Its error lists every fault of the file,
// or, if there are none, every fault of the rest.
func (r *runFlags) load(cmd *cobra.Command) error { return r.read(cmd, supervisor.Reading{}) }

// read is load of a certain reading, whose store counts if it names one.
func (r *runFlags) read(cmd *cobra.Command, which supervisor.Reading) error {
	text, err := r.textOf(which)
	if err != nil {
		return err
	}
	c, err := configOf(r.file, text)
	if err != nil {
		return err
	}
	r.config = c
	var errs []error
	for _, s := range c.settings {
		flag := cmd.Flags().Lookup(s.flag())
		if !flag.Changed {
			continue
		}
		if err := s.value.fromFlag(flag.Value.String()); err != nil {
			errs = append(errs, fmt.Errorf("--%s %s: %w", flag.Name, flag.Value, err))
		}
	}
	errs = append(errs, r.addPlugins())
	if r.listensByDefault() {
		r.Listen = defaultListen
	}
	if r.Plugins == "" && len(r.Plugin) == 0 {
		r.Plugins = r.pluginsDir()
	}
	if err := r.locate(); err != nil {
		return err
	}
	if err := errors.Join(append(errs, r.amend(which))...); err != nil {
		return usageError{err}
	}
	return nil
}

// textOf returns the text that is to be read.
func (r *runFlags) textOf(which supervisor.Reading) ([]byte, error) {
	kept := readKeptConfig(which.Store)
	if which.Back {
		return kept.readBefore()
	}
	if which.Served {
		text, err := os.ReadFile(kept.served())
		if !errors.Is(err, fs.ErrNotExist) { // as after a program that has kept none
			return text, err
		}
	}
	return configText(r.file)
}

// amend lays what commands have changed over the configuration, and checks it as a whole.
func (r *runFlags) amend(which supervisor.Reading) (err error) {
	store := cmp.Or(which.Store, r.Store)
	if r.amendments, err = loadAmendments(store); err != nil {
		return err
	}
	if r.changed = which.Amend != nil; r.changed {
		if r.forget, err = r.amendments.change(r.config, which.Amend); err != nil {
			return err
		}
	}
	r.amended, err = r.amendments.apply(r.config)
	errs := []error{err}
	r.route()
	bad := func(_ keyPath, text string) { errs = append(errs, errors.New(text)) }
	r.clashes(bad)
	r.unknownSinks(bad)
	r.loops(bad)
	r.checkConsole(bad)
	if err = errors.Join(errs...); err == nil || which.Amend != nil || len(r.amended) == 0 {
		return err
	}
	var b strings.Builder
	printAmended(&b, r.amended)
	return fmt.Errorf("%w\n%skept in %s: if that is at fault, and `sohost plugin` can't change it, remove the file", err, &b, amendmentsFile(store))
}

// addPlugins adds the plugins of the command line. Each replaces the one of that name in the configuration.
func (r *runFlags) addPlugins() error {
	var errs []error
	given := map[string]bool{}
	for _, arg := range r.plugins {
		name, p, err := parsePlugin(arg)
		if err == nil && given[name] {
			err = fmt.Errorf("plugin %s is named twice", name)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("--plugin %s: %w", arg, err))
			continue
		}
		given[name] = true
		r.Plugin[name] = p
	}
	return errors.Join(errs...)
}

var _ pflag.Value = (*givenFlag)(nil)
