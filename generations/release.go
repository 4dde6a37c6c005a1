package generations

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	currentLink   = "current"
	confirmedLink = "confirmed"
	manifestFile  = "manifest.json"
)

// A Manifest describes a release. It never changes once published.
type Manifest struct {
	// Number is the release's number, 1 for the first. Publish sets it.
	Number int `json:"number"`
	// Time is when the release was published. Publish sets it if it is zero.
	Time time.Time `json:"time"`
	// Cause says in words why the release was published.
	Cause string `json:"cause,omitempty"`
	// Previous is the release that was current before, 0 for none. Publish sets it.
	Previous int `json:"previous,omitempty"`
	// RollbackOf is the release whose images this one restores, 0 for none.
	RollbackOf int `json:"rollback_of,omitempty"`
	// Plugins maps each plugin's name, which ValidName must accept, to its entry.
	Plugins map[string]Entry `json:"plugins"`
}

// Entry is what a release says about one plugin.
type Entry struct {
	// Image is the plugin's image; the store has it.
	Image ID `json:"image"`
	// Skipped is the image in the plugin's own file, if Image replaced it in a rollback or came from another file; otherwise
	// it is zero.
	Skipped ID `json:"skipped,omitzero"`
	// Version is the plugin's own version, in any form.
	Version string `json:"version,omitempty"`
	// Source is the file from which the image was added.
	Source string `json:"source,omitempty"`
}

// Release is a published manifest.
type Release struct {
	Manifest
	Dir string `json:"dir"` // absolute
}

// maxName leaves room for the suffix in a file name of 255 bytes, and keeps tables readable.
const maxName = 100

// ValidName reports whether name is a valid plugin name: 1 to 100 ASCII letters, digits, '-', '_' and '.', the first a letter
// or digit. Such a name can be used as a file name, as a segment of a URL path and as a label.
func ValidName(name string) bool {
	if name == "" || len(name) > maxName {
		return false
	}
	for i := range len(name) {
		c := name[i]
		alphanumeric := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alphanumeric && (i == 0 || c != '-' && c != '_' && c != '.') {
			return false
		}
	}
	return true
}

// Current returns the release that current names. The error matches ErrNoRelease before the first Publish, and ErrBroken if
// current or the release can't be used; Confirmed or Releases may then return one that can.
func (s *Store) Current() (Release, error) { return s.linked(currentLink) }

// Confirmed returns the last release that passed its probation. The error matches ErrNoRelease before the first Confirm, and
// ErrBroken as for Current.
func (s *Store) Confirmed() (Release, error) { return s.linked(confirmedLink) }

// ConfirmedNumber returns the number of that release, whole or broken: only its link is read, and not its images.
func (s *Store) ConfirmedNumber() (int, error) { return s.linkedNumber(confirmedLink) }

// Release returns release n. The error matches ErrNoRelease or ErrBroken.
func (s *Store) Release(n int) (Release, error) {
	m, err := s.readManifest(n)
	if err != nil {
		return Release{}, err
	}
	r := Release{Manifest: m, Dir: s.releaseDir(n)}
	if err := s.check(r); err != nil {
		return Release{}, &BrokenError{Number: n, Err: err}
	}
	return r, nil
}

// Releases returns all releases that are not broken, oldest first. For each broken one, the error has a *BrokenError; the
// others are returned nevertheless.
func (s *Store) Releases() ([]Release, error) {
	numbers, err := s.numbers()
	if err != nil {
		return nil, err
	}
	var whole []Release
	var broken []error
	for _, n := range numbers {
		r, err := s.Release(n)
		switch {
		case errors.Is(err, ErrNoRelease): // pruned meanwhile
		case err != nil:
			broken = append(broken, err)
		default:
			whole = append(whole, r)
		}
	}
	return whole, errors.Join(broken...)
}

func (s *Store) releaseDir(n int) string { return filepath.Join(s.releases(), releaseName(n)) }

func releaseName(n int) string { return fmt.Sprintf("%06d", n) }

