package sohost

import (
	"errors"
	"slices"
	"time"

	"github.com/sohost/sohost/generations"
)

// confirmLater confirms each release that has served for as long as its probation takes.
func (h *Host) confirmLater() {
	h.published.raise() // the current one may have been left unconfirmed
	h.tasks.Go(func() {
		var over <-chan time.Time
		for {
			select {
			case <-h.published:
				over = time.After(h.opts.Probation)
			case <-over:
				if err := h.confirm(); err != nil {
					h.log.Warn("confirm release", "err", err)
				}
			case <-h.lifetime.Done():
				return
			}
		}
	})
}

// confirm makes the current release the one to fall back to, if all that it names serves.
func (h *Host) confirm() error {
	h.publishMu.Lock()
	defer h.publishMu.Unlock()
	number := h.Release()
	if h.lifetime.Err() != nil || number == 0 || !h.serves(*h.release.Load()) {
		return nil
	}
	before, err := h.store.Confirmed()
	if err == nil && before.Number == number {
		return nil
	}
	if err != nil && !errors.Is(err, generations.ErrNoRelease) && !errors.Is(err, generations.ErrBroken) {
		return err
	}
	if err := h.store.Confirm(number); err != nil {
		return err
	}
	h.remember(generations.Event{Kind: generations.KindConfirm, Release: number})
	h.log.Info("confirmed", "release", number)
	return nil
}

// serves says whether each plugin serves what the release says. One that was left out at the boot has not proved itself.
func (h *Host) serves(r generations.Release) bool {
	return !slices.ContainsFunc(h.index.Load().sorted(), func(p *plugin) bool {
		entry, named := r.Plugins[p.name]
		return named && entry.Image != p.currentID()
	})
}
