package build

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sohost/sohost/internal/slim"
)

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
	wrapped, err := l.wrapper.toolexec(append([]string{extldCommand, l.work, l.args[argument(l.args, "-pluginpath")]}, ld...)...)
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
