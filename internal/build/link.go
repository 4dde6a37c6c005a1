package build

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// linkArgs changes the linker's arguments: private packages and the plugin itself get their own paths, and C symbols don't
// leave the image.
func linkArgs(args []string) ([]string, error) {
	p, err := readPlan()
	if err != nil {
		return nil, err
	}
	at, cfg := argument(args, "-pluginpath"), argument(args, "-importcfg")
	if at < 0 || cfg < 0 {
		return nil, errors.New("no -pluginpath or -importcfg")
	}
	archive := args[len(args)-1]
	id, err := archiveID(archive)
	if err != nil {
		return nil, err
	}
	args[at] = renamed(p.Main, id)
	work := filepath.Dir(args[cfg])
	archives, err := privateArchives(args[cfg], p)
	if err != nil {
		return nil, err
	}
	if args[cfg], err = renameImports(args[cfg], p, true); err != nil {
		return nil, err
	}
	if err := renameStrings(args, p, archives); err != nil {
		return nil, err
	}
	if !p.DWARF {
		// Flags end where the main archive begins.
		args = slices.Insert(args, len(args)-1, "-w")
	}
	return hide(args, work, p.Hide, append(slices.Sorted(maps.Values(archives)), archive))
}

// privateArchives maps the import paths of private packages to their archives.
func privateArchives(cfg string, p *plan) (map[string]string, error) {
	b, err := os.ReadFile(cfg)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string)
	for line := range strings.Lines(string(b)) {
		rest, _ := strings.CutPrefix(strings.TrimSpace(line), "packagefile ")
		if path, file, ok := strings.Cut(rest, "="); ok && p.private(path) {
			out[path] = file
		}
	}
	return out, nil
}

// renameStrings rewrites the linker's -X flags, which set string variables by the paths of their packages. "main" is known
// to the linker.
func renameStrings(args []string, p *plan, archives map[string]string) error {
	for i, a := range args {
		text, prefix := a, ""
		switch {
		case i > 0 && (args[i-1] == "-X" || args[i-1] == "--X"):
		case strings.HasPrefix(a, "-X="):
			text, prefix = a[3:], "-X="
		default:
			continue
		}
		variable, value, ok := strings.Cut(text, "=")
		dot := strings.LastIndexByte(variable, '.')
		if !ok || dot < 0 {
			continue // the linker will say so
		}
		path := variable[:dot]
		archive := archives[path]
		if path == p.Main || archive == "" {
			if path == p.Main {
				args[i] = fmt.Sprintf("%smain%s=%s", prefix, variable[dot:], value)
			}
			continue
		}
		id, err := archiveID(archive)
		if err != nil {
			return err
		}
		args[i] = fmt.Sprintf("%s%s%s=%s", prefix, renamed(path, id), variable[dot:], value)
	}
	return nil
}
