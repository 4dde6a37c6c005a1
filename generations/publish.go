package generations

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"time"
)

// Publish writes a release with the next number from the manifest, and then makes it current. It blocks until all of that is
// durable.
//
// The state after an error depends on how far Publish came:
//   - The manifest is refused (ErrName, ErrNotStored), or the release can't be written: current is unchanged and there is no
//     new release.
//   - The release is written but current can't be flipped: current is unchanged. The release is removed again; if that fails
//     too, it stays as a release that never was current, and Prune removes it in time.
//   - The flip can't be made durable: the release is current, but a power failure may bring back the one before.
//
// In each case the store is consistent and Publish may be called again.
func (s *Store) Publish(m Manifest) (Release, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.publishLocked(m)
	if err != nil {
		return Release{}, fmt.Errorf("publish release: %w", err)
	}
	return r, nil
}

// publishLocked is called with s.mu held.
func (s *Store) publishLocked(m Manifest) (Release, error) {
	if err := s.unwritableLocked(); err != nil {
		return Release{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(m.Plugins)) {
		if !ValidName(name) {
			return Release{}, fmt.Errorf("%w: %q", ErrName, clip(name))
		}
		if _, err := s.Object(m.Plugins[name].Image); err != nil {
			return Release{}, pluginError(name, m.Plugins[name].Image, err)
		}
	}
	number, previous, err := s.nextLocked()
	if err != nil {
		return Release{}, err
	}
	m.Number, m.Previous = number, previous
	m.Plugins = maps.Clone(m.Plugins)
	if m.Time.IsZero() {
		m.Time = time.Now()
	}
	m.Time = m.Time.UTC().Round(0) // equal to what will be read back
	r := Release{Manifest: m, Dir: s.releaseDir(number)}
	if err := s.writeRelease(r); err != nil {
		return Release{}, err
	}
	link := filepath.Join(s.dir, currentLink)
	if err := s.disk.writeSymlink(linkTarget(number), link); err != nil {
		// Only a release that current doesn't name may be removed. In doubt it stays.
		if now, readErr := s.linkedNumber(currentLink); errors.Is(readErr, ErrNoRelease) || readErr == nil && now != number {
			s.dropRelease(number) // an error only leaves it there
		}
		return Release{}, err
	}
	return r, nil
}

// nextLocked returns the number of the next release and that of the current one, 0 for none. It is called with s.mu held.
func (s *Store) nextLocked() (next, current int, err error) {
	numbers, err := s.numbers()
	if err != nil {
		return 0, 0, err
	}
	if len(numbers) > 0 {
		next = numbers[len(numbers)-1]
	}
	current, err = s.linkedNumber(currentLink)
	switch {
	case errors.Is(err, ErrBroken):
		// Flipping the link is also how a broken one is repaired.
		s.opts.Log.Warn("replacing unreadable link to the current release", "err", err)
	case err != nil && !errors.Is(err, ErrNoRelease):
		return 0, 0, err
	}
	// The release that current names may be gone; its number must not be used again.
	return max(next, current) + 1, current, nil
}

// writeRelease builds a release under a temporary name and renames it once it is durable. On error there is no such release,
// or, if only the last fsync failed and removing it too, there is one that isn't durable.
func (s *Store) writeRelease(r Release) error {
	tmp := filepath.Join(s.releases(), tempName(releaseName(r.Number)))
	if err := s.disk.removeAll(tmp); err != nil { // left by an earlier attempt
		return err
	}
	if err := s.buildRelease(tmp, r); err != nil {
		s.disk.removeAll(tmp) // if this fails, the next attempt or OpenStore cleans up
		return err
	}
	if err := s.disk.rename(tmp, r.Dir); err != nil {
		s.disk.removeAll(tmp)
		return err
	}
	// Before current is flipped: otherwise a power failure could leave current pointing to nothing.
	if err := s.disk.syncDir(s.releases()); err != nil {
		s.dropRelease(r.Number) // an error only leaves a release that never was current
		return err
	}
	return nil
}

func (s *Store) buildRelease(dir string, r Release) error {
	if err := s.disk.mkdir(dir, folderMode); err != nil {
		return err
	}
	for name, e := range r.Plugins {
		if err := s.disk.symlink(objectTarget(e.Image), filepath.Join(dir, name+objectSuffix)); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(r.Manifest, "", "  ")
	if err != nil {
		return err
	}
	// The manifest comes last: writing it ends with an fsync of the directory, which makes the links durable too.
	return s.disk.writeFile(filepath.Join(dir, manifestFile), recordMode, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}

// Confirm records that release n has passed its probation: from then on confirmed names it. It blocks until that is durable.
// On error confirmed is unchanged, or names n without that being durable.
func (s *Store) Confirm(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.unwritableLocked(); err != nil {
		return fmt.Errorf("confirm release %d: %w", n, err)
	}
	if _, err := s.Release(n); err != nil {
		return fmt.Errorf("confirm release: %w", err)
	}
	if err := s.disk.writeSymlink(linkTarget(n), filepath.Join(s.dir, confirmedLink)); err != nil {
		return fmt.Errorf("confirm release %d: %w", n, err)
	}
	return nil
}
