package triggers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	last   int64             // in the newest name
	of     map[uint64]string // the names of those that are writes of the backlog, by number

	delivered map[uint64]string // the names of those that no checkpoint has yet, by the number of their delivery
	handed    atomic.Uint64     // the number of the last delivery
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
	l.number, l.bytes, l.of = 0, 0, map[uint64]string{}
	for _, name := range names {
		if info, err := os.Stat(l.folder.Path(name)); err == nil {
			l.number, l.bytes = l.number+1, l.bytes+info.Size()
		}
		if seq := seqOf(name); seq != 0 {
			l.of[seq] = name
		}
	}
	if err := l.lookDeliveredLocked(); err != nil {
		return err
	}
	l.known = true
	return nil
}

// lookAgain has the folder looked at again: another process has written letters.
func (l *letters) lookAgain() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = false
}

// name returns a letter's name. Names are in the order in which letters were put aside.
func (l Letter) name(at int64, suffix string) string {
	if l.Seq == 0 {
		return fmt.Sprintf("%020d%s", at, suffix)
	}
	return fmt.Sprintf("%020d-%d%s", at, l.Seq, suffix)
}

// seqOf returns the number that is in a letter's name, or 0.
func seqOf(name string) uint64 {
	parts := strings.Split(strings.TrimSuffix(name, ".json"), "-")
	if len(parts) < 2 {
		return 0
	}
	n, _ := strconv.ParseUint(parts[1], 10, 64)
	return n
}

// findLocked returns the name of the letter with a write of the backlog, or "". Whoever removes a backlog by hand has its numbers begin
// anew, so a number alone is not enough.
func (l *letters) findLocked(seq uint64, since time.Time) string {
	name := l.of[seq]
	if name == "" {
		return ""
	}
	if it, err := l.read(name); err != nil || !it.since.Equal(since) {
		return ""
	}
	return name
}

// count returns how many there are.
func (l *letters) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lookLocked() // best effort
	return l.number
}

// write writes a letter. A write of the backlog that was put aside before a crash already isn't put aside twice.
func (l *letters) write(letter Letter, suffix string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.lookLocked(); err != nil {
		return err
	}
	if l.findLocked(letter.Seq, letter.Since) != "" {
		return nil
	}
	text, err := json.Marshal(letter)
	if err != nil {
		return err
	}
	if l.number+len(l.delivered) >= maxLetters || l.bytes+int64(len(text)) > maxLetterBytes {
		return fmt.Errorf("%s has %d MiB already: deliver the %d that are there with `sohost trigger replay`, or remove them; "+
			"%d were delivered, and stay until the plugin's next checkpoint", l.folder.Path(""), l.bytes>>20, l.number, len(l.delivered))
	}
	l.last = max(letter.Time.UnixNano(), l.last+1)
	name := letter.name(l.last, suffix)
	err = l.folder.WriteFile(name, letterMode, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err == nil {
		l.number, l.bytes = l.number+1, l.bytes+int64(len(text))
		if letter.Seq != 0 {
			l.of[letter.Seq] = name
		}
	}
	return err
}

// has reports whether there is a letter still. One that is delivered is gone before it leaves the queue.
func (l *letters) has(name string) bool {
	_, err := os.Stat(l.folder.Path(name))
	return err == nil
}

// unlistLocked notes that a write of the backlog has no letter any more.
func (l *letters) unlistLocked(name string) {
	if seq := seqOf(name); l.of[seq] == name {
		delete(l.of, seq)
	}
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
	return l.discardLocked(name)
}

// discardWrite removes the letter of a write of the backlog that the plugin has handled after all: its state was restored to what it was
// before the write was put aside.
func (l *letters) discardWrite(seq uint64, since time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.lookLocked(); err != nil {
		return err
	}
	if name := l.findLocked(seq, since); name != "" {
		return l.discardLocked(name)
	}
	return nil
}

func (l *letters) discardLocked(name string) error {
	l.unlistLocked(name)
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
