package build

import (
	"debug/elf"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// slimFlag makes compiler and assembler refer to symbols of all packages by name, so that the host can have them.
const slimFlag = "-linkshared"

// slimReleases lists the Go releases whose objects and linker package slim knows.
var slimReleases = []string{"go1.26", "go1.27"}

// decideSlim decides whether packages are compiled for a slim image, and whether it is linked as one. What is to be full is compiled
// alike: then full and slim images share packages, all maps of the standard library are filled in both, and it is compiled once.
func (p *plan) decideSlim(s *surveyed, opts Options) error {
	if why := s.unfit(); why != "" {
		if !opts.Full {
			p.why = why
		}
		return nil
	}
	p.Slim, p.Host = true, opts.Host
	if p.Full = opts.Full || opts.DWARF; p.Full {
		if !opts.Full {
			p.why = "with debugging information, images are full"
		}
		s.settings = append(s.settings, "full")
		return nil
	}
	id, err := hostID(opts.Host)
	if err != nil {
		return err
	}
	s.settings = append(s.settings, "slim for "+id) // what the image brings depends on the host
	return nil
}

// unfit returns why packages can't be compiled for slim images of the host, as far as its build info shows, or "".
func (s *surveyed) unfit() string {
	known := func(release string) bool {
		return s.host.toolchain == release || strings.HasPrefix(s.host.toolchain, release+".")
	}
	if !slices.ContainsFunc(slimReleases, known) {
		return fmt.Sprintf("slim images were never tried with %s", s.host.toolchain)
	}
	for _, f := range s.host.flags {
		if name, ok := strings.CutSuffix(f, "=true"); ok {
			return fmt.Sprintf("the host was built with %s", name)
		}
	}
	return ""
}

// hostID returns what identifies the content of a host: the id that the go command has given it, or its hash.
func hostID(file string) (string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the host: %w", err)
	}
	defer f.Close() // read only
	if s := f.Section(".note.go.buildid"); s != nil {
		if b, err := s.Data(); err == nil && len(b) > 16 {
			return fmt.Sprintf("%q", b[16:]), nil
		}
	}
	sum, _, err := hashFile(file)
	return hex.EncodeToString(sum), err
}

// slimNote is what the wrapper of the linker knows of an image.
type slimNote struct {
	Slim     bool
	Why      string            // why the image isn't slim
	Stripped bool              // whether the linker was asked to leave out symbols
	Along    []string          // packages that came along, as compiled
	WhyAlong map[string]string // why
	Packages map[string]string // build ids of the packages that aren't the plugin's own, by import path
}
