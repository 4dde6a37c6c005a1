package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/sohost/sohost/internal/slim"
)

// link returns the script that links. A slim image is linked if the plan asks for one and the host allows it; what finish needs to know is
// noted.
func (w *wrapper) link(c call, tool string, args []string) (script string, err error) {
	if args, err = w.linkArgs(args); err != nil {
		return "", err
	}
	if !w.plan.Slim {
		return execLine(tool, args), nil
	}
	args, stripped, err := keepSymbols(args)
	if err != nil {
		return "", err
	}
	l := &slimLink{wrapper: w, call: c, tool: tool, args: args, cfg: args[argument(args, "-importcfg")], note: slimNote{Stripped: stripped}}
	l.work = filepath.Dir(l.cfg)
	if err := l.readPackages(); err != nil {
		return "", err
	}
	if w.plan.Full {
		return l.linkFull(), nil
	}
	slimmed, err := l.prepare()
	if err != nil {
		return l.without(err)
	}
	w.mu.Lock()
	w.slim = l
	w.mu.Unlock()
	return fmt.Sprintf("%s 2>%s\nask %s $?\n", commandLine(tool, slimmed), quoteShell(l.messages()), linkedCommand), nil
}

// linked returns what is to be done when the linker of a slim image has ended.
func (w *wrapper) linked(c call) (script string, err error) {
	w.mu.Lock()
	l := w.slim
	w.slim = nil
	w.mu.Unlock()
	if l == nil || len(c.args) != 2 {
		return "", errors.New("nothing is being linked")
	}
	if err := l.finish(c.args[1]); err != nil {
		return l.without(err)
	}
	w.setNote(&l.note)
	return "cat " + quoteShell(l.messages()) + " >&2\nexit 0\n", nil // warnings
}

func (w *wrapper) setNote(n *slimNote) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note = n
}

// without returns the script that links in full because of err, if that is a *slim.Unslim.
func (l *slimLink) without(err error) (script string, _ error) {
	l.close()
	unslim := (*slim.Unslim)(nil)
	if !errors.As(err, &unslim) {
		return "", err
	}
	l.note.Why = unslim.Reason
	return l.linkFull(), nil
}

// linkFull returns the script that links in full.
func (l *slimLink) linkFull() (script string) {
	l.wrapper.setNote(&l.note)
	return execLine(l.tool, l.args)
}

// slimLink is one run of the linker for a slim image.
type slimLink struct {
	wrapper  *wrapper
	call     call
	tool     string
	args     []string // for a full image
	cfg      string   // import configuration
	work     string   // directory
	packages []slim.Package
	note     slimNote

	host      *slim.Host // nil until prepare
	closure   *slim.Closure
	permitted chan error     // what is found of go:linkname; closed
	beside    sync.WaitGroup // what runs beside the linker
}

// messages is the file for what the linker prints.
func (l *slimLink) messages() string { return filepath.Join(l.work, "sohost_messages") }

// close lets go of the host.
func (l *slimLink) close() {
	l.beside.Wait()
	if l.host != nil {
		l.host.Close() // read only
		l.host = nil
	}
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
		own := l.wrapper.plan.isRenamed(path)
		l.packages = append(l.packages, slim.Package{Path: path, Archive: file, Own: own || l.wrapper.plan.Roles[path] == roleShared})
		if own {
			continue
		}
		if l.note.Packages[path], err = buildID(file); err != nil {
			return err
		}
	}
	return nil
}

// prepare finds out what the image takes from the host, and returns the linker's arguments for it. The error is a *slim.Unslim if the
// image must be full.
func (l *slimLink) prepare() (args []string, err error) {
	h, err := slim.ReadHost(l.wrapper.plan.Host)
	if err != nil {
		return nil, err
	}
	l.host = h
	l.beside.Go(h.ReadTypes) // beside Close, which uses one processor
	c, err := slim.Close(h, l.packages, l.args[argument(l.args, "-pluginpath")])
	if err != nil {
		return nil, err
	}
	l.closure = c
	stub, marker := filepath.Join(l.work, slim.StubName), filepath.Join(l.work, markerName)
	if err := os.WriteFile(stub, c.Stub(h), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(marker, slim.Marker(h.Machine), 0o600); err != nil {
		return nil, err
	}
	main := filepath.Join(l.work, "sohost_main.a")
	tools := slim.Tools{Dir: filepath.Dir(l.tool), Env: append(slices.Clone(l.wrapper.env), "GOEXPERIMENT="+l.call.experiment)}
	if err := c.AddStart(h, l.args[len(l.args)-1], main, tools, l.work); err != nil {
		return nil, err
	}
	if args, err = l.slimArgs(c, stub, main); err != nil {
		return nil, err
	}
	l.permitted = make(chan error, 1)
	l.beside.Go(func() { // beside the linker, which uses little more than one processor
		if l.checksLinknames() {
			l.permitted <- c.CheckLinknames()
		}
		close(l.permitted)
	})
	return args, nil
}

// finish notes what was linked. status is the linker's. The error is as of prepare.
func (l *slimLink) finish(status string) error {
	defer l.close()
	if err := <-l.permitted; err != nil {
		return err // the full link says what is wrong
	}
	if status != "0" {
		out, err := os.ReadFile(l.messages())
		if err != nil {
			return err
		}
		return &slim.Unslim{Reason: fmt.Sprintf("the linker gave up: exit status %s: %s%s", status, linkerError(string(out)), lessLacking(l.host))}
	}
	missing, err := l.host.Missing(inDir(l.call.dir, l.args[argument(l.args, "-o")]))
	if err != nil || len(missing) > 0 {
		return &slim.Unslim{Reason: fmt.Sprintf("the linked image would need what the host lacks: %v: %v%s", missing, err, lessLacking(l.host))}
	}
	l.note.Slim, l.note.WhyAlong = true, make(map[string]string)
	for _, path := range l.closure.Along {
		if !l.wrapper.plan.isRenamed(path) {
			l.note.Along = append(l.note.Along, path)
			if why := l.closure.Why[path]; why != "" {
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
