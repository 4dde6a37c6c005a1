package build

import (
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"

	"github.com/sohost/sohost/internal/slim"
	"github.com/sohost/sohost/native"
)

// finish does what is left to do with a linked image: it gets the hashes of ordinary builds, loses what only debuggers read, and is
// sealed.
func (s *surveyed) finish(ctx context.Context, opts Options, p *plan, planFile, image string) error {
	if !p.Slim {
		return seal(image, p, native.Seal{API: p.api, Key: p.key, WhyFull: p.why})
	}
	note, err := readSlimNote(planFile)
	if err != nil {
		return err
	}
	if note == nil {
		return fmt.Errorf("the linker left no note")
	}
	hashes, err := s.ordinaryHashes(ctx, opts, p, planFile, note.Packages)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(image)
	if err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	if _, err := slim.SetHashes(b, hashes); errors.Is(err, elf.ErrNoSymbols) {
		return &Refusal{Kind: ErrNoTool, Reason: "the linker has left out the symbols of the image, as mold does",
			Remedy: "use GNU ld, gold or lld, such as with --ldflags=-extldflags=-fuse-ld=bfd; what mold links calls functions with wrong arguments"}
	} else if err != nil {
		return fmt.Errorf("set the hashes of packages: %w", err)
	}
	if note.Slim || note.Stripped {
		if b, err = slim.DropSymbols(b); err != nil {
			return fmt.Errorf("drop the symbols: %w", err)
		}
	}
	if err := os.WriteFile(image, b, 0o755); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	return seal(image, p, native.Seal{API: p.api, Key: p.key, Slim: note.Slim, Along: note.Along, WhyAlong: note.WhyAlong, WhyFull: cmp.Or(note.Why, p.why)})
}
