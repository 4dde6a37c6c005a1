package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/scratch"
	"github.com/sohost/sohost/native"
)

// Build makes an isolated image and renames it into place, so that a watcher of Output never sees half a file. It blocks
// until the image is on disk or ctx ends; the end of ctx also ends the compilers that Build has started. Any number of
// calls may run at once, even for the same package.
//
// The error is a *Refusal, a *ContractError, a *CompileError, an *ImageError, or a system error. After an error Output is unchanged.
func Build(ctx context.Context, opts Options) (*Result, error) {
	start := time.Now()
	r, err := build(ctx, opts)
	if err != nil {
		return nil, err
	}
	r.Elapsed = time.Since(start)
	return r, nil
}

func build(ctx context.Context, opts Options) (*Result, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	opts.watch = &stopwatch{last: time.Now()}
	r, remembered, err := attempt(ctx, opts)
	if err != nil && remembered && !isSources(err) && ctx.Err() == nil {
		opts.forget = true
		r, _, err = attempt(ctx, opts)
	}
	return r, err
}

// isSources reports whether the sources are at fault as they are, and not what is remembered of them.
func isSources(err error) bool {
	var ce *CompileError
	return errors.As(err, &ce) && !strings.Contains(ce.Output, errAdded.Error())
}

// attempt builds. It reports whether that relied on what is remembered of the packages.
func attempt(ctx context.Context, opts Options) (r *Result, remembered bool, err error) {
	s, p, err := prepare(ctx, opts)
	if s != nil {
		remembered = s.remembered
	}
	if err != nil {
		return nil, remembered, err
	}
	r, err = s.image(ctx, opts, p)
	return r, remembered, err
}

// image makes the image and puts it into place.
func (s *surveyed) image(ctx context.Context, opts Options, p *plan) (*Result, error) {
	tmp, remove, err := scratch.New("sohost-image")
	if err != nil {
		return nil, err
	}
	defer remove()
	image := filepath.Join(tmp, "image.so")
	output := opts.Output
	if output == "" {
		output = opts.defaultOutput(s.listing.own())
	}
	if err := checkOutput(output); err != nil {
		return nil, err
	}
	info, err := s.make(ctx, opts, p, tmp, image, output)
	if err != nil {
		return nil, err
	}
	if err := s.check(info, p); err != nil {
		return nil, err
	}
	r := newResult(info, p)
	r.Output = output
	if opts.Explain {
		if r.Packages, err = s.explain(p, info, image); err != nil {
			return nil, err
		}
	}
	s.watch.lap("finish")
	if err := place(image, r); err != nil {
		return nil, err
	}
	s.watch.lap("place")
	r.Phases = s.watch.phases
	return r, nil
}

// prepare does everything before compiling: it surveys, refuses what can't become an image, and makes the plan.
func prepare(ctx context.Context, opts Options) (*surveyed, *plan, error) {
	h, err := readHost(opts.Host)
	if err != nil {
		return nil, nil, err
	}
	if h.profile != "" && opts.PGO == "" {
		return nil, nil, &Refusal{Kind: ErrHost,
			Reason: "the host was optimized with a profile, which determines what is inlined from the standard library",
			Want:   filepath.Base(h.profile), Remedy: "give the same profile with --pgo, or build the host with -pgo=off"}
	}
	host := readProcess(opts.Host)
	s, err := survey(ctx, opts, h)
	if err != nil {
		return s, nil, err
	}
	s.watch.lap("list")
	if err := checkToolchain(s.env, h); err != nil {
		return s, nil, err
	}
	if err := checkPlatform(opts.Env, s.env, h); err != nil {
		return s, nil, err
	}
	if err := checkCompiler(s.command.env, s.env.CC, h); err != nil {
		return s, nil, err
	}
	if err := s.listing.check(s.target, s.relative); err != nil {
		return s, nil, err
	}
	if s.process, err = host(); err != nil {
		return s, nil, fmt.Errorf("read the host: %w", err)
	}
	s.exe = s.process.Executable
	if err := checkHost(filepath.Base(hostName(opts.Host)), s.exe); err != nil {
		return s, nil, err
	}
	p, err := makePlan(ctx, s, opts)
	s.watch.lap("plan")
	return s, p, err
}

// make builds the image and returns its description. If the one in output is up to date, image becomes a copy of it.
func (s *surveyed) make(ctx context.Context, opts Options, p *plan, tmp, image, output string) (*native.Info, error) {
	offered, err := offer(output, image, p.key)
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		if err := s.compile(ctx, opts, p, tmp, image, offered); err != nil {
			return nil, err
		}
		info, err := native.InspectFile(image)
		if err != nil {
			return nil, fmt.Errorf("read the image: %w", err)
		}
		if len(info.CSymbols) == 0 || !first {
			return info, nil
		}
		// There are symbols without a package that no C object defines. Go or assembly code made them, for example with
		// go:linkname. Only the finished image shows them, so it is linked once more. This is rare.
		p.Hide = append(p.Hide, info.CSymbols...)
		if err := os.Remove(image); err != nil {
			return nil, fmt.Errorf("link again: %w", err)
		}
	}
}

// compile runs go build. offered is the hash of the earlier image that it may leave in place, or nil.
func (s *surveyed) compile(ctx context.Context, opts Options, p *plan, tmp, image string, offered []byte) error {
	w, err := s.newWrapper(opts, p, tmp)
	if err != nil {
		return err
	}
	defer w.close()
	wrapper, err := w.toolexec()
	if err != nil {
		return err
	}
	flags := slices.Concat([]string{"-buildmode=plugin", "-toolexec=" + wrapper}, s.commonFlags(), opts.pgoFlag())
	all, std := s.host.patternFlags()
	if std != "" {
		flags = append(flags, "-gcflags="+s.host.gcflags)
	}
	flags = append(flags, p.gcflags(all, std, strings.Join(s.flags.gcflags, " "))...)
	args := slices.Concat([]string{"build", "-o", image}, flags)
	if opts.LDFlags != "" {
		args = append(args, "-ldflags="+opts.LDFlags)
	}
	c := s.command
	if opts.Verbose || opts.Compiling != nil {
		args = append(args, "-v")
		c.packages = s.listing.paths()
		c.compiling = func(path string) {
			if opts.Verbose {
				fmt.Fprintln(c.log, path) // an error here doesn't matter to the build
			}
			if opts.Compiling != nil {
				opts.Compiling(path, len(c.packages))
			}
		}
	}
	// The compilers' temporary files go where they are removed even after a compiler was killed.
	c.env = append(slices.Clone(c.env), "GOTMPDIR="+tmp, "TMPDIR="+tmp)
	_, err = c.output(ctx, append(args, "--", s.target.arg)...)
	s.watch.compiled(w.linking)
	failed := (*goError)(nil)
	if err == nil {
		if same, err := untouched(image, offered); same || err != nil {
			return err
		}
		return s.finish(ctx, opts, w, image)
	}
	if !errors.As(err, &failed) {
		return err
	}
	r, err := s.renamings(ctx, w, failed.output, c, flags)
	if err != nil {
		return err
	}
	return &CompileError{Package: p.Main, Output: s.relative(diagnostics(failed.output, r, c))}
}
