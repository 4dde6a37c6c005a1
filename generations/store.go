package generations

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
)

// Defaults of [StoreOptions].
const (
	DefaultMaxObject  = 1 << 30
	DefaultMaxHistory = 4 << 20
)

// HeadSize is how many bytes StoreOptions.Accept is shown, unless the file is shorter.
const HeadSize = 64

// StoreOptions configures a store. The zero value works.
type StoreOptions struct {
	// MaxObject is the size in bytes of the largest file that Add accepts. Default: DefaultMaxObject, 1 GiB.
	MaxObject int64

	// Accept is asked about the first bytes of a file, up to HeadSize of them, before the rest is read. If it returns an error,
	// Add returns that, and nothing of the file stays. Default: any file is an image.
	Accept func(head []byte) error

	// MaxHistory is the size in bytes at which the history starts a new file and drops the older of the two existing ones.
	// Default: DefaultMaxHistory, 4 MiB.
	MaxHistory int64

	// Lock is the store's lock, if the caller has it: from AcquireLock, or from InheritLock in a process that it was passed
	// to. It still belongs to the caller: Close doesn't release it. Default: OpenStore takes the lock itself.
	Lock *Lock

	// Shared says that another process has the store open at the same time, through the same lock. Temporary files may then be
	// its own, and OpenStore removes none. Default: all are leftovers.
	Shared bool

	// Observe is told of each event of the history, in order. It is called with a lock held, so it must return at once and must not
	// call the store. Default: nobody is told.
	Observe func(Event)

	// Log gets failures that happen after the commit point, where they can't be returned. Default: slog.Default().
	Log *slog.Logger
}

func (o StoreOptions) withDefaults() StoreOptions {
	if o.MaxObject <= 0 {
		o.MaxObject = DefaultMaxObject
	}
	if o.MaxHistory <= 0 {
		o.MaxHistory = DefaultMaxHistory
	}
	if o.Accept == nil {
		o.Accept = func([]byte) error { return nil }
	}
	if o.Observe == nil {
		o.Observe = func(Event) {}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// A Store is a store's directory. Its methods are safe for concurrent use.
type Store struct {
	dir  string // absolute
	opts StoreOptions
	disk *disk

	mu   sync.Mutex // guards lock and err, and on disk: current, confirmed, history, the sets of releases and objects
	held *Lock      // the store's lock
	lock *Lock      // what Close releases, if anything
	err  error      // why nothing may be changed: ErrReadOnly, ErrStoreClosed or nil
}

// OpenStore opens the store in dir for writing, creates it if needed, and locks it until Close. It doesn't wait for the
// lock: if another process has it, the error is a *LockedError. With StoreOptions.Lock it uses that lock; if it belongs to
// another store, the error is a *WrongLockError. OpenStore also removes what crashed writes have left behind: see StoreOptions.Shared.
func OpenStore(dir string, opts StoreOptions) (*Store, error) {
	return openStore(dir, opts, realDisk())
}

func openStore(dir string, opts StoreOptions, d *disk) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{dir: dir, opts: opts.withDefaults(), disk: d}
	for _, sub := range []string{s.objects(), s.releases()} {
		if err := d.mkdirs(sub); err != nil {
			return nil, fmt.Errorf("open store: %w", err)
		}
	}
	// The lock comes before the sweep: another process's temporary files are not leftovers.
	if s.held = opts.Lock; s.held != nil {
		err = s.held.Verify(dir)
	} else {
		s.lock, err = tryLock(dir)
		s.held = s.lock
	}
	if err != nil {
		return nil, err
	}
	if opts.Shared {
		return s, nil
	}
	if err := s.sweep(); err != nil {
		s.Close()
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// ReadStore opens the store in dir for reading. It takes no lock, so another process may be writing to the store. Every
// method that would change something returns ErrReadOnly.
func ReadStore(dir string) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	s := &Store{dir: dir, opts: StoreOptions{}.withDefaults(), disk: realDisk(), err: ErrReadOnly}
	if _, err := s.disk.readDir(s.releases()); err != nil {
		return nil, fmt.Errorf("read store: %w", err)
	}
	return s, nil
}

// Close closes the store and releases its lock, unless that came from StoreOptions.Lock. It waits for a running Publish or
// Prune, but not for an Add, which fails instead. A second Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = ErrStoreClosed
	if s.lock == nil {
		return nil
	}
	return s.lock.Close()
}

// unwritableLocked returns why nothing may be written, or nil. It is called with s.mu held.
func (s *Store) unwritableLocked() error {
	if s.err != nil {
		return s.err
	}
	if err := s.held.Verify(s.dir); err != nil {
		return fmt.Errorf("%w; its lock has been removed or replaced, and another server may have taken the store since", err)
	}
	return nil
}

// Dir returns the absolute path of the store's directory.
func (s *Store) Dir() string { return s.dir }

func (s *Store) objects() string  { return filepath.Join(s.dir, "objects") }
func (s *Store) releases() string { return filepath.Join(s.dir, "releases") }

// writable returns the reason why the store can't be changed, or nil.
func (s *Store) writable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// sweep removes what crashed writes left in all folders of the store.
func (s *Store) sweep() error {
	// state belongs to the store's user, who writes it with WriteFile while the store is open, and only then.
	dirs := []string{s.dir, s.objects(), s.releases(), s.quarantine(), filepath.Join(s.dir, "state"), filepath.Join(s.dir, "triggers")}
	filepath.WalkDir(filepath.Join(s.dir, "letters"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			dirs = append(dirs, path)
		}
		return nil // what can't be read is left alone
	})
	for _, dir := range dirs {
		if err := sweep(s.disk, dir, s.opts.Log); err != nil {
			return err
		}
	}
	return nil
}

// Sweep removes what crashed calls of WriteFile left in a folder, which need not exist. Nobody may be writing there.
func Sweep(dir string, log *slog.Logger) error { return sweep(realDisk(), dir, log) }

// sweep removes the temporary names described in temp.go, and nothing else. Dot files of an operator or a network filesystem
// stay.
func sweep(d *disk, dir string, log *slog.Logger) error {
	entries, err := d.readDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !isTemp(entry.Name()) {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		if err := d.removeAll(path); err != nil {
			// It wastes space and does no harm.
			log.Warn("cannot remove the leftover of a crashed write", "path", path, "err", err)
		}
	}
	return nil
}
