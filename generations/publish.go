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

// Publish makes a release of the manifest, with the next number, and then makes it the current one. It blocks until all of
// that is durable.
//
// What is true after an error depends on how far it came:
//   - the manifest is refused (ErrName, ErrNotStored), or the release can't be written: current is unchanged and there is no
//     new release
//   - the release is there but current can't be flipped: current is unchanged; the release is removed again, and if that
//     fails too it stays as one that never was current, which Prune removes in time
//   - the flip can't be made durable: the release is current, but a power failure may bring the one before back
//
// After any of them the store is whole and Publish may be called again.
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
	if s.err != nil {
		return Release{}, s.err
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
	m.Time = m.Time.UTC().Round(0) // as it is read back
	r := Release{Manifest: m, Dir: s.releaseDir(number)}
	if err := s.writeRelease(r); err != nil {
		return Release{}, err
	}
	link := filepath.Join(s.dir, currentLink)
	if err := s.disk.writeSymlink(linkTarget(number), link); err != nil {
		// Only a release that current doesn't name may be removed; when in doubt it stays.
		if now, readErr := s.linkedNumber(currentLink); errors.Is(readErr, ErrNoRelease) || readErr == nil && now != number {
			s.dropRelease(number) // fails only by leaving it
		}
		return Release{}, err
	}
	return r, nil
}

// nextLocked gives the number of the next release and that of the current one, 0 for none. It is called with s.mu held.
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
		// Flipping it away is how a broken link is mended.
		s.opts.Log.Warn("the current release can't be told and is replaced", "err", err)
	case err != nil && !errors.Is(err, ErrNoRelease):
		return 0, 0, err
	}
	// The release that current names may be gone; its number must not come again.
	return max(next, current) + 1, current, nil
}

// writeRelease builds a release under a temporary name and gives it its name once it is durable. On error there is no such
// release, or, when only the last fsync failed, there is one that isn't durable.
func (s *Store) writeRelease(r Release) error {
	tmp := filepath.Join(s.releases(), tempName(releaseName(r.Number)))
	if err := s.disk.removeAll(tmp); err != nil { // of an earlier attempt
		return err
	}
	if err := s.buildRelease(tmp, r); err != nil {
		s.disk.removeAll(tmp) // fails only where the next attempt, or OpenStore, cleans up
		return err
	}
	if err := s.disk.rename(tmp, r.Dir); err != nil {
		s.disk.removeAll(tmp)
		return err
	}
	// Before current is flipped: else a power failure could leave current naming nothing.
	if err := s.disk.syncDir(s.releases()); err != nil {
		s.dropRelease(r.Number) // fails only by leaving one that never was current
		return err
	}
	return nil
}

func (s *Store) buildRelease(dir string, r Release) error {
	if err := s.disk.mkdir(dir, 0o755); err != nil {
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
	// The manifest comes last: the fsync of the directory that ends its writing makes the links durable too.
	return s.disk.writeFile(filepath.Join(dir, manifestFile), 0o644, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}

// Confirm records that release n has passed its probation: confirmed names it from then on. It blocks until that is
// durable. On error confirmed is as it was, or names n without that being durable.
func (s *Store) Confirm(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return fmt.Errorf("confirm release %d: %w", n, s.err)
	}
	if _, err := s.Release(n); err != nil {
		return fmt.Errorf("confirm release: %w", err)
	}
	if err := s.disk.writeSymlink(linkTarget(n), filepath.Join(s.dir, confirmedLink)); err != nil {
		return fmt.Errorf("confirm release %d: %w", n, err)
	}
	return nil
}
