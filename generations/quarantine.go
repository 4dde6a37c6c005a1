package generations

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/regular"
)

// Quarantine is the record of an image that must not be tried again until its quarantine is lifted.
type Quarantine struct {
	Image   ID        `json:"image"`
	Plugin  string    `json:"plugin,omitempty"`
	Release int       `json:"release,omitempty"` // in which it crashed; 0 for none
	Time    time.Time `json:"time"`              // Store.Quarantine sets it when it is zero
	Reason  string    `json:"reason"`            // one line, cut after 1 KiB
	Detail  string    `json:"detail,omitempty"`  // for example the stack; cut after 16 KiB

	Evidence string    `json:"evidence,omitempty"` // how much the evidence is worth
	Next     time.Time `json:"next,omitzero"`      // when the image is tried again; zero: not before the quarantine is lifted
	Tries    int       `json:"tries,omitempty"`    // how often it was tried again so far

	NextUptime Uptime `json:"next_uptime,omitzero"` // the same moment as Next
}

// Due returns the moment of Next.
func (q Quarantine) Due() Moment { return Moment{q.Next, q.NextUptime} }

const (
	quarantineSuffix    = ".json"
	maxQuarantineReason = 1 << 10
	maxQuarantineDetail = 16 << 10
)

// Quarantine records that an image must not be tried again, and replaces any earlier record of it. The store need not have
// the image. It blocks until the record is durable. The history gets an event of KindQuarantine, whose From is the image.
//
// On error there is no new record, or, if only the last fsync failed, one that isn't durable.
//
// Records are kept permanently: Prune doesn't remove them, even if the image is gone, because a build may produce the same
// bytes again at any time. Their number is unbounded, because forgetting a record would lift the quarantine. Each one takes
// a crash to create, is small, and doesn't slow down other lookups.
func (s *Store) Quarantine(q Quarantine) error {
	if q.Time.IsZero() {
		q.Time = time.Now()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.quarantineLocked(&q); err != nil {
		return fmt.Errorf("quarantine image %s: %w", q.Image.Short(), err)
	}
	s.noteLocked(Event{Time: q.Time, Kind: KindQuarantine, Plugin: q.Plugin, From: q.Image, Release: q.Release, Detail: q.Reason})
	return nil
}

// UpdateQuarantine replaces the record of an image, as Quarantine does, but without an event in the history.
func (s *Store) UpdateQuarantine(q Quarantine) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.quarantineLocked(&q); err != nil {
		return fmt.Errorf("update the quarantine of image %s: %w", q.Image.Short(), err)
	}
	return nil
}

