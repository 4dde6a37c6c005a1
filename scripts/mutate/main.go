// Mutate measures how many small changes of a package its tests notice. It picks one-place changes at random (a comparison
// turned, a statement removed, an error dropped, …), runs the tests once with each, and prints those that no test noticed.
// The sources are never modified: each change is an overlay of the go command.
//
// Some changes alter nothing that a test could see (a boundary that is never met, a buffer that is only smaller), so 100 % is
// not the aim. A survivor is a question: which promise does this line keep, and which test would miss it?
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage):
		os.Exit(2)
	case err != nil && !errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(1)
	}
}

var (
	errUsage   = errors.New("usage")
	errNoTests = errors.New("no tests to run")
)

type options struct {
	n, parallel         int
	seed                uint64
	timeout             time.Duration
	run, tests          string
	logs, verbose, json bool
}

// A result is what one package's tests noticed.
type result struct {
	Package   string   `json:"package"`
	Tried     int      `json:"tried"`
	Noticed   int      `json:"noticed"`
	Seconds   float64  `json:"seconds"`
	Survivors []change `json:"survivors"`
}

type listed struct {
	Dir, ImportPath   string
	GoFiles, CgoFiles []string
	Module            struct{ Path, Dir string }
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o options
	f := flag.NewFlagSet("mutate", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.n, "n", 40, "changes to try in each package")
	f.Uint64Var(&o.seed, "seed", 1, "another seed picks other changes")
	f.DurationVar(&o.timeout, "timeout", 0, "time for one run of the tests (default: five times what they take unchanged, and 10s)")
	f.StringVar(&o.run, "run", "", "run only the tests that match this `regexp`")
	f.StringVar(&o.tests, "tests", "", "run the tests of this `package` (default: those of the changed package)")
	f.IntVar(&o.parallel, "p", 1, "changes to try at a time")
	f.BoolVar(&o.logs, "logs", false, "remove log statements too")
	f.BoolVar(&o.verbose, "v", false, "print each change and what became of it to stderr")
	f.BoolVar(&o.json, "json", false, "print one JSON object for each package")
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: mutate [flags] PKG...")
		f.PrintDefaults()
	}
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil || f.NArg() == 0 || o.n < 1 || o.parallel < 1 {
		if err == nil {
			f.Usage()
		}
		return errUsage
	}
	// A change can make a loop allocate forever; the tests inherit this limit.
	if err := syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: 4 << 30, Max: 4 << 30}); err != nil {
		return fmt.Errorf("limit memory: %w", err)
	}
	pkgs, err := list(ctx, f.Args())
	if err != nil {
		return err
	}
	for _, pkg := range pkgs {
		r, err := measure(ctx, pkg, o, stderr)
		if errors.Is(err, errNoTests) {
			fmt.Fprintln(stderr, err)
			continue
		}
		if err != nil {
			return err
		}
		if o.json {
			err = json.NewEncoder(stdout).Encode(r)
		} else {
			err = r.print(stdout)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func list(ctx context.Context, patterns []string) ([]listed, error) {
	args := append([]string{"list", "-json=Dir,ImportPath,GoFiles,CgoFiles,Module", "--"}, patterns...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	var pkgs []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
	return pkgs, nil
}

func findAll(pkg listed, logs bool) ([]change, error) {
	var all []change
	for _, name := range append(pkg.GoFiles, pkg.CgoFiles...) {
		file := filepath.Join(pkg.Dir, name)
		src, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		found, err := find(file, src, logs)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// measure tries o.n changes of pkg that compile, or all there are if those are fewer.
func measure(ctx context.Context, pkg listed, o options, stderr io.Writer) (*result, error) {
	start := time.Now()
	changes, err := findAll(pkg, o.logs)
	if err != nil {
		return nil, err
	}
	rand.New(rand.NewPCG(o.seed, 0)).Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
	tmp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	r := &runner{pkg: pkg.ImportPath, tests: cmp.Or(o.tests, pkg.ImportPath), run: o.run, tmp: tmp}
	took, err := r.baseline(ctx)
	if err != nil {
		return nil, err
	}
	if r.timeout = o.timeout; r.timeout == 0 {
		r.timeout = 5*took + 10*time.Second
	}

	name := path.Base(pkg.Module.Path)
	if rel, ok := strings.CutPrefix(pkg.ImportPath, pkg.Module.Path+"/"); ok {
		name = rel
	}
	res := &result{Package: name, Survivors: []change{}}
	// Several at a time, but counted in the order of changes: what is tried depends on the seed alone.
	for next := 0; res.Tried < o.n && next < len(changes); {
		batch := changes[next:min(next+min(o.parallel, o.n-res.Tried), len(changes))]
		next += len(batch)
		outcomes, errs := make([]outcome, len(batch)), make([]error, len(batch))
		var wg sync.WaitGroup
		for i := range batch {
			wg.Go(func() { outcomes[i], errs[i] = r.try(ctx, batch[i]) })
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		for i, c := range batch {
			if rel, err := filepath.Rel(pkg.Module.Dir, c.File); err == nil {
				c.File = rel
			}
			if o.verbose {
				fmt.Fprintf(stderr, "%-19s %s\n", outcomes[i], c)
			}
			switch outcomes[i] {
			case invalid:
				continue
			case survived:
				res.Survivors = append(res.Survivors, c)
			default:
				res.Noticed++
			}
			res.Tried++
		}
	}
	res.Seconds = time.Since(start).Seconds()
	return res, nil
}

func (r *result) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s %d of %d noticed (%.0f %%) in %.0f s\n",
		r.Package, r.Noticed, r.Tried, 100*float64(r.Noticed)/float64(max(r.Tried, 1)), r.Seconds)
	for _, c := range r.Survivors {
		if err == nil {
			_, err = fmt.Fprintf(w, "  %s\n", c)
		}
	}
	return err
}

func (c change) String() string {
	after := c.After
	if after == "" {
		after = "(nothing)"
	}
	return fmt.Sprintf("%s:%d %s: %s → %s", c.File, c.Line, c.Kind, c.Before, after)
}
