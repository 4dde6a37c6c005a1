package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"github.com/sohost/sohost/internal/build"
	"github.com/spf13/cobra"
)

func newBuildCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build [PACKAGE...]",
		Short: "Build plugins that load beside every other build of theirs",
		Long: `Build makes plugin images in which only the standard library and the sohost contract are shared with the server. All
other packages get a path of their own, told by their content, so that an image can have its own versions of them and loads
beside every earlier one.

PACKAGE is the directory of a package main, of any module, or an import path; by default it is the current directory. The
image is built with the toolchain and the flags of the server that will load it: this executable, or the one named by --host.
An image that the server could not load is not put in place.

The plugin's own packages, those in its directory and below, are new in every generation: their variables are set anew and
their init functions run. Generations share other packages while their content is the same; --fresh and --share change that.`,
		Example: `  sohost build ./plugins/counter
  sohost build ./plugins/*
  sohost build --host ./myserver -o /srv/plugins/ ../shop/cmd/prices
  sohost build --fresh example.com/shop/... ./cmd/prices`,
	}
	var opts build.Options
	f := cmd.Flags()
	output := f.StringP("output", "o", "", "`file` to write, or a directory if it ends in a slash (default build/plugins/<name>.so)")
	jobs := f.IntP("jobs", "j", runtime.NumCPU(), "how many plugins to build at once")
	f.StringVar(&opts.Host, "host", "", "`binary` that will load the images (default: this executable)")
	f.StringSliceVar(&opts.Fresh, "fresh", nil, "`patterns` of further packages that are new in every generation")
	f.StringSliceVar(&opts.Share, "share", nil, "`patterns` of packages that generations share while their content is the same")
	f.StringSliceVar(&opts.Tags, "tags", nil, "build `tags`, beside those of the server")
	f.StringVar(&opts.PGO, "pgo", "", "the `profile` that the server was built with, if it was")
	f.BoolVar(&opts.DWARF, "dwarf", false, "keep the information for debuggers")
	f.BoolVarP(&opts.Verbose, "verbose", "v", false, "name the packages that are compiled")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			args = []string{"."}
		}
		batch, err := newBatch(opts, *output, args)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		batch.progress = newProgress(cmd.ErrOrStderr())
		batch.run(ctx, max(*jobs, 1))
		return batch.report(cmd.OutOrStdout(), cmd.ErrOrStderr(), *asJSON)
	}
	return cmd
}

// batch is a number of plugins to build.
type batch struct {
	builds   []build.Options
	results  []*build.Result // in the order of builds; nil where errs has something
	errs     []error
	progress *progress
}

func newBatch(opts build.Options, output string, packages []string) (*batch, error) {
	b := &batch{results: make([]*build.Result, len(packages)), errs: make([]error, len(packages))}
	fi, err := os.Stat(output)
	isDir := strings.HasSuffix(output, "/") || err == nil && fi.IsDir()
	if output != "" && !isDir && len(packages) > 1 {
		return nil, usageError{fmt.Errorf("--output %s is one file, but there are %d plugins; name a directory, with a slash at its end", output, len(packages))}
	}
	seen := make(map[string]string)
	for _, p := range packages {
		o := opts
		o.Package, o.Output = p, output
		if output == "" || isDir {
			name := imageName(p)
			if before, ok := seen[name]; ok {
				return nil, usageError{fmt.Errorf("%s and %s would both become %s.so; build them one by one with --output", before, p, name)}
			}
			seen[name] = p
			if isDir {
				o.Output = filepath.Join(output, name+".so")
			}
		}
		b.builds = append(b.builds, o)
	}
	return b, nil
}

// imageName is what a plugin's image is called after: the last element of its directory or import path.
func imageName(p string) string {
	if strings.HasSuffix(p, ".go") {
		p = filepath.Dir(p)
	}
	if abs, err := filepath.Abs(p); err == nil {
		p = abs
	}
	return filepath.Base(p)
}

// run builds jobs plugins at a time, and the others even if one fails.
func (b *batch) run(ctx context.Context, jobs int) {
	defer b.progress.stop()
	slots := make(chan struct{}, jobs)
	var wg sync.WaitGroup
	for i, opts := range b.builds {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			done := b.progress.begin(imageName(opts.Package))
			opts.Log = b.progress
			b.results[i], b.errs[i] = build.Build(ctx, opts)
			done()
		})
	}
	wg.Wait()
}

// report prints what was built and why the others were not.
func (b *batch) report(stdout, stderr io.Writer, asJSON bool) error {
	var built []*build.Result
	failed := 0
	for i, r := range b.results {
		if r != nil {
			built = append(built, r)
			continue
		}
		failed++
		if ce := (*build.CompileError)(nil); errors.As(b.errs[i], &ce) {
			fmt.Fprintln(stderr, ce.Output)
		} else if len(b.builds) > 1 {
			fmt.Fprintf(stderr, "%s: %v\n", b.builds[i].Package, b.errs[i])
		}
	}
	if err := printBuilt(stdout, built, asJSON); err != nil {
		return err
	}
	if failed == 0 {
		return nil
	}
	var ce *build.CompileError
	if len(b.builds) == 1 && !errors.As(b.errs[0], &ce) {
		return b.errs[0]
	}
	return fmt.Errorf("%d of %d not built", failed, len(b.builds))
}

func printBuilt(w io.Writer, built []*build.Result, asJSON bool) error {
	if asJSON {
		if built == nil {
			built = []*build.Result{}
		}
		return printJSON(w, built)
	}
	if len(built) == 0 {
		return nil
	}
	var rows [][]string
	for _, r := range built {
		image := r.Image[:12]
		if !r.Changed {
			image += " (as before)"
		}
		rows = append(rows, []string{strings.TrimSuffix(filepath.Base(r.Output), ".so"), image, size(r.Size), short(r.Elapsed), relative(r.Output)})
	}
	return table(w, []string{"PLUGIN", "IMAGE", "SIZE", "TIME", "FILE"}, rows)
}

// relative shortens a file name where it can.
func relative(name string) string {
	wd, err := os.Getwd()
	if err != nil {
		return name
	}
	rel, err := filepath.Rel(wd, name)
	if err != nil || len(rel) > len(name) {
		return name
	}
	return rel
}
