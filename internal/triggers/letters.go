package triggers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// A Letter is what a plugin could not handle, as it lies in a file.
type Letter struct {
	Time    time.Time `json:"time"` // when it was put aside
	Error   string    `json:"error"`
	Attempt int       `json:"attempt"`

	// Due is set if it is a time, and all else if it is rows.
	Due time.Time `json:"due,omitzero"`

	Database string    `json:"database,omitempty"`
	Seq      uint64    `json:"seq,omitempty"`
	Since    time.Time `json:"since,omitzero"` // when it came
	Tables   []table   `json:"tables,omitempty"`
}

// letters are those of one trigger, one in a file.
type letters struct {
	folder *generations.Folder

	mu     sync.Mutex // guards what follows, and the files
	known  bool       // the folder was looked at
	number int
	bytes  int64
	last   int64 // in the newest name
}

// The bounds of one trigger's letters. When they are reached, the trigger keeps what it can't deliver in its queue.
const (
	maxLetters     = 10_000
	maxLetterBytes = 1 << 30
)

// held is the end of the name of a letter that is the first to be delivered when its trigger is enabled. Others are only delivered by
// command.
const held = "-held.json"

// letterMode keeps what clients wrote from other users.
const letterMode = 0o600

// names returns the files, oldest first.
func (l *letters) names() (names []string, err error) {
	entries, err := os.ReadDir(l.folder.Path(""))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries { // sorted by name, and so by time
		if strings.HasSuffix(e.Name(), ".json") {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// lookLocked looks at the folder if nobody has.
func (l *letters) lookLocked() error {
	if l.known {
		return nil
	}
	names, err := l.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if info, err := os.Stat(l.folder.Path(name)); err == nil {
			l.number, l.bytes = l.number+1, l.bytes+info.Size()
		}
	}
	l.known = true
	return nil
}

// count returns how many there are.
func (l *letters) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lookLocked() // best effort
	return l.number
}

// write writes a letter.
func (l *letters) write(letter Letter, suffix string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.lookLocked(); err != nil {
		return err
	}
	text, err := json.Marshal(letter)
	if err != nil {
		return err
	}
	if l.number >= maxLetters || l.bytes+int64(len(text)) > maxLetterBytes {
		return fmt.Errorf("there are %d in %s already, with %d MiB; deliver them with `sohost trigger replay`, or remove them",
			l.number, l.folder.Path(""), l.bytes>>20)
	}
	l.last = max(letter.Time.UnixNano(), l.last+1)
	err = l.folder.WriteFile(fmt.Sprintf("%020d%s", l.last, suffix), letterMode, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err == nil {
		l.number, l.bytes = l.number+1, l.bytes+int64(len(text))
	}
	return err
}

// read returns a letter as an item.
func (l *letters) read(name string) (item, error) {
	text, err := os.ReadFile(l.folder.Path(name))
	if err != nil {
		return item{}, err
	}
	var letter Letter
	if err := json.Unmarshal(text, &letter); err != nil {
		return item{}, fmt.Errorf("letter %s: %w", l.folder.Path(name), err)
	}
	it := item{letter: name, database: letter.Database, since: letter.Since} // without a number: no state has it, whatever came later
	if !letter.Due.IsZero() {
		it.since = letter.Due
	}
	for _, t := range letter.Tables {
		it.tables = append(it.tables, abi.Table(t))
	}
	it.rows, it.bytes = measure(it.tables)
	return it, nil
}

// discard removes a letter.
func (l *letters) discard(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.lookLocked(); err != nil {
		return err
	}
	info, err := os.Stat(l.folder.Path(name))
	if err != nil {
		return nil // it is gone
	}
	if err := l.folder.Remove(name); err != nil {
		return err
	}
	l.number, l.bytes = l.number-1, l.bytes-info.Size()
	return nil
}

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
}

// heldBack returns the letters that are the first to be delivered.
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
	return items
}

// pushHeldLocked puts letters before all else in the queue.
func (t *trigger) pushHeldLocked(items []item) {
	at := 0
	if t.busy && len(t.queue) > 0 {
		at = 1
	}
	all := append(append(append([]item{}, t.queue[:at]...), items...), t.queue[at:]...)
	t.setQueueLocked(all)
	t.nudge()
}
