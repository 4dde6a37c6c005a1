package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/goobj"
)

// The runtime compares the hash of each package that image and process share. Packages that were compiled for slim images have other
// hashes than those of ordinary builds, such as the host's, although everything that makes them differ is the same. So the packages
// are also compiled in the ordinary way, from the same sources with the same flags, and the image gets the hashes of that. If they
// aren't the host's, then the sources or flags aren't, and the image is refused as any other.

// ordinaryHashes returns the hashes that packages have in ordinary builds. packages holds the build ids of what the image was linked
// with, by import path. They cover sources, flags and toolchain, so the answer is kept under them.
func (s *surveyed) ordinaryHashes(ctx context.Context, opts Options, w *wrapper, packages map[string]string) (map[string][8]byte, error) {
	cache := hashCache(packages)
	if hashes := readHashes(cache); hashes != nil {
		return hashes, nil
	}
	p := w.plan
	wrapper, err := w.toolexec()
	if err != nil {
		return nil, err
	}
	args := slices.Concat([]string{"list", "-export", "-f={{.ImportPath}} {{.Export}}", "-toolexec=" + wrapper}, s.commonFlags(), opts.pgoFlag())
	all, std := s.host.patternFlags()
	if std != "" {
		args = append(args, "-gcflags="+s.host.gcflags)
	}
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		if p.Roles[path] == roleShared {
			args = append(args, "-gcflags="+path+"="+strings.TrimSpace(p.marks[path].String()+" "+all))
		}
	}
	c := s.command
	c.log = io.Discard
	out, err := c.output(ctx, slices.Concat(args, []string{"--"}, slices.Sorted(maps.Keys(packages)))...)
	if failed := (*goError)(nil); errors.As(err, &failed) {
		return nil, &CompileError{Package: p.Main, Output: s.relative(strings.TrimSpace(failed.output))}
	}
	if err != nil {
		return nil, err
	}
	hashes := make(map[string][8]byte)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		if file == "" {
			continue // unsafe has none
		}
		a, err := goobj.ReadArchive(file)
		if err != nil {
			return nil, err
		}
		if len(a.Objects) > 0 {
			hashes[path] = a.Objects[0].Fingerprint
		}
	}
	for path := range packages {
		if _, ok := hashes[path]; !ok {
			return nil, fmt.Errorf("the go command doesn't export %s", path)
		}
	}
	writeHashes(cache, hashes)
	return hashes, nil
}

// hashCache returns the file for the hashes of these packages, or "" if there is no place for it.
func hashCache(packages map[string]string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(packages)) {
		fmt.Fprintf(h, "%q %q\n", path, packages[path])
	}
	return filepath.Join(dir, "sohost", "hashes", hex.EncodeToString(h.Sum(nil))[:keyLen]+".json")
}

// readHashes returns nil for a file that isn't there or that is damaged.
func readHashes(cache string) map[string][8]byte {
	b, err := os.ReadFile(cache)
	if err != nil {
		return nil
	}
	var file hashFileContent
	if json.Unmarshal(b, &file) != nil || file.Sum != file.sum() {
		return nil
	}
	hashes := make(map[string][8]byte)
	for path, text := range file.Hashes {
		b, err := hex.DecodeString(text)
		if err != nil || len(b) != 8 {
			return nil
		}
		hashes[path] = [8]byte(b)
	}
	return hashes
}

// hashFileContent is a file of the cache.
type hashFileContent struct {
	Hashes map[string]string // in hexadecimal, by import path
	Sum    string            // of them all
}

func (f *hashFileContent) sum() string {
	h := sha256.New()
	for _, path := range slices.Sorted(maps.Keys(f.Hashes)) {
		fmt.Fprintf(h, "%q %q\n", path, f.Hashes[path])
	}
	return hex.EncodeToString(h.Sum(nil))
}

// maxHashFiles bounds the cache. Each file takes some 10 KB.
const maxHashFiles = 200

// writeHashes keeps hashes for the next build. If it can't, that one asks again.
func writeHashes(cache string, hashes map[string][8]byte) {
	if cache == "" {
		return
	}
	file := hashFileContent{Hashes: make(map[string]string)}
	for path, hash := range hashes {
		file.Hashes[path] = hex.EncodeToString(hash[:])
	}
	file.Sum = file.sum()
	b, err := json.Marshal(file)
	if err != nil || os.MkdirAll(filepath.Dir(cache), 0o700) != nil {
		return
	}
	entries, err := os.ReadDir(filepath.Dir(cache))
	if err != nil {
		return
	}
	for i := 0; i < len(entries)-maxHashFiles; i++ {
		os.Remove(filepath.Join(filepath.Dir(cache), entries[i].Name())) // any: each is as good as the next
	}
	_ = generations.WriteFile(cache, 0o600, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}
