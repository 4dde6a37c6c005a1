package build

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Sources returns the directories whose files go into a plugin and may change: those of its packages outside the module
// cache, of the files they embed or would embed if there were any, of their C code, and those of the go.mod or go.work in force. They
// are absolute and sorted. Subdirectories are not included unless they are listed themselves.
//
// It also works for packages with errors, as far as their imports can be read: of a package that isn't there, the directory counts in
// which it belongs. It starts no compiler, but blocks until the go command has listed the packages or ctx ends.
func Sources(ctx context.Context, opts Options) ([]string, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	opts.watch = &stopwatch{} // nobody asks
	h, err := readHost(opts.Host)
	if err != nil {
		return nil, err
	}
	s, err := survey(ctx, opts, h)
	if err != nil {
		return nil, err
	}
	dirs := s.missing()
	for _, p := range s.listing.all {
		if p.Standard || p.Dir == "" || immutable(p, s.env.GOMODCACHE) {
			continue
		}
		dirs[p.Dir] = true
		for _, tree := range embedTrees(p) {
			if err := addBelow(tree, dirs); err != nil {
				return nil, err
			}
		}
		names, err := cFiles(p, s.env.GOMODCACHE)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			dirs[filepath.Dir(filepath.Join(p.Dir, name))] = true
		}
		for _, name := range s.outer(ctx, p).headers {
			dirs[filepath.Dir(name)] = true
		}
		for m := p.Module; m != nil; m = m.Replace {
			if m.GoMod != "" && !within(m.GoMod, s.env.GOMODCACHE) {
				dirs[filepath.Dir(m.GoMod)] = true
			}
		}
	}
	for _, file := range []string{s.env.GOMOD, s.env.GOWORK} {
		if filepath.IsAbs(file) && file != "/dev/null" && file != "off" {
			dirs[filepath.Dir(file)] = true
		}
	}
	return slices.Sorted(maps.Keys(dirs)), nil
}

// missing returns the directories in which packages belong that are imported and aren't there: they may be about to be written.
func (s *surveyed) missing() map[string]bool {
	dirs, modules := make(map[string]bool), make(map[string]string)
	for _, p := range s.listing.all {
		if m := p.Module; m != nil && m.Dir != "" && !within(m.Dir, s.env.GOMODCACHE) {
			modules[m.Path] = m.Dir
		}
	}
	for _, p := range s.listing.all {
		for path, dir := range modules {
			if p.Dir == "" && within(p.ImportPath, path) {
				dirs[filepath.Join(dir, strings.TrimPrefix(p.ImportPath, path))] = true
			}
		}
	}
	return dirs
}
