package triggers

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
)

// deliveredMark comes after the name of a letter that a plugin with state has handled, and before the number of the delivery. Such a letter
// stays until a checkpoint has that state: after a crash it is a letter again, unless the checkpoint that is restored has it.
const deliveredMark = ".delivered-"

// letterPosition is the key, among the positions of a plugin, of the number of a trigger's last delivery. No trigger's name has a space.
func letterPosition(trigger string) string { return trigger + " letters" }

// lookDeliveredLocked looks for letters that were delivered.
func (l *letters) lookDeliveredLocked() error {
	l.delivered = map[uint64]string{}
	entries, err := os.ReadDir(l.folder.Path(""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		_, number, _ := strings.Cut(e.Name(), deliveredMark)
		n, bad := strconv.ParseUint(number, 10, 64)
		if bad != nil {
			continue
		}
		l.delivered[n] = e.Name()
		l.handed.Store(max(l.handed.Load(), n))
		if info, bad := e.Info(); bad == nil {
			l.bytes += info.Size()
		}
	}
	return err
}

// deliver notes that the plugin's state has a letter.
func (l *letters) deliver(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.lookLocked(); err != nil {
		return err
	}
	n := l.handed.Load() + 1
	to := name + deliveredMark + strconv.FormatUint(n, 10)
	err := l.folder.Rename(name, to)
	if errors.Is(err, fs.ErrNotExist) { // somebody has removed it while it was delivered: it can't come again
		l.known = false
		return nil
	}
	if err != nil {
		return err
	}
	l.unlistLocked(name)
	l.number--
	l.delivered[n] = to
	l.handed.Store(n)
	return nil
}

// forget removes the letters that were delivered up to a number: a checkpoint has them.
func (l *letters) forget(upTo uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.lookLocked(); err != nil {
		return err
	}
	return l.forgetLocked(upTo)
}

func (l *letters) forgetLocked(upTo uint64) (err error) {
	for n, name := range l.delivered {
		if n > upTo {
			continue
		}
		info, missing := os.Stat(l.folder.Path(name))
		if bad := l.folder.Remove(name); bad != nil {
			err = bad
			continue
		}
		delete(l.delivered, n)
		if missing == nil {
			l.bytes -= info.Size()
		}
	}
	return err
}

// takeBack makes those that were delivered after a number letters again: the state is another, which lacks them.
func (l *letters) takeBack(after uint64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.lookLocked(); err != nil {
		return err
	}
	err := l.forgetLocked(after)
	for n, name := range l.delivered {
		if n <= after {
			continue
		}
		letter, _, _ := strings.Cut(name, deliveredMark)
		if bad := l.folder.Rename(name, letter); bad != nil {
			err = bad
		}
	}
	l.known = false
	l.handed.Store(max(l.handed.Load(), after))
	return err
}

// deliveries returns the number of the last delivery.
func (l *letters) deliveries() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lookLocked() // best effort
	return l.handed.Load()
}

// forgetUnkept removes the letters that were delivered to an image with state, if that of now has none: no checkpoint will have them.
func (e *Engine) forgetUnkept() {
	e.mu.Lock()
	writers := slices.Clone(e.writers)
	e.mu.Unlock()
	for _, t := range writers {
		upTo := t.letters.deliveries() // so far: the next image may have state again
		if !e.keeps(t.key.Plugin) {
			t.forgetLetters(upTo)
		}
	}
}
