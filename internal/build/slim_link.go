package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sohost/sohost/internal/slim"
)

// linkSlim links a slim image if the plan asks for one and the host allows it, and notes what finish needs to know. args are the linker's for a full one. It reports whether
// the image is linked; if not, a full one is to be, with the arguments that it returns.
func linkSlim(tool string, args []string) (rest []string, done bool, err error) {
	p, err := readPlan()
	if err != nil || !p.Slim {
		return args, false, err
	}
	args, stripped, err := keepSymbols(args)
	if err != nil {
		return nil, false, err
	}
	l := &slimLink{plan: p, tool: tool, args: args, cfg: args[argument(args, "-importcfg")], note: slimNote{Stripped: stripped}}
	l.work = filepath.Dir(l.cfg)
	if err := l.readPackages(); err != nil {
		return nil, false, err
	}
	if p.Full {
		return args, false, l.note.write(os.Getenv(planEnv))
	}
	err = l.run()
	if unslim := (*slim.Unslim)(nil); errors.As(err, &unslim) {
		l.note.Why = unslim.Reason
	} else if err != nil {
		return nil, false, err
	}
	return args, l.note.Slim, l.note.write(os.Getenv(planEnv))
}

// keepSymbols removes what makes the linkers leave out symbols, which finish needs and then leaves out itself.
func keepSymbols(args []string) (rest []string, stripped bool, err error) {
	isStrip := func(s string) bool { return s == "-s" || s == "--strip-all" }
	for _, a := range args {
		switch a {
		case "-s", "--s", "-s=true", "--s=true":
			stripped = true
		default:
			rest = append(rest, a)
		}
	}
	flags, others, ok := flagValue(rest, "-extldflags")
	if !ok {
		return rest, stripped, nil
	}
	items, err := splitQuoted(flags)
	if err != nil {
		return nil, false, fmt.Errorf("-extldflags: %w", err)
	}
	var kept []string
	for _, item := range items {
		if isStrip(item) {
			stripped = true
			continue
		}
		if parts, ok := strings.CutPrefix(item, "-Wl,"); ok {
			list := strings.Split(parts, ",")
			without := slices.DeleteFunc(slices.Clone(list), isStrip)
			if len(without) < len(list) {
				stripped = true
				item = "-Wl," + strings.Join(without, ",")
			}
			if len(without) == 0 {
				continue
			}
		}
		kept = append(kept, item)
	}
	joined, err := joinQuoted(kept)
	if err != nil {
		return nil, false, fmt.Errorf("-extldflags: %w", err)
	}
	return slices.Insert(others, len(others)-1, "-extldflags="+joined), stripped, nil
}

// slimLink is one run of the linker.
type slimLink struct {
	plan     *plan
	tool     string
	args     []string
	cfg      string // import configuration
	work     string // directory
	packages []slim.Package
	note     slimNote
}

// readPackages reads which packages the image consists of.
func (l *slimLink) readPackages() error {
	b, err := os.ReadFile(l.cfg)
	if err != nil {
		return err
	}
	l.note.Packages = make(map[string]string)
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "packagefile ")
		path, file, _ := strings.Cut(rest, "=")
		if !ok {
			continue
		}
		// The host and the plugin both export variables of the contract's types. The plugin's table of exports needs their descriptors.
		own := l.plan.isRenamed(path)
		l.packages = append(l.packages, slim.Package{Path: path, Archive: file, Own: own || l.plan.Roles[path] == roleShared})
		if own {
			continue
		}
		if l.note.Packages[path], err = buildID(file); err != nil {
			return err
		}
	}
	return nil
}

