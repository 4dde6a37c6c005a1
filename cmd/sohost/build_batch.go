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
	verbose  bool
}

func newBatch(opts build.Options, output string, packages []string) (*batch, error) {
	b := &batch{results: make([]*build.Result, len(packages)), errs: make([]error, len(packages)), verbose: opts.Verbose}
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

// run builds the plugins: the first one, and then jobs of the others at a time. When one fails, the others are still built. Go commands
// that run beside each other compile the same packages, each for itself: the standard library takes long, and most is in the first.
func (b *batch) run(ctx context.Context, jobs int) {
	defer b.progress.stop()
	slots := make(chan struct{}, jobs)
	var wg sync.WaitGroup
	for i := range b.builds {
		if i == 0 {
			b.build(ctx, i)
			continue
		}
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			b.build(ctx, i)
		})
	}
	wg.Wait()
}

// build builds one of the plugins.
func (b *batch) build(ctx context.Context, i int) {
	opts := b.builds[i]
	item := b.progress.begin(imageName(opts.Package))
	defer item.end()
	opts.Log, opts.Compiling = b.progress, item.compiling
	b.results[i], b.errs[i] = build.Build(ctx, opts)
}

// notBuilt is what `sohost build --json` prints for a plugin that was not built, in place of a build.Result.
type notBuilt struct {
	Package     string             `json:"package"` // as it was given
	Error       string             `json:"error"`
	Diagnostics []build.Diagnostic `json:"diagnostics"` // empty if the sources aren't at fault
}

// report prints what was built, and why the rest was not.
func (b *batch) report(stdout, stderr io.Writer, asJSON bool) error {
	all := []any{}
	var built []*build.Result
	failed := 0
	for i, r := range b.results {
		if r != nil {
			built, all = append(built, r), append(all, r)
			continue
		}
		failed++
		n := notBuilt{Package: b.builds[i].Package, Error: b.errs[i].Error(), Diagnostics: []build.Diagnostic{}}
		if ce := (*build.CompileError)(nil); errors.As(b.errs[i], &ce) {
			n.Diagnostics = ce.Diagnostics()
			fmt.Fprintln(stderr, complaints(ce))
		} else if len(b.builds) > 1 {
			fmt.Fprintf(stderr, "%s: %v\n", n.Package, b.errs[i])
		}
		all = append(all, n)
	}
	if asJSON {
		if err := printJSON(stdout, all); err != nil {
			return err
		}
	} else if err := printBuilt(stdout, built); err != nil {
		return err
	} else {
		printWhyFull(stderr, built)
		if b.verbose {
			for _, r := range built {
				fmt.Fprintf(stderr, "%s: %s\n", strings.TrimSuffix(filepath.Base(r.Output), ".so"), phaseTimes(r.Phases))
			}
		}
	}
	if failed == 0 {
		return nil
	}
	if len(b.builds) > 1 {
		return fmt.Errorf("%d of %d plugins not built; images that were there are unchanged", failed, len(b.builds))
	}
	if ce := (*build.CompileError)(nil); errors.As(b.errs[0], &ce) {
		return fmt.Errorf("%s not built; %s", imageName(b.builds[0].Package), b.whatIsLeft(0))
	}
	return b.errs[0]
}

// whatIsLeft says what a failed build has left in place of its image.
func (b *batch) whatIsLeft(i int) string {
	file := b.builds[i].Output
	if file == "" {
		file = filepath.Join(defaultPlugins, imageName(b.builds[i].Package)+".so")
	}
	if _, err := os.Stat(file); err != nil {
		return "there is no image " + relative(file)
	}
	return "its image " + relative(file) + " is unchanged"
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

func printBuilt(w io.Writer, built []*build.Result) error {
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
	if err := table(w, []string{"PLUGIN", "IMAGE", "SIZE", "TIME", "FILE"}, rows); err != nil {
		return err
	}
	for _, r := range built {
		if r.Packages != nil {
			if err := printExplained(w, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// printWhyFull says of each full image that wasn't asked for why it isn't slim: it is several times as large, and opens as much slower.
func printWhyFull(w io.Writer, built []*build.Result) {
	for _, r := range built {
		if r.WhyFull != "" {
			fmt.Fprintf(w, "%s: a full image of %s, not a slim one: %s\n", strings.TrimSuffix(filepath.Base(r.Output), ".so"), size(r.Size), r.WhyFull)
		}
	}
}

// phaseTimes returns how long the phases of a build took.
func phaseTimes(phases []build.Phase) string {
	var times []string
	for _, p := range phases {
		times = append(times, p.Name+" "+short(p.Took))
	}
	return strings.Join(times, ", ")
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
