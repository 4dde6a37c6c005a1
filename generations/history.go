package generations

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"
)

// Event is something that happened: one line of the history, or what only those hear of who observe.
type Event struct {
	Time    time.Time                `json:"time"` // AppendEvent sets it when it is zero
	Kind    Kind                     `json:"kind"`
	Plugin  string                   `json:"plugin,omitempty"`
	From    ID                       `json:"from,omitzero"`
	To      ID                       `json:"to,omitzero"`
	Release int                      `json:"release,omitempty"`
	Detail  string                   `json:"detail,omitempty"`    // cut after 16 KiB
	Phases  map[string]time.Duration `json:"phases_ns,omitempty"` // how long each step took

	// Of a reload: how state came into To, and what was lost of it.
	State string   `json:"state,omitempty"`
	Lost  []string `json:"lost,omitempty"`

	// Crossing is how many calls ran in From at the flip to To, and finished there.
	Crossing int64 `json:"crossing,omitempty"`

	// Of a crash: how much the evidence against From is worth, and the images that may have caused it, if more than one may.
	Evidence string      `json:"evidence,omitempty"`
	Suspects []Suspicion `json:"suspects,omitempty"`

	// Trace is the traceparent of whoever has ordered what happens, by W3C Trace Context.
	Trace string `json:"trace,omitempty"`

	Uptime Uptime `json:"uptime,omitzero"` // the same moment as Time; of crashes and of plugins left out
}

// When returns when it happened.
func (e Event) When() Moment { return Moment{e.Time, e.Uptime} }

// Suspicion is how likely it is that an image has ended a process, as far as that process shows. The shares of all images that may
// have done it add up to 1.
type Suspicion struct {
	Plugin string  `json:"plugin"`
	Image  ID      `json:"image"`
	Share  float64 `json:"share"`
}

const (
	historyFile    = "history.jsonl"
	olderHistory   = "history.1.jsonl"
	maxEventDetail = 16 << 10
	maxEventLine   = 64 << 10
)

// AppendEvent appends an event to the history. Nothing depends on the history, so it isn't synced: an event survives the
// process, but may be lost if the power fails within seconds. On error the history is unchanged, except for an unfinished
// line that the next append removes.
func (s *Store) AppendEvent(e Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appendLocked(e)
}

// appendLocked is called with s.mu held. Whoever observes the store hears of the event even if it can't be written.
func (s *Store) appendLocked(e Event) error {
	e = e.Normal()
	s.opts.Observe(e)
	if err := s.unwritableLocked(); err != nil {
		return fmt.Errorf("append event: %w", err)
	}
	line, err := encodeEvent(e)
	if err != nil {
		return fmt.Errorf("append event: %w", err)
	}
	if err := s.appendLine(line); err != nil {
		return fmt.Errorf("append event: %w", err)
	}
	return nil
}

// Normal returns the event as the history has it: with a time, which is the present one if there was none, and with a Detail of at most
// 16 KiB.
func (e Event) Normal() Event {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Time = e.Time.UTC()
	e.Detail = cut(e.Detail, maxEventDetail)
	return e
}

// encodeEvent returns the line of a normal event.
func encodeEvent(e Event) ([]byte, error) {
	line, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	if len(line) >= maxEventLine {
		return nil, fmt.Errorf("event of %d bytes, the limit is %d", len(line), maxEventLine)
	}
	return append(line, '\n'), nil
}

// cut shortens text to at most limit bytes and an ellipsis, at a character boundary.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit] + "…"
}

func (s *Store) appendLine(line []byte) error {
	f, size, err := s.openHistory()
	if err != nil {
		return err
	}
	if size > 0 && size+int64(len(line)) > s.opts.MaxHistory {
		f.Close()
		if err := s.rotate(); err != nil {
			return err
		}
		if f, _, err = s.openHistory(); err != nil {
			return err
		}
	}
	defer f.Close()
	// A single write: a crash leaves either the whole line or a part without its newline, which the next append removes.
	_, err = s.disk.write(f, line)
	return err
}

