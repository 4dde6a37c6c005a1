package build

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// linkArgs changes the linker's arguments: private packages and the plugin itself get their new paths, and C symbols stay
// inside the image.
func (w *wrapper) linkArgs(args []string) ([]string, error) {
	p := w.plan
	w.mu.Lock()
	w.linking = time.Now()
	w.mu.Unlock()
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
	config, paths, err := renameImports(args[cfg], p, true)
	if err != nil {
		return nil, err
	}
	args[cfg] = config
	paths[p.Main] = args[at]
	w.noteRenamings(paths)
	renameStrings(args, p, paths)
	if !p.DWARF {
		// Flags must come before the main archive.
		args = slices.Insert(args, len(args)-1, "-w")
	}
	return hide(args, work, p.Hide, append(archives, archive))
}

// privateArchives returns the archives of the private packages that the plugin imports.
func privateArchives(cfg string, p *plan) ([]string, error) {
	b, err := os.ReadFile(cfg)
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "packagefile ")
		if path, file, _ := strings.Cut(rest, "="); ok && p.private(path) && path != p.Main {
			out = append(out, file)
		}
	}
	return out, nil
}
