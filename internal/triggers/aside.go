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

// settleLetter removes a letter, or notes that a plugin's state has it now, which a checkpoint keeps.
func (t *trigger) settleLetter(name string, handled bool) {
	settle, e := t.letters.discard, t.engine
	if handled && t.spec.Kind == Write && e.keeps(t.key.Plugin) {
		settle = t.letters.deliver
	}
	if err := settle(name); err != nil {
		e.o.Logger.Error("trigger: what was put aside was delivered, and stays: it may be delivered again",
			"plugin", t.key.Plugin, "trigger", t.Name, "letter", name, "err", err)
	}
}

// forgetLetters removes the letters that were delivered up to a number, since nothing will lack them.
func (t *trigger) forgetLetters(upTo uint64) {
	if upTo == 0 {
		return
	}
	if err := t.letters.forget(upTo); err != nil {
		t.engine.o.Logger.Warn("trigger: what was delivered can't be removed", "plugin", t.key.Plugin, "trigger", t.Name, "err", err)
	}
}

// takeBackLocked has those letters delivered again that a restored state lacks: it has the deliveries up to a number.
func (t *trigger) takeBackLocked(upTo uint64) {
	if err := t.letters.takeBack(upTo); err != nil {
		t.engine.o.Logger.Error("trigger: what was delivered before the state was restored can't be put aside again",
			"plugin", t.key.Plugin, "trigger", t.Name, "err", err)
	}
	if t.engine.phase == idle || t.disabled != "" {
		return // until the trigger begins, or is enabled
	}
	t.setQueueLocked(slices.DeleteFunc(slices.Clone(t.queue), func(it item) bool { return it.replay == nil && t.comesLocked(it.letter) }))
	t.pushHeldLocked(t.heldBack())
}

// pushHeldLocked puts letters into the queue that aren't there.
func (t *trigger) pushHeldLocked(items []item) {
	for _, it := range items {
		if !t.queuedLocked(it.letter) && !t.comesLocked(it.letter) {
			t.pushLocked(it)
		}
	}
}

// comesLocked reports whether a letter has a write that the backlog has still to deliver, because an older state was restored. The letter is
// removed then.
func (t *trigger) comesLocked(letter string) bool {
	seq := seqOf(letter)
	return seq > t.cursor && t.engine.o.Backlog != nil && seq <= t.engine.o.Backlog.End()
}

// queuedLocked reports whether a letter is in the queue.
func (t *trigger) queuedLocked(letter string) bool {
	return slices.ContainsFunc(t.queue, func(other item) bool { return other.letter == letter })
}

func isLetter(it item) bool { return it.letter != "" }

// lettersDelivered says that a plugin has handled letters. Until its next checkpoint they stay on disk.
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
