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
)

// Quarantine is the record of an image that is not to be tried again until someone lifts its quarantine.
type Quarantine struct {
	Image   ID        `json:"image"`
	Plugin  string    `json:"plugin,omitempty"`
	Release int       `json:"release,omitempty"` // the one that it crashed in, 0 for none
	Time    time.Time `json:"time"`              // Store.Quarantine sets it when it is zero
	Reason  string    `json:"reason"`            // one line, cut after 1 KiB
	Detail  string    `json:"detail,omitempty"`  // such as the stack; cut after 16 KiB
}

const (
	quarantineSuffix    = ".json"
	maxQuarantineReason = 1 << 10
	maxQuarantineDetail = 16 << 10
)

// Quarantine records that an image is not to be tried again, in place of an earlier record of it. The store need not have
// the image. It blocks until the record is durable; the history gets an event of KindQuarantine, whose From is the image.
//
// On error there is no new record, or, when only the last fsync failed, there is one that isn't durable.
//
// Records are kept for good: no Prune removes them, even if the image is gone, since a build may bring the same bytes back
// at any time. Their number has no bound, as to forget one would be to lift it: each costs a crash of an image that was new
// then, is small, and makes no other lookup slower.
func (s *Store) Quarantine(q Quarantine) error {
	if q.Time.IsZero() {
		q.Time = time.Now()
	}
	q.Time = q.Time.UTC().Round(0) // as it is read back
	q.Reason = cut(strings.Join(strings.Fields(q.Reason), " "), maxQuarantineReason)
	q.Detail = cut(q.Detail, maxQuarantineDetail)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.quarantineLocked(q); err != nil {
		return fmt.Errorf("quarantine image %s: %w", q.Image.Short(), err)
	}
	s.noteLocked(Event{Time: q.Time, Kind: KindQuarantine, Plugin: q.Plugin, From: q.Image, Release: q.Release, Detail: q.Reason})
	return nil
}

// quarantineLocked is called with s.mu held.
func (s *Store) quarantineLocked(q Quarantine) error {
	if s.err != nil {
		return s.err
	}
	if q.Image.IsZero() {
		return errors.New("no image is given")
	}
	data, err := json.MarshalIndent(q, "", "  ")
	if err != nil {
		return err
	}
	if err := s.disk.mkdirs(s.quarantine()); err != nil {
		return err
	}
	return s.disk.writeFile(s.quarantinePath(q.Image), 0o644, func(w io.Writer) error {
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
	if s.err != nil {
		return Quarantine{}, s.err
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

// noteLocked appends an event about what is done already and can't fail for want of a history. It is called with s.mu held.
func (s *Store) noteLocked(e Event) {
	if err := s.appendLocked(e); err != nil {
		s.opts.Log.Warn("an event isn't in the history", "kind", e.Kind, "plugin", e.Plugin, "err", err)
	}
}

// Quarantined tells whether an image is in quarantine, and why. For one that isn't it costs one system call.
//
// The name of the record alone puts the image into quarantine. What can't be read or makes no sense, such as an empty file
// that somebody has made by hand, does too, and Reason says what is wrong with it: a record that is damaged must not let an
// image loose that brought a process down. For the same reason the answer is true beside an error, which says that it
// can't be told whether there is a record: that concerns all images alike, so the caller may choose to serve nevertheless.
func (s *Store) Quarantined(id ID) (Quarantine, bool, error) {
	path := s.quarantinePath(id)
	fi, err := s.disk.lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Quarantine{}, false, nil
	}
	if err != nil {
		q := Quarantine{Image: id, Reason: fmt.Sprintf("it can't be told whether it is in quarantine: %v", err)}
		return q, true, fmt.Errorf("look for quarantine of image %s: %w", id.Short(), err)
	}
	q, err := s.readQuarantine(path, fi.Mode())
	if errors.Is(err, fs.ErrNotExist) {
		return Quarantine{}, false, nil // lifted since
	}
	if err == nil && q.Image != id {
		err = fmt.Errorf("it is of image %s", q.Image.Short())
	}
	if err != nil {
		q = Quarantine{Image: id, Time: fi.ModTime().UTC(), Reason: fmt.Sprintf("the record of its quarantine can't be read: %v", err)}
	}
	return q, true, nil
}

func (s *Store) readQuarantine(path string, mode fs.FileMode) (q Quarantine, err error) {
	if !mode.IsRegular() {
		return Quarantine{}, fmt.Errorf("it is %s", kindOf(mode))
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