// run links. The error is a *slim.Unslim if the image must be full.
func (l *slimLink) run() error {
	debug.SetGCPercent(-1) // what is read is needed until the linker runs, and then this process has nothing to do
	h, err := slim.ReadHost(l.plan.Host)
	if err != nil {
		return err
	}
	defer h.Close() // read only
	var types sync.WaitGroup
	types.Go(h.ReadTypes) // beside Close, which uses one processor
	defer types.Wait()
	c, err := slim.Close(h, l.packages, l.args[argument(l.args, "-pluginpath")])
	if err != nil {
		return err
	}
	stub, marker := filepath.Join(l.work, slim.StubName), filepath.Join(l.work, markerName)
	if err := os.WriteFile(stub, c.Stub(h), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(marker, slim.Marker(h.Machine), 0o600); err != nil {
		return err
	}
	main := filepath.Join(l.work, "sohost_main.a")
	if err := c.AddStart(h, l.args[len(l.args)-1], main, filepath.Dir(l.tool), l.work); err != nil {
		return err
	}
	args, err := l.slimArgs(c, stub, main)
	if err != nil {
		return err
	}
	// Not the go command's group: this process waits for the linker, and both end with the go command.
	cmd := exec.CommandContext(context.Background(), l.tool, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = os.Stdout, &out
	permitted := make(chan error, 1)
	go func() { // beside the linker, which uses little more than one processor
		if l.checksLinknames() {
			permitted <- c.CheckLinknames()
		}
		close(permitted)
	}()
	err = cmd.Run()
	if err := <-permitted; err != nil {
		return err // the full link says what is wrong
	}
	if err != nil {
		return &slim.Unslim{Reason: fmt.Sprintf("the linker gave up: %v: %s%s", err, linkerError(out.String()), lessLacking(h))}
	}
	if missing, err := h.Missing(l.args[argument(l.args, "-o")]); err != nil || len(missing) > 0 {
		return &slim.Unslim{Reason: fmt.Sprintf("the linked image would need what the host lacks: %v: %v%s", missing, err, lessLacking(h))}
	}
	os.Stderr.Write(out.Bytes()) // warnings
	l.note.Slim, l.note.WhyAlong = true, make(map[string]string)
	for _, path := range c.Along {
		if !l.plan.isRenamed(path) {
			l.note.Along = append(l.note.Along, path)
			if why := c.Why[path]; why != "" {
				l.note.WhyAlong[path] = why
			}
		}
	}
	return nil
}

// lessLacking says what may help with a host that lacks much.
func lessLacking(h *slim.Host) string {
	const std = abiModule + "/native/std"
	if h.HasPackage(std) {
		return ""
	}
	return fmt.Sprintf(". A host that imports %q lacks less", std)
}

// linkerError returns the line of the linker's output that tells what is wrong. The Go linker begins with how it has run the C linker.
func linkerError(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	i := slices.IndexFunc(lines, func(line string) bool {
		return strings.Contains(line, "go.o: ") && !strings.Contains(line, "warning: ")
	})
	return lines[max(i, 0)]
}

// checksLinknames reports whether the linker is to refuse references to what isn't open for go:linkname.
func (l *slimLink) checksLinknames() bool {
	value, _, ok := flagValue(l.args, "-checklinkname")
	checks, err := strconv.ParseBool(value)
	return !ok || err != nil || checks
}

// slimArgs returns the linker's arguments for a slim image.
func (l *slimLink) slimArgs(c *slim.Closure, stub, main string) ([]string, error) {
	args := slices.Clone(l.args)
	cfg, err := l.slimConfig(c, stub)
	if err != nil {
		return nil, err
	}
	args[argument(args, "-importcfg")] = cfg
	extld, args, ok := flagValue(args, "-extld")
	if !ok {
		return nil, errors.New("no -extld")
	}
	ld, err := splitQuoted(extld)
	if err != nil {
		return nil, fmt.Errorf("-extld: %w", err)
	}
	wrapped, err := toolexec(os.Getenv(planEnv), append([]string{extldCommand, l.work, l.args[argument(l.args, "-pluginpath")]}, ld...)...)
	if err != nil {
		return nil, fmt.Errorf("-extld: %w", err)
	}
	args[len(args)-1] = main
	return slices.Insert(args, len(args)-1, "-linkshared", "-E="+slim.EntryName, "-extld="+wrapped), nil
}

// slimConfig writes a copy of the import configuration in which packages come from the stub.
func (l *slimLink) slimConfig(c *slim.Closure, stub string) (string, error) {
	b, err := os.ReadFile(l.cfg)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "packagefile ")
		path, _, _ := strings.Cut(rest, "=")
		if _, shared := slices.BinarySearch(c.Shared, path); ok && shared {
			line = "packageshlib " + path + "=" + stub + "\n"
		}
		out.WriteString(line)
	}
	name := l.cfg + ".slim"
	return name, os.WriteFile(name, []byte(out.String()), 0o600)
}

// extldCommand is the tool that Toolexec knows as the C linker of a slim image. Its arguments are a directory, the plugin's
// path, the real C linker, and the arguments that the Go linker has for that.
const extldCommand = "extld"

// markerName is the object that stands for the stub.
const markerName = "sohost_marker.o"

// extldArgs prepares the object of a slim image for the C linker, and returns the C linker with its arguments. The stub isn't for it: a
// shared object may have undefined symbols.
func extldArgs(args []string) (tool string, rest []string, err error) {
	if len(args) < 3 {
		return "", nil, errors.New("no C linker")
	}
	work, main, tool := args[0], args[1], args[2]
	object := ""
	for _, a := range args[3:] {
		switch {
		case a == "-l"+strings.TrimSuffix(strings.TrimPrefix(slim.StubName, "lib"), ".so"), a == "-L"+work+"/", a == "-Wl,-rpath="+work+"/":
			continue
		case filepath.Base(a) == "go.o":
			object = a
		}
		rest = append(rest, a)
	}
	if object == "" {
		return tool, rest, nil // it asks the C linker about itself
	}
	return tool, append(rest, filepath.Join(work, markerName)), slim.Rename(object, main)
}
