package triggers

import (
	"slices"
	"strings"
	"time"
)

// setAside writes what a call was made for into a letter, unless it came from one.
func (t *trigger) setAside(j *job, err error, holds bool) error {
	letter := Letter{Time: time.Now(), Error: err.Error(), Attempt: t.failed + 1}
	suffix := ".json"
	if holds {
		suffix = held
	}
	if j.item == nil {
		letter.Due = j.tick.Due
		return t.letters.write(letter, suffix)
	}
	if j.item.letter != "" {
		return nil
	}
	return t.letters.write(letter.of(j.item), suffix)
}

func (l Letter) of(it *item) Letter {
	l.Database, l.Seq, l.Since = it.database, it.seq, it.since
	for _, t := range it.tables {
		l.Tables = append(l.Tables, table(t))
	}
	return l
}

func isLetter(it item) bool { return it.letter != "" }

// lettersDelivered says that a plugin has handled letters, which are no more: until its next checkpoint nothing but its state has their rows.
func (e *Engine) lettersDelivered(plugin string) {
	if e.o.Checkpoint != nil {
		e.o.Checkpoint(plugin)
	}
}

// hold puts aside what was in the queue of a trigger that is disabled, to be delivered when it is enabled.
func (t *trigger) hold(rest []item, why error) {
	for i := range rest {
		it := &rest[i]
		var err error
		if it.letter == "" {
			err = t.letters.write(Letter{Time: time.Now(), Error: why.Error()}.of(it), held)
		}
		t.engine.mu.Lock()
		it.of.doneLocked(err)
		if it.replay != nil {
			it.replay <- why
		}
		t.engine.mu.Unlock()
	}
	t.engine.mu.Lock()
	defer t.engine.mu.Unlock()
	t.shelving--
	t.engine.tellLocked()
}

// heldBack returns the letters that are the first to be delivered, in the order in which their rows came.
func (t *trigger) heldBack() (items []item) {
	names, err := t.letters.names()
	for _, name := range names {
		if !strings.HasSuffix(name, held) {
			continue
		}
		it, bad := t.letters.read(name)
		if bad != nil {
			err = bad
			continue
		}
		items = append(items, it)
	}
	if err != nil {
		t.engine.o.Logger.Error("trigger: what was put aside can't be read", "plugin", t.key.Plugin, "trigger", t.Name, "err", err)
	}
	slices.SortStableFunc(items, func(a, b item) int { return a.since.Compare(b.since) }) // after a crash some were put aside later
	return items
}
