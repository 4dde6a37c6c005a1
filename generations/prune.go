package generations

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// DefaultKeep is the default of PruneOptions.Keep.
const DefaultKeep = 10

// PruneOptions defines what Prune keeps. The zero value works.
type PruneOptions struct {
	// Keep is the number of newest releases to keep, besides the current and the confirmed one. Default: DefaultKeep, 10.
	Keep int

	// InUse reports whether something uses an image or is about to: a process has it open, or a deploy has added it and not
	// yet published a release that names it. It is called with the store locked, so it must not call the store or wait for
	// anyone who does. Default: none is in use.
	InUse func(ID) bool

	// DryRun makes Prune report what it would remove, and remove nothing.
	DryRun bool
}

// PruneReport lists what Prune has removed, or would remove.
type PruneReport struct {
	Releases []int    `json:"releases"` // ascending
	Objects  []Object `json:"objects"`  // by id
	Bytes    int64    `json:"bytes"`    // of the objects, including blocks that they share with other files
}

// Prune removes old releases, and then the images that no remaining release names. It keeps the current and the confirmed
// release, the newest Keep ones, the images that any of these name, and images in use. A broken release does not count
// towards Keep; it is removed once Keep releases that are not broken are newer. Quarantine records stay.
//
// If current or confirmed can't be read, Prune removes nothing, because it can't know what is needed. After any other error
// the report lists what was removed so far; the store is consistent, and the next Prune removes the rest.
func (s *Store) Prune(o PruneOptions) (PruneReport, error) {
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	report := PruneReport{Releases: []int{}, Objects: []Object{}}
	// A reader may do a dry run.
	if err := s.unwritableLocked(); err != nil && !(o.DryRun && errors.Is(err, ErrReadOnly)) {
		return report, fmt.Errorf("prune: %w", err)
	}
	keep, drop, err := s.divide(o.Keep)
	if err != nil {
		return report, fmt.Errorf("prune: %w", err)
	}
	if err := s.dropReleases(drop, o.DryRun, &report); err != nil {
		return report, fmt.Errorf("prune: %w", err)
	}
	if err := s.dropObjects(keep, o, &report); err != nil {
		return report, fmt.Errorf("prune: %w", err)
	}
	return report, nil
}

// Drop removes an image that no release names and that inUse doesn't report as in use; nil reports none. It reports whether the image
// is gone, and does nothing if the store doesn't have it. inUse is called with the store locked, as PruneOptions.InUse is.
func (s *Store) Drop(id ID, inUse func(ID) bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return false, fmt.Errorf("drop image %s: %w", id.Short(), s.err)
	}
	object, err := s.Object(id)
	if errors.Is(err, ErrNotStored) {
		return true, nil
	}
	if err == nil {
		var numbers []int
		if numbers, err = s.numbers(); err == nil {
			referenced := make(map[ID]bool)
			for _, n := range numbers {
				if err = s.references(n, referenced); err != nil {
					break
				}
			}
			if err == nil && (referenced[id] || inUse != nil && inUse(id)) {
				return false, nil
			}
		}
	}
	if err == nil {
		err = s.disk.remove(object.Path)
	}
	if err == nil {
		err = s.disk.syncDir(s.objects())
	}
	if err != nil {
		return false, fmt.Errorf("drop image %s: %w", id.Short(), err)
	}
	return true, nil
}

// divide returns the releases to keep, in no particular order, and those to drop, in ascending order.
func (s *Store) divide(keepNewest int) (keep, drop []int, err error) {
	needed := make(map[int]bool)
	for _, link := range []string{currentLink, confirmedLink} {
		r, err := s.linked(link)
		if errors.Is(err, ErrNoRelease) {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		needed[r.Number] = true
	}
	numbers, err := s.numbers()
	if err != nil {
		return nil, nil, err
	}
	whole := 0
	for _, n := range slices.Backward(numbers) {
		if whole >= keepNewest && !needed[n] {
			drop = append(drop, n)
			continue
		}
		keep = append(keep, n)
		if _, err := s.Release(n); err == nil {
			whole++
		}
	}
	slices.Reverse(drop)
	return keep, drop, nil
}

func (s *Store) dropReleases(drop []int, dryRun bool, report *PruneReport) error {
	for _, n := range drop {
		if !dryRun {
			if err := s.dropRelease(n); err != nil {
				return err
			}
		}
		report.Releases = append(report.Releases, n)
	}
	if dryRun || len(drop) == 0 {
		return nil
	}
	// Before any object is removed: otherwise a power failure could bring a release back without its objects.
	return s.disk.syncDir(s.releases())
}

// dropRelease removes a release. It renames the directory first, because a directory can't be removed in one step and half
// of one would look like a broken release.
func (s *Store) dropRelease(n int) error {
	tmp := filepath.Join(s.releases(), tempName("dropped-"+releaseName(n)))
	if err := s.disk.removeAll(tmp); err != nil {
		return err
	}
	if err := s.disk.rename(s.releaseDir(n), tmp); err != nil {
		return err
	}
	if err := s.disk.removeAll(tmp); err != nil {
		s.opts.Log.Warn("cannot remove dropped release; the next start will", "path", tmp, "err", err)
	}
	return nil
}

func (s *Store) dropObjects(keep []int, o PruneOptions, report *PruneReport) error {
	referenced := make(map[ID]bool)
	for _, n := range keep {
		if err := s.references(n, referenced); err != nil {
			return err
		}
	}
	objects, err := s.list()
	if err != nil {
		return err
	}
	for _, object := range objects {
		id := object.ID
		if referenced[id] || o.InUse != nil && o.InUse(id) {
			continue
		}
		if !o.DryRun {
			if err := s.disk.remove(object.Path); err != nil {
				return err
			}
		}
		report.Objects = append(report.Objects, object)
		report.Bytes += object.Size
	}
	if o.DryRun || len(report.Objects) == 0 {
		return nil
	}
	return s.disk.syncDir(s.objects())
}

// references adds every image that release n names, by its manifest or by its links, however broken the release is. A part
// that is missing or malformed names nothing. A part that exists but can't be read is an error, because it could name any
// image.
func (s *Store) references(n int, referenced map[ID]bool) error {
	m, err := s.readManifest(n)
	if errors.Is(err, unix.ENOTDIR) {
		return nil // a foreign file, not a release
	}
	var unread *fs.PathError
	if errors.As(err, &unread) && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range m.Plugins {
		referenced[e.Image] = true
	}
	entries, err := s.disk.readDir(s.releaseDir(n))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Type()&fs.ModeSymlink == 0 {
			continue
		}
		target, err := s.disk.readlink(filepath.Join(s.releaseDir(n), entry.Name()))
		if err != nil {
			return err
		}
		if id, err := ParseID(strings.TrimSuffix(filepath.Base(target), objectSuffix)); err == nil {
			referenced[id] = true
		}
	}
	return nil
}
