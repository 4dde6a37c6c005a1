package sohost

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/sohost/sohost/internal/watch"
	"github.com/sohost/sohost/native"
)

// store puts the image into the store, pinned so that no prune removes it, and returns its path there. For an image
// that is stored already, it verifies the contents.
func (c *candidate) store(ctx context.Context) (path string, err error) {
	h := c.plugin.host
	if c.stored.IsZero() {
		if err := c.plugin.mayLoad(c.file); err != nil {
			return "", err
		}
		image, err := c.add(ctx)
		if err != nil {
			return "", err
		}
		c.move.To, c.pinned = image.ID, image.ID
		if c.file == c.plugin.Image {
			c.plugin.fileImage, c.plugin.fileSeen = image.ID, image.seen
		}
		return image.Path, nil
	}
	h.ledger.Pin(c.stored) // before the look-up: a prune may not come in between
	c.move.To, c.pinned = c.stored, c.stored
	object, err := h.store.Object(c.stored)
	if err != nil {
		return "", err
	}
	if h.readied.isVerified(c.stored) {
		return object.Path, nil
	}
	return object.Path, h.store.Verify(ctx, c.stored)
}

// mayLoad returns why no image is taken from a file, because of where it is or who may change it.
func (p *plugin) mayLoad(file string) error {
	return errors.Join(p.host.leavesDir(file), p.trust(file))
}

// add stores the image in the candidate's file, unless ready has just done that for it, and pins it. A later candidate finds another
// file, perhaps.
func (c *candidate) add(ctx context.Context) (added, error) {
	h := c.plugin.host
	if c.before != nil && c.file == c.plugin.Image {
		if image, has := h.readied.stored(c.plugin); has {
			return image, nil
		}
	}
	seen := watch.Signature(c.file)
	object, settle, err := h.ledger.AddSoon(ctx, c.file)
	if err == nil {
		done := make(chan error, 1)
		go func() { done <- settle() }()
		c.settled = sync.OnceValue(func() error { return <-done })
	}
	return added{object, seen}, err
}

// settle waits until the image is durable in the store. That goes on beside check and probe, and ends before the image is opened in this
// process, which can't be undone: a disk that doesn't keep the image refuses it.
func (c *candidate) settle() error {
	if c.settled == nil {
		return nil
	}
	return c.step(PhaseStore, c.settled)
}

// judgedByHead makes the failure of a file that can't be an image, as its first bytes show, one of the check. If a change event finds
// the same failure again, it returns the newest refusal.
func (c *candidate) judgedByHead(err error) error {
	f, ok := err.(*failure)
	if !ok {
		return err
	}
	if r := c.plugin.refusal(); c.onChange && r != nil && r.Image.IsZero() && r.Message == f.err.Error() {
		return r
	}
	if !slices.ContainsFunc([]error{native.ErrEmpty, native.ErrNotELF, native.ErrTruncated, native.NotPlugin, ErrOthersWrite},
		func(target error) bool { return errors.Is(err, target) }) {
		return err
	}
	f.phase = PhaseCheck
	return f
}
