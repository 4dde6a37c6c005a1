package build

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/native"
)

// surveyed holds what is known before a plan is made.
type surveyed struct {
	env      goEnv
	all      map[string]string // all that was asked of go env
	flags    buildFlags
	host     host
	process  *native.Process // a new process of the host
	exe      *native.Info    // the host's file
	target   target
	listing  *listing
	command  goCommand
	settings []string // flags and variables that determine the image besides the sources
	base     string   // file names in messages are relative to it

	overlay    string // the file that says where the generated package main of a library is, or ""
	watch      *stopwatch
	remembered bool                // env, all and listing are from an earlier build
	scanned    map[string]*scanned // what is known of sources that don't change, by import path
}

// survey asks the go command about itself and about the package.
func survey(ctx context.Context, opts Options, h host) (*surveyed, error) {
	s := &surveyed{host: h, base: opts.Dir, watch: opts.watch}
	var err error
	if s.target, err = opts.target(); err != nil {
		return nil, err
	}
	s.command = goCommand{path: opts.Go, dir: s.target.dir, env: opts.Env, log: opts.Log}
	key, asked := memoKey(opts, h, s.target), time.Now()
	known := (*memo)(nil)
	if !opts.forget {
		known = recall(key)
	}
	if s.remembered = known != nil; s.remembered {
		s.env, s.all, s.scanned = known.Env, known.All, known.Scanned
	} else if s.env, s.all, err = readGoEnv(ctx, s.command); err != nil {
		return nil, noGo(err, h)
	}
	if s.flags, err = readGOFLAGS(s.env.GOFLAGS, h); err != nil {
		return nil, err
	}
	if opts.LDFlags != "" {
		s.flags.ldflags = []string{opts.LDFlags} // of several -ldflags the go command uses the last
	}
	if err := checkLDFlags(s.flags.ldflags); err != nil {
		return nil, err
	}
	tags := slices.Concat(h.tags, s.flags.tags, opts.Tags)
	slices.Sort(tags)
	s.flags.tags = slices.Compact(tags)
	s.command.env = buildEnv(opts.Env, s.env, s.flags, h)

	// The toolchain, the architecture and the host's flags are already part of every package's action id.
	s.settings = slices.Concat(s.flags.ldflags, s.flags.gcflags)
	for _, k := range append([]string{"CC", "CXX"}, cgoSettings...) {
		s.settings = append(s.settings, k+"="+s.all[k])
	}
	if s.remembered {
		s.listing = &listing{main: known.Packages[len(known.Packages)-1], all: known.Packages}
		return s, nil
	}
	if s.listing, err = list(ctx, s.command, s.target, s.commonFlags()); err == nil {
		err = s.wrapLibrary(ctx, opts)
	}
	if err == nil {
		remember(key, asked, s)
	}
	return s, err
}

// commonFlags returns the build flags for both listing and building.
func (s *surveyed) commonFlags() []string {
	flags := append([]string{fmt.Sprintf("-trimpath=%t", s.host.trimpath)}, s.host.flags...)
	if s.overlay != "" {
		flags = append(flags, "-overlay="+s.overlay)
	}
	if len(s.flags.tags) > 0 {
		flags = append(flags, "-tags="+strings.Join(s.flags.tags, ","))
	}
	return flags
}