// quarantineLocked writes a record, after making it equal to what will be read back. It is called with s.mu held.
func (s *Store) quarantineLocked(q *Quarantine) error {
	q.Time, q.Next = q.Time.UTC().Round(0), q.Next.UTC().Round(0)
	q.Reason = cut(strings.Join(strings.Fields(q.Reason), " "), maxQuarantineReason)
	q.Detail = cut(q.Detail, maxQuarantineDetail)
	if err := s.unwritableLocked(); err != nil {
		return err
	}
	if q.Image.IsZero() {
		return errors.New("no image given")
	}
	data, err := json.MarshalIndent(*q, "", "  ")
	if err != nil {
		return err
	}
	if err := s.disk.mkdirs(s.quarantine()); err != nil {
		return err
	}
	return s.disk.writeFile(s.quarantinePath(q.Image), recordMode, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}

// LiftQuarantine allows an image to be tried again and returns the record that stood against it. The image is the one
// in quarantine whose id begins with the given hexadecimal digits, such as the 12 that people are shown. It blocks until
// the record is durably gone; the history gets an event of KindLift, whose From is the image.
//
// The error matches ErrNotQuarantined or ErrAmbiguous when no record or several match. After any other error the record
// is unchanged, or is gone and a power failure may bring it back.
func (s *Store) LiftQuarantine(digits string) (Quarantine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.liftLocked(digits)
	if err != nil {
		return Quarantine{}, fmt.Errorf("lift quarantine of image %q: %w", clip(digits), err)
	}
	s.noteLocked(Event{Kind: KindLift, Plugin: q.Plugin, From: q.Image, Release: q.Release})
	return q, nil
}

// liftLocked is called with s.mu held.
func (s *Store) liftLocked(digits string) (Quarantine, error) {
	if err := s.unwritableLocked(); err != nil {
		return Quarantine{}, err
	}
	ids, err := s.quarantinedIDs()
	if err != nil {
		return Quarantine{}, err
	}
	ids = slices.DeleteFunc(ids, func(id ID) bool { return digits == "" || !strings.HasPrefix(id.String(), digits) })
	switch {
	case len(ids) == 0:
		return Quarantine{}, ErrNotQuarantined
	case len(ids) > 1:
		return Quarantine{}, fmt.Errorf("%w: %d in quarantine", ErrAmbiguous, len(ids))
	}
	q, ok, _ := s.Quarantined(ids[0]) // a record that cannot be read is lifted too
	if !ok {
		return Quarantine{}, ErrNotQuarantined
	}
	if err := s.disk.remove(s.quarantinePath(ids[0])); err != nil {
		return Quarantine{}, err
	}
	return q, s.disk.syncDir(s.quarantine())
}

// noteLocked appends an event about something already done, which must not fail for lack of a history. It is called with
// s.mu held.
func (s *Store) noteLocked(e Event) {
	if err := s.appendLocked(e); err != nil {
		s.opts.Log.Warn("cannot write event to the history", "kind", e.Kind, "plugin", e.Plugin, "err", err)
	}
}

// Quarantined reports whether an image is in quarantine, and returns its record. For an image that isn't, it costs one
// system call.
//
// The name of the record alone puts the image into quarantine. A record that can't be read or makes no sense, such as an
// empty file created by hand, counts too, and its Reason says what is wrong with it: a damaged record must not release an
// image that has crashed a process. For the same reason the result is true if there is an error, which means that the store
// could not find out whether there is a record. Such an error concerns all images alike, so the caller may decide to serve
// nevertheless.
func (s *Store) Quarantined(id ID) (Quarantine, bool, error) {
	path := s.quarantinePath(id)
	fi, err := s.disk.lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Quarantine{}, false, nil
	}
	if err != nil {
		q := Quarantine{Image: id, Reason: fmt.Sprintf("cannot find out whether it is in quarantine: %v", err)}
		return q, true, fmt.Errorf("look for quarantine of image %s: %w", id.Short(), err)
	}
	q, err := s.readQuarantine(path, fi.Mode())
	if errors.Is(err, fs.ErrNotExist) {
		return Quarantine{}, false, nil // lifted meanwhile
	}
	if err == nil && q.Image != id {
		err = fmt.Errorf("it belongs to image %s", q.Image.Short())
	}
	if err != nil {
		q = Quarantine{Image: id, Time: fi.ModTime().UTC(), Reason: fmt.Sprintf("its quarantine record can't be read: %v", err)}
	}
	return q, true, nil
}

func (s *Store) readQuarantine(path string, mode fs.FileMode) (q Quarantine, err error) {
	if !mode.IsRegular() {
		return Quarantine{}, fmt.Errorf("it is %s", regular.Kind(mode))
	}
	data, err := s.disk.readFile(path)
	if err != nil {
		return Quarantine{}, err
	}
	return q, json.Unmarshal(data, &q)
}

// Quarantines returns the records of all images in quarantine, the earliest first. Those for which Quarantined returns an
// error are included, and their errors are joined.
func (s *Store) Quarantines() ([]Quarantine, error) {
	ids, err := s.quarantinedIDs()
	if err != nil {
		return nil, fmt.Errorf("list quarantines: %w", err)
	}
	var found []Quarantine
	var errs []error
	for _, id := range ids {
		q, ok, err := s.Quarantined(id)
		if ok {
			found = append(found, q)
		}
		errs = append(errs, err)
	}
	slices.SortFunc(found, func(a, b Quarantine) int {
		return cmp.Or(a.Time.Compare(b.Time), bytes.Compare(a.Image[:], b.Image[:]))
	})
	return found, errors.Join(errs...)
}

// quarantinedIDs returns the images that have a record, by the names of the records.
func (s *Store) quarantinedIDs() ([]ID, error) {
	entries, err := s.disk.readDir(s.quarantine())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []ID
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), quarantineSuffix)
		if !ok {
			continue
		}
		if id, err := ParseID(name); err == nil { // other names aren't ours
			ids = append(ids, id)
		}
	}
	return ids, nil
}

func (s *Store) quarantine() string { return filepath.Join(s.dir, "quarantine") }

func (s *Store) quarantinePath(id ID) string {
	return filepath.Join(s.quarantine(), id.String()+quarantineSuffix)
}
