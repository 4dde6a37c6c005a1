package certs

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/sohost/sohost/internal/watch"
)

// Watcher reads pairs again when their files change.
type Watcher struct{ files *watch.Watcher }

// settle is how long files must be quiet: a certificate and its key change one after the other.
const settle = 200 * time.Millisecond

// Watch calls changed with what is in files whenever it may have changed, or with why that is no pair, or has expired. The files have
// names, by which changed knows them. It is called from here, once for each, and from one goroutine later.
func Watch(files map[string]Files, log *slog.Logger, changed func(name string, f Files, p Pair, err error)) (*Watcher, error) {
	w := &Watcher{watch.New(watch.Options{Settle: settle, Logger: log})}
	for name, f := range files {
		look := func(watch.Event) {
			p, err := f.Read()
			if until := p.Until(); err == nil && time.Now().After(until) {
				err = fmt.Errorf("certificate %s: it has expired on %s", f.Certificate, until.UTC().Format(time.DateOnly))
			}
			changed(name, f, p, err)
		}
		_, err := w.files.File(f.Certificate, look)
		_, keyErr := w.files.File(f.Key, look)
		look(watch.Event{}) // they may have changed before
		if err := errors.Join(err, keyErr); err != nil {
			w.Close()
			return nil, fmt.Errorf("watch the certificate of %s: %w", name, err)
		}
	}
	return w, nil
}

// Close ends the watch, and waits for a call of changed.
func (w *Watcher) Close() { w.files.Close() }