// openHistory opens the history for appending, after removing a torn last line.
func (s *Store) openHistory() (f *os.File, size int64, err error) {
	f, err = s.disk.open(filepath.Join(s.dir, historyFile), os.O_RDWR|os.O_APPEND|os.O_CREATE, recordMode)
	if err != nil {
		return nil, 0, err
	}
	fi, err := s.disk.fstat(f)
	if err == nil {
		size, err = s.repair(f, fi.Size())
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

// repair truncates the file after its last complete line and returns its size. What a power failure leaves may be longer
// than any line.
func (s *Store) repair(f *os.File, size int64) (int64, error) {
	whole := size
	window := make([]byte, 1) // the last byte is usually a newline, and no more is read
	for whole > 0 {
		part := window[:min(whole, int64(len(window)))]
		if _, err := s.disk.readAt(f, part, whole-int64(len(part))); err != nil {
			return 0, err
		}
		end := bytes.LastIndexByte(part, '\n') + 1
		whole += int64(end - len(part))
		if end > 0 {
			break
		}
		window = make([]byte, maxEventLine)
	}
	if whole == size {
		return size, nil
	}
	return whole, s.disk.truncate(f, whole)
}

// rotate renames the history to the older half. After a crash there may be no newer one; the next append creates it.
func (s *Store) rotate() error {
	if err := s.disk.rename(filepath.Join(s.dir, historyFile), filepath.Join(s.dir, olderHistory)); err != nil {
		return err
	}
	return s.disk.syncDir(s.dir)
}

// History returns the last n events, oldest first, or all that are kept if n is 0 or less. It skips lines that it can't
// read, such as a last line torn by a crash.
func (s *Store) History(n int) ([]Event, error) {
	// Open both before reading either: if they are rotated in between, both names may lead to one file, but no event is
	// missed.
	newer, err := s.openLog(historyFile)
	if err != nil {
		return nil, err
	}
	defer newer.Close()
	older, err := s.openLog(olderHistory)
	if err != nil {
		return nil, err
	}
	defer older.Close()
	if newer.same(older) {
		older = logFile{}
	}
	events, err := s.readLog(newer)
	if err != nil {
		return nil, err
	}
	if n <= 0 || len(events) < n {
		before, err := s.readLog(older)
		if err != nil {
			return nil, err
		}
		events = append(before, events...)
	}
	if n > 0 && len(events) > n {
		events = events[len(events)-n:]
	}
	return events, nil
}

// logFile is one half of the history, or zero if that file doesn't exist.
type logFile struct {
	f  *os.File
	fi fs.FileInfo
}

func (l logFile) Close() {
	if l.f != nil {
		l.f.Close()
	}
}

func (l logFile) same(other logFile) bool {
	return l.f != nil && other.f != nil && os.SameFile(l.fi, other.fi)
}

func (s *Store) openLog(name string) (logFile, error) {
	f, err := s.disk.open(filepath.Join(s.dir, name), os.O_RDONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return logFile{}, nil
	}
	if err != nil {
		return logFile{}, fmt.Errorf("read history: %w", err)
	}
	fi, err := s.disk.fstat(f)
	if err != nil {
		f.Close()
		return logFile{}, fmt.Errorf("read history: %w", err)
	}
	return logFile{f: f, fi: fi}, nil
}

func (s *Store) readLog(l logFile) ([]Event, error) {
	if l.f == nil {
		return nil, nil
	}
	// Not past the size it had when it was opened: another process may be appending.
	data, err := io.ReadAll(io.LimitReader(readerFunc(func(p []byte) (int, error) { return s.disk.read(l.f, p) }), l.fi.Size()))
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	var events []Event
	for line := range bytes.Lines(data) {
		var e Event
		if bytes.HasSuffix(line, []byte("\n")) && json.Unmarshal(line, &e) == nil {
			events = append(events, e)
		}
	}
	return events, nil
}

type readerFunc func(p []byte) (int, error)

func (r readerFunc) Read(p []byte) (int, error) { return r(p) }
