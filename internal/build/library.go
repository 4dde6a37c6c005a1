package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/adapters"
	"github.com/sohost/sohost/internal/adapters/traefik"
	"github.com/sohost/sohost/internal/adapters/traefik/wrap"
)

// wrappers write a package main for a library, by the API that the library is written for.
var wrappers = map[string]func(importPath, dir string, files []string) ([]byte, error){
	traefik.Adapter{}.Name(): wrap.Main,
}

// wrapLibrary replaces the listing of a library by that of a package main which imports it. The package lies in a directory below the
// library's that isn't there: an overlay leads the go command from it to a file among the user's caches, so that nothing is written to
// the sources. As the package belongs to the library's module, that one's versions, replacements and vendored packages count.
func (s *surveyed) wrapLibrary(ctx context.Context, opts Options) error {
	write, lib := wrappers[opts.API], s.listing.main
	if write == nil || lib.Name == "main" || lib.Standard || len(lib.GoFiles)+len(lib.CgoFiles) == 0 {
		return nil
	}
	src, err := write(lib.ImportPath, lib.Dir, slices.Concat(lib.GoFiles, lib.CgoFiles))
	if err != nil {
		return &Refusal{Kind: ErrPackage, Reason: fmt.Sprintf("%s, a plugin for %s: %v", lib.ImportPath, opts.API, err),
			Remedy: fmt.Sprintf("name the directory of the plugin, or another API than %s with --api", opts.API)}
	}
	dir, err := wrappersDir()
	if err != nil {
		return err
	}
	virtual := filepath.Join(lib.Dir, wrapperDir)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", virtual, src))
	name := hex.EncodeToString(sum[:])[:keyLen]
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		filepath.Join(virtual, name+".go"): filepath.Join(dir, name+".go"),
	}})
	if err != nil {
		return err
	}
	s.overlay = filepath.Join(dir, name+".json")
	for file, content := range map[string][]byte{filepath.Join(dir, name+".go"): src, s.overlay: overlay} {
		if err := writeOnce(file, content); err != nil {
			return fmt.Errorf("write the package main of %s: %w", lib.ImportPath, err)
		}
	}
	removeUnused(dir)
	t := target{dir: lib.Dir, arg: "./" + wrapperDir}
	wrapped, err := list(ctx, s.command, t, s.commonFlags())
	if err != nil {
		return err
	}
	wrapped.main.Dir = dir // where its file can be read
	wrapped.library = lib.Dir
	s.target, s.listing, s.command.dir = t, wrapped, lib.Dir
	return nil
}

// wrapperDir is the name of the directory that isn't there.
const wrapperDir = "sohostplugin"

// wrappersDir returns the directory for generated packages.
func wrappersDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a place for the package main of a library: %w", err)
	}
	dir := filepath.Join(cache, "sohost", "wrappers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a place for the package main of a library: %w", err)
	}
	return dir, nil
}

// unusedFor is how long a generated file stays that no build uses.
const unusedFor = 30 * 24 * time.Hour

// removeUnused removes the generated files that no build has used for long. Those that can't be removed stay until the next build.
func removeUnused(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && time.Since(info.ModTime()) > unusedFor {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}

// writeOnce writes a file whose name tells its content, unless it is there. The file's time is when it was used last.
func writeOnce(file string, content []byte) error {
	if now := time.Now(); os.Chtimes(file, now, now) == nil {
		return nil
	}
	return generations.WriteFile(file, 0o600, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// own returns the directory in which the plugin's own packages lie.
func (l *listing) own() string {
	if l.library != "" {
		return l.library
	}
	return l.main.Dir
}

// librariesOf names the APIs whose plugins are libraries.
func librariesOf() (names []string) {
	for _, name := range adapters.Names() {
		if wrappers[name] != nil {
			names = append(names, name)
		}
	}
	return names
}
