package build

import (
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/sohost/sohost/internal/slim"
	"github.com/sohost/sohost/native"
)

// finish does what is left to do with a linked image: it gets the hashes of ordinary builds, loses what only debuggers read, and is
// sealed.
func (s *surveyed) finish(ctx context.Context, opts Options, w *wrapper, image string) error {
	p := w.plan
	if !p.Slim {
		return seal(image, p, native.Seal{API: p.api, Key: p.key, WhyFull: p.why})
	}
	note := w.note // the go command has ended
	if note == nil {
		return errors.New("the linker was not called")
	}
	hashes, err := s.ordinaryHashes(ctx, opts, w, note.Packages)
	if err != nil {
		return err
	}
	if err := inPlace(image, func(b []byte) ([]byte, error) {
		if _, err := slim.SetHashes(b, hashes); errors.Is(err, elf.ErrNoSymbols) {
			return nil, &Refusal{Kind: ErrNoTool, Reason: "the linker has left out the symbols of the image, as mold does",
				Remedy: "use GNU ld, gold or lld, such as with --ldflags=-extldflags=-fuse-ld=bfd; what mold links calls functions with wrong arguments"}
		} else if err != nil {
			return nil, fmt.Errorf("set the hashes of packages: %w", err)
		}
		if !note.Slim && !note.Stripped {
			return b, nil
		}
		if b, err = slim.DropSymbols(b); err != nil {
			return nil, fmt.Errorf("drop the symbols: %w", err)
		}
		return b, nil
	}); err != nil {
		return err
	}
	return seal(image, p, native.Seal{API: p.api, Key: p.key, Slim: note.Slim, Along: note.Along, WhyAlong: note.WhyAlong, WhyFull: cmp.Or(note.Why, p.why)})
}

// inPlace lets edit change a file where it is, and cuts it off to what that returns, which must be the beginning of what it was given. An
// image is large and little of it changes, so it isn't read and written: it is mapped.
func inPlace(file string, edit func([]byte) ([]byte, error)) error {
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("change the image: %w", err)
	}
	defer f.Close() // after an error; otherwise it is closed by then
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("change the image: %w", err)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(st.Size()), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("change the image: map it: %w", err)
	}
	left, err := edit(b)
	size := len(left)
	if err := errors.Join(err, syscall.Munmap(b)); err != nil {
		return err
	}
	if err := errors.Join(f.Truncate(int64(size)), f.Close()); err != nil {
		return fmt.Errorf("change the image: %w", err)
	}
	return nil
}
