package build

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/generations"
)

// memo is what the go command said of a plugin's packages, and of itself. Most edits change nothing of that, and asking takes as long as
// compiling: so it is kept on disk, with a digest of all that the answer depends on. What a file contributes to it is its shape (shape.go).
// With it goes what the plan has to know of sources that don't change (scan.go).
//
// The go command that builds reads everything again. If it finds what the memo doesn't know, the build is repeated without (build.go).
type memo struct {
	Env      goEnv
	All      map[string]string
	Packages []*listed
	Scanned  map[string]*scanned // by import path; of packages in the module cache
	Inputs   inputs
	Digest   string // of the inputs
}

// memoVersion is part of each memo's name. Increment it when a memo holds anything else, or depends on anything else.
const memoVersion = "3"

// memoKey identifies what was asked. It is "" if the answer can't be kept: nothing is known of a go command that is a script, flags may
// name other files, and what is written for a library depends on more than its packages.
func memoKey(opts Options, h host, t target) string {
	file := findProgram(opts.Env, opts.Go)
	st, err := os.Stat(file)
	if err != nil || wrappers[opts.API] != nil || !isELF(file) || strings.Contains(lastSet(opts.Env, "GOFLAGS", ""), "file") {
		return ""
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%q\n%q %d %d\n%+v\n%q\n%q\n", memoVersion, t, file, st.Size(), st.ModTime().UnixNano(), h, opts.Tags, opts.LDFlags)
	for _, kv := range slices.Sorted(slices.Values(opts.Env)) {
		if key, _, _ := strings.Cut(kv, "="); determines(key) {
			fmt.Fprintf(sum, "%q\n", kv)
		}
	}
	return hex.EncodeToString(sum.Sum(nil))[:keyLen]
}

// determines reports whether an environment variable can change what the go command says.
func determines(key string) bool {
	switch key {
	case "CC", "CXX", "FC", "AR", "PATH", "HOME", "XDG_CONFIG_HOME":
		return true
	}
	return strings.HasPrefix(key, "GO") && key != "GOTMPDIR" || strings.HasPrefix(key, "CGO_") || strings.HasPrefix(key, "PKG_CONFIG")
}

func isELF(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close() // read only
	magic := make([]byte, 4)
	_, err = io.ReadFull(f, magic)
	return err == nil && string(magic) == "\x7fELF"
}

// memoFile returns the file of a memo, or "" if there is no place for it.
func memoFile(key string) string {
	dir, err := os.UserCacheDir()
	if err != nil || key == "" {
		return ""
	}
	return filepath.Join(dir, "sohost", "listings", key+".json")
}

// recall returns the memo of that name if it still holds, or nil.
func recall(key string) *memo {
	file := memoFile(key)
	if file == "" {
		return nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	var m memo
	if json.Unmarshal(b, &m) != nil || len(m.Packages) == 0 {
		return nil
	}
	if digest, _, err := m.Inputs.digest(); err != nil || digest != m.Digest {
		return nil
	}
	return &m
}

// clockSlack is how far the times of files may lag behind the clock: the kernel's tick, at most.
const clockSlack = 10 * time.Millisecond

// remember keeps what the go command was asked from the time asked on. What has changed since then, or just before, may not be part of the
// answer: then there is no memo yet. Neither is there one of packages with errors.
func remember(key string, asked time.Time, s *surveyed) {
	file := memoFile(key)
	if file == "" || strings.Contains(s.env.GOFLAGS, "file") || slices.ContainsFunc(s.listing.all, func(p *listed) bool { return p.Error != nil }) {
		return
	}
	fixed := slices.DeleteFunc(slices.Clone(s.listing.all), func(p *listed) bool { return !immutable(p, s.env.GOMODCACHE) })
	var err error
	if s.scanned, err = scan(fixed, nil); err != nil {
		return // the plan finds that out, too
	}
	m := memo{Env: s.env, All: s.all, Packages: s.listing.all, Scanned: s.scanned, Inputs: inputsOf(s)}
	digest, newest, err := m.Inputs.digest()
	if err != nil || !newest.Before(asked.Add(-clockSlack)) {
		return
	}
	m.Digest = digest
	b, err := json.Marshal(m)
	if err != nil || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return
	}
	for i := 0; i < len(entries)-maxHashFiles; i++ {
		os.Remove(filepath.Join(filepath.Dir(file), entries[i].Name())) // any: each is as good as the next
	}
	// If it can't be written, the next build asks again.
	_ = generations.WriteFile(file, 0o600, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}
