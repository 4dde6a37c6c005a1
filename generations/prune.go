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

// DefaultKeep is how many of the newest releases stay unless PruneOptions says otherwise.
const DefaultKeep = 10

// PruneOptions says what Prune must leave. The zero value works.
type PruneOptions struct {
	// Keep is how many of the newest releases stay, beside the current and the confirmed one. Default: DefaultKeep, 10.
	Keep int

	// InUse tells of an image that something still uses or is about to use: a process has it open, or a deploy has added it
	// and not yet published a release that names it. It is called with the store locked and must not call the store, nor
	// wait for anyone who does. Default: none is held.
	InUse func(ID) bool

	// DryRun has Prune report and remove nothing.
	DryRun bool
}

// PruneReport is what Prune has removed, or would remove.
type PruneReport struct {
	Releases []int    `json:"releases"` // ascending
	Objects  []Object `json:"objects"`  // by id
	Bytes    int64    `json:"bytes"`    // of the objects; what they share with other files isn't taken off
}

// Prune removes old releases and then the images that no release names any more. What current, confirmed and the newest
// Keep releases name stays, and so do images that are held. Broken releases don't count as kept, and
// go when they are older than all that are. Records of quarantine stay.
//
// It removes nothing when current or confirmed can't be read, since it can't tell then what is needed. After another error
// the report has what was removed so far; the store is whole, and the next Prune removes the rest.
func (s *Store) Prune(o PruneOptions) (PruneReport, error) {
	if o.Keep <= 0 {
		o.Keep = DefaultKeep
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	report := PruneReport{Releases: []int{}, Objects: []Object{}}
	// A dry run is allowed to a reader.
	if s.err != nil && !(o.DryRun && errors.Is(s.err, ErrReadOnly)) {
		return report, fmt.Errorf("prune: %w", s.err)
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

// divide tells the releases to keep from those to drop.
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
	// Before any object goes: else a power failure could bring a release back without its objects.
	return s.disk.syncDir(s.releases())
}

// dropRelease takes the release's name away first, since a directory can't be removed in one step and half a release would
// look like a broken one.
func (s *Store) dropRelease(n int) error {
	tmp := filepath.Join(s.releases(), tempName("dropped-"+releaseName(n)))
	if err := s.disk.removeAll(tmp); err != nil {
		return err
	}
	if err := s.disk.rename(s.releaseDir(n), tmp); err != nil {
		return err
	}
	if err := s.disk.removeAll(tmp); err != nil {
		s.opts.Log.Warn("a dropped release can't be removed", "path", tmp, "err", err) // the next OpenStore does
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

// references adds every image that release n names, by its manifest or by its links, however broken it is. What can't be
// read at all, as against what isn't there or makes no sense, is an error: it might name any image.
func (s *Store) references(n int, referenced map[ID]bool) error {
	m, err := s.readManifest(n)
	if errors.Is(err, unix.ENOTDIR) {
		return nil // a file of somebody's
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
