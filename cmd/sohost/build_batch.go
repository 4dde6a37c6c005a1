package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/sohost/sohost/internal/build"
)

// batch is a set of plugins to build.
type batch struct {
	builds   []build.Options
	results  []*build.Result // in the order of builds; nil where errs has an error
	errs     []error
	progress *progress
}

func newBatch(opts build.Options, output string, packages []string) (*batch, error) {
	b := &batch{results: make([]*build.Result, len(packages)), errs: make([]error, len(packages))}
	fi, err := os.Stat(output)
	isDir := strings.HasSuffix(output, "/") || err == nil && fi.IsDir()
	if output != "" && !isDir && len(packages) > 1 {
		return nil, usageError{fmt.Errorf("--output %s is one file, but there are %d plugins; to name a directory, end it with a slash",
			output, len(packages))}
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

// imageName returns the name of a plugin's image: the last element of its directory or import path.
func imageName(p string) string {
	if strings.HasSuffix(p, ".go") {
		p = filepath.Dir(p)
	}
	if abs, err := filepath.Abs(p); err == nil {
		p = abs
	}
	return filepath.Base(p)
}

// run builds the plugins, jobs of them at a time. When one fails, the others are still built.
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

// report prints what was built, and why the rest was not.
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
			fmt.Fprintln(stderr, complaints(ce))
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
	if len(b.builds) > 1 {
		return fmt.Errorf("%d of %d plugins not built; their images are unchanged", failed, len(b.builds))
	}
	if ce := (*build.CompileError)(nil); errors.As(b.errs[0], &ce) {
		return fmt.Errorf("%s not built; its image is unchanged", imageName(b.builds[0].Package))
	}
	return b.errs[0]
}

// complaints returns the compiler's output without the lines that name only the package: the file names show that.
func complaints(err *build.CompileError) string {
	var b strings.Builder
	for line := range strings.Lines(err.Output) {
		if !strings.HasPrefix(line, "# ") {
			b.WriteString(line)
		}
	}
	return b.String()
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
			image += " (unchanged)"
		}
		plugin := strings.TrimSuffix(filepath.Base(r.Output), ".so")
		rows = append(rows, []string{plugin, image, size(r.Size), short(r.Elapsed), relative(r.Output)})
	}
	return table(w, []string{"PLUGIN", "IMAGE", "SIZE", "TIME", "FILE"}, rows)
}

// relative returns the name relative to the working directory if that is shorter.
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
