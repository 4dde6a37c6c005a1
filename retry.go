package sohost

import (
	"errors"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/blame"
)

// retry is an image that is to be tried again: one in quarantine, or one that was left out of the boot.
type retry struct {
	plugin      *plugin
	image       generations.ID
	file        string
	at          time.Time // as status says
	in          time.Duration
	quarantined bool
}

// errNotDue is returned when an image that was to be tried again no longer is: another one was deployed, or its quarantine was
// lifted.
var errNotDue = errors.New("it is not to be tried any more")

// triedAgain is the cause of such a reload.
const triedAgain = "tried again"

// retryLater tries images again when their time has come, one after the other, until the host's lifetime ends. It wakes for
// nothing else.
func (h *Host) retryLater() {
	h.tasks.Go(func() {
		for {
			next, waiting := h.nextRetry()
			var due <-chan time.Time // nil, and never ready, if none is waiting
			if waiting {
				due = time.After(next.in)
			}
			select {
			case <-due:
				if err := h.retry(next); err != nil {
					h.log.Error("try an image again", "plugin", next.plugin.Name, "image", next.image.Short(), "err", err)
					select { // the same would happen at once
					case <-time.After(blame.Cooldown(0)):
					case <-h.lifetime.Done():
						return
					}
				}
			case <-h.forgiven: // or lifted
			case <-h.lifetime.Done():
				return
			}
		}
	})
}

// nextRetry returns what is to be tried again first.
func (h *Host) nextRetry() (next retry, waiting bool) {
	add := func(r retry) {
		if !waiting || r.in < next.in {
			next, waiting = r, true
		}
	}
	quarantines, _ := h.store.Quarantines()
	for _, q := range quarantines {
		p, has := h.table.Load().Named(q.Plugin)
		if !has || q.Next.IsZero() {
			continue
		}
		if file, wanted := h.wanted(p, q.Image); wanted {
			add(retry{plugin: p, image: q.Image, file: file, at: q.Next, in: pause(q.Due(), q.Tries), quarantined: true})
		}
	}
	for _, p := range h.plugins() {
		r := p.refusal()
		if r == nil || r.Retry.IsZero() {
			continue
		}
		if _, is, _ := h.store.Quarantined(r.Image); !is {
			if e := h.ledger.Current().Plugins[p.Name]; !e.Image.IsZero() && e.Image != p.servingID() {
				add(retry{plugin: p, image: e.Image, file: e.Source, at: r.Retry, in: pause(generations.Moment{Time: r.Retry}, r.Tries)})
			}
		}
	}
	return next, waiting
}

// pause returns how long it is until an image is due. It is never longer than it has been from the beginning: a clock that was set back
// between two boots of the machine, or while the process was replaced, holds nothing up.
func pause(due generations.Moment, tries int) time.Duration {
	return min(due.Sub(generations.Now()), blame.Cooldown(tries))
}

// wanted reports whether a plugin would serve an image in quarantine if that were none: the current release names it, or what
// serves is its fallback. It returns the file that the image came from.
func (h *Host) wanted(p *plugin, image generations.ID) (file string, ok bool) {
	release := h.ledger.Current()
	entry, named := release.Plugins[p.Name]
	serves := p.serving()
	switch {
	case named && entry.Image == image:
		return entry.Source, p.servingID() != image
	case serves == nil && named:
		return "", false
	case serves == nil:
		return p.Image, true
	}
	record := h.judge.Record(release, func(string) bool { return true })
	fellBack := serves.Value().skipped == image && !record.RolledBack(blame.Suspect{Plugin: p.Name, Image: entry.Image})
	return p.Image, fellBack
}

// retry tries an image again. When it would be tried next is on disk before any of its code runs, and its quarantine is lifted
// only when it has passed its probation: see lift. The error says that the store can't be written.
func (h *Host) retry(r retry) error {
	if err := h.postpone(r); err != nil {
		if errors.Is(err, errNotDue) {
			return nil
		}
		return err
	}
	var next time.Time
	var tries int
	if postponed := r.plugin.refusal(); postponed != nil {
		next, tries = postponed.Retry, postponed.Tries
	}
	h.log.Info("an image is tried again", "plugin", r.plugin.Name, "image", r.image.Short())
	h.reload(h.lifetime, []*plugin{r.plugin}, func() (order, error) { // which logs and records a refusal
		if _, wanted := h.wanted(r.plugin, r.image); !wanted {
			return order{}, errNotDue
		}
		t := target{plugin: r.plugin, file: r.file, stored: r.image}
		if r.quarantined {
			t.retry = r.image
		}
		if _, err := h.store.Object(r.image); err != nil { // no release has named it, and the store has forgotten it
			t.stored = generations.ID{}
		}
		return order{cause{kind: generations.KindDeploy, by: triedAgain}, []target{t}}, nil
	})
	if !r.quarantined {
		r.plugin.keepTrying(r.image, next, tries)
	}
	return nil
}

// keepTrying has an image that was tried again and refused tried once more.
func (p *plugin) keepTrying(image generations.ID, next time.Time, tries int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused != nil && p.refused.Image == image && p.refused.Retry.IsZero() {
		later := *p.refused
		later.Retry, later.Tries = next, tries
		p.refused = &later
	}
}

// postpone notes when the image is tried the next time after this one.
func (h *Host) postpone(r retry) error {
	if !r.quarantined {
		p := r.plugin
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.refused == nil || !p.refused.Retry.Equal(r.at) {
			return errNotDue
		}
		later := *p.refused
		later.Tries++
		later.Retry = time.Now().Add(blame.Cooldown(later.Tries))
		p.refused = &later
		return nil
	}
	q, is, err := h.store.Quarantined(r.image)
	if err != nil {
		return err
	}
	if !is || !q.Next.Equal(r.at) {
		return errNotDue
	}
	q.Tries++
	next := generations.Now().Add(blame.Cooldown(q.Tries))
	q.Next, q.NextUptime = next.Time, next.Uptime
	return h.store.UpdateQuarantine(q)
}

// lift lifts the quarantine of images that were tried again and have passed their probation.
func (h *Host) lift() {
	quarantines, _ := h.store.Quarantines()
	for _, q := range quarantines {
		if p, has := h.table.Load().Named(q.Plugin); !has || q.Tries == 0 || p.servingID() != q.Image {
			continue
		}
		if _, err := h.LiftQuarantine(q.Image.String()); err != nil {
			h.log.Error("lift the quarantine of an image that has passed its probation", "plugin", q.Plugin, "image", q.Image.Short(), "err", err)
			continue
		}
		h.log.Info("quarantine lifted: the image was tried again and has passed its probation", "plugin", q.Plugin, "image", q.Image.Short())
	}
}
