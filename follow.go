package sohost

import (
	"errors"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/watch"
	"github.com/sohost/sohost/native"
)

// wake signals one goroutine that something may have changed. Signals merge: one that is still pending covers later
// changes too.
type wake chan struct{}

func newWake() wake { return make(wake, 1) }

// up sends the signal. It never blocks.
func (w wake) up() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// unfinished is how long a truncated or damaged image may stay unchanged before it is treated as broken rather than half written.
const unfinished = time.Second

// watch reloads the plugin whenever its image changes.
func (p *plugin) watch() {
	h := p.host
	changed := func() {
		h.rounds.expect(p)
		p.changed.up()
	}
	target, err := h.watcher.File(p.Image, func(watch.Event) { changed() })
	if err != nil {
		h.log.Error("watch image", "plugin", p.Name, "image", p.Image, "err", err)
		return
	}
	p.mu.Lock()
	p.watched = target
	p.mu.Unlock()
	// It may have changed before the watch began. After a handover everyone has better to do than to read all files again.
	if p.fileSeen == "" || watch.Signature(p.Image) != p.fileSeen {
		changed()
	}
	h.tasks.Go(p.follow)
}

// follow reloads the plugin whenever its image has changed, until the plugin is forgotten or the host's lifetime ends. Each plugin in Dev mode has
// one goroutine for it.
func (p *plugin) follow() {
	defer p.host.rounds.leave(p)
	first := true
	for {
		select {
		case <-p.changed:
		case <-p.forgotten:
			return
		case <-p.host.lifetime.Done():
			return
		}
		again := p.reloadChanged(first)
		first = false
		for ; again; again = p.reloadChanged(false) {
			select { // it is being written to
			case <-p.changed:
			case <-time.After(p.host.opts.Settle):
			case <-p.host.lifetime.Done():
				return
			}
		}
	}
}

// reloadChanged loads the plugin's image as it is now. It reports whether to try again because the image was still
// being written. first is target.first.
func (p *plugin) reloadChanged(first bool) (again bool) {
	h := p.host
	for truncated(p.Image) {
		h.rounds.leave(p)
		select {
		case <-p.changed: // more came
			continue
		case <-time.After(unfinished):
		case <-h.lifetime.Done():
			return false
		}
		break
	}
	return errors.Is(h.rounds.reload(p, first), generations.ErrChanged)
}

// truncated reports whether a file looks like an image that has not been written to its end yet, or not everywhere.
func truncated(file string) bool {
	_, err := native.InspectFile(file)
	return errors.Is(err, native.ErrTruncated) || errors.Is(err, native.ErrDamaged)
}