// parseRelease parses the name of a release's directory. It accepts only the form that releaseName returns, because "42" and
// "000042" must not be two names of one release.
func parseRelease(name string) (int, bool) {
	n, err := strconv.Atoi(name)
	return n, err == nil && n > 0 && releaseName(n) == name
}

// numbers gives the numbers of all releases that have a directory, whole or not, in ascending order.
func (s *Store) numbers() ([]int, error) {
	entries, err := s.disk.readDir(s.releases())
	if err != nil {
		return nil, fmt.Errorf("list releases: %w", err)
	}
	var numbers []int
	for _, entry := range entries {
		if n, ok := parseRelease(entry.Name()); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// linked returns the release that a link points to.
func (s *Store) linked(link string) (Release, error) {
	n, err := s.linkedNumber(link)
	if err != nil {
		return Release{}, err
	}
	for {
		r, err := s.Release(n)
		if err == nil {
			return r, nil
		}
		// A reader has no lock: the link may have been flipped and the release pruned since the link was read.
		now, linkErr := s.linkedNumber(link)
		if linkErr != nil || now == n {
			if errors.Is(err, ErrNoRelease) {
				err = &BrokenError{Number: n, Err: fmt.Errorf("%s points to it and it doesn't exist", link)}
			}
			return Release{}, err
		}
		n = now
	}
}

// linkedNumber returns the number of the release that a link points to.
func (s *Store) linkedNumber(link string) (int, error) {
	target, err := s.disk.readlink(filepath.Join(s.dir, link))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s: %w", link, ErrNoRelease)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL means not a link
		return 0, fmt.Errorf("read %s: %w", link, err)
	}
	if n, ok := parseRelease(filepath.Base(target)); ok && target == linkTarget(n) {
		return n, nil
	}
	return 0, &BrokenError{Err: fmt.Errorf("%s points to %q, which is not a release", link, clip(target))}
}

// linkTarget returns the target of current or confirmed. It is relative, so that the store can be moved.
func linkTarget(n int) string { return filepath.Join("releases", releaseName(n)) }

// objectTarget returns the target of a link in a release.
func objectTarget(id ID) string {
	return filepath.Join("..", "..", "objects", id.String()+objectSuffix)
}

func (s *Store) readManifest(n int) (Manifest, error) {
	data, err := s.disk.readFile(filepath.Join(s.releaseDir(n), manifestFile))
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := s.disk.lstat(s.releaseDir(n)); errors.Is(statErr, fs.ErrNotExist) {
			return Manifest{}, fmt.Errorf("release %d: %w", n, ErrNoRelease)
		}
	}
	if err != nil {
		return Manifest{}, &BrokenError{Number: n, Err: err}
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, &BrokenError{Number: n, Err: fmt.Errorf("read %s: %w", manifestFile, err)}
	}
	if m.Number != n {
		return Manifest{}, &BrokenError{Number: n, Err: fmt.Errorf("its manifest belongs to release %d", m.Number)}
	}
	return m, nil
}

// check compares a release's manifest with its links and with the objects in the store. It doesn't read the objects.
func (s *Store) check(r Release) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(r.Plugins)) {
		if !ValidName(name) {
			errs = append(errs, fmt.Errorf("%w: %q", ErrName, clip(name)))
			continue
		}
		id := r.Plugins[name].Image
		target, err := s.disk.readlink(filepath.Join(r.Dir, name+objectSuffix))
		if err != nil {
			errs = append(errs, err)
		} else if target != objectTarget(id) {
			errs = append(errs, fmt.Errorf("plugin %s: the manifest names %s, the link points to %q", name, id.Short(), clip(target)))
		}
		if _, err := s.Object(id); err != nil {
			errs = append(errs, pluginError(name, id, err))
		}
	}
	return errors.Join(errs...)
}

// pluginError adds to err the plugin that needs the image.
func pluginError(plugin string, id ID, err error) error {
	if errors.Is(err, ErrNotStored) {
		return &NotStoredError{Plugin: plugin, Image: id}
	}
	return fmt.Errorf("plugin %s: %w", plugin, err)
}
