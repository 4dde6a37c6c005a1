package generations

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/google/renameio/v2"
)

var errInjected = errors.New("injected failure")

// faultMode says what a failure looks like.
type faultMode string

const (
	failBefore faultMode = "before" // the operation isn't done
	failAfter  faultMode = "after"  // it is done, or half of it when it writes, and reports an error all the same
	failRest   faultMode = "rest"   // it isn't done and neither is anything after it, clean-up included
)

// faults makes operation number at fail.
type faults struct {
	mode   faultMode
	at     int
	calls  int
	failed string // the operation that failed
	hidden bool   // it failed by itself, as the last read of a file does
	trace  []string
	files  []*os.File // all that were opened
}

// checkClosed fails the test if a file that was opened is still open.
func (f *faults) checkClosed(t *testing.T) {
	t.Helper()
	for _, file := range f.files {
		if _, err := file.Stat(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%s is still open", file.Name())
			file.Close()
		}
	}
	f.files = nil
}

// do counts one operation and does it, or not.
func (f *faults) do(name string, operation func() error) error {
	f.calls++
	f.trace = append(f.trace, name)
	switch {
	case f.calls == f.at:
		f.failed = name
		if f.mode == failAfter {
			if err := operation(); err != nil {
				f.hidden = true
				return err
			}
		}
		return errInjected
	case f.calls > f.at && f.mode == failRest:
		return errInjected
	}
	return operation()
}

func do1[T any](f *faults, name string, operation func() (T, error)) (T, error) {
	var result T
	err := f.do(name, func() (err error) {
		result, err = operation()
		return err
	})
	file, _ := any(result).(*os.File)
	if pending, ok := any(result).(*renameio.PendingFile); ok && pending != nil {
		file = pending.File
	}
	if err != nil {
		// A handle nobody gets is closed, as the kernel would.
		if file != nil {
			file.Close()
		}
		var none T
		return none, err
	}
	if file != nil {
		f.files = append(f.files, file)
	}
	return result, nil
}

// fastDisk is the real one without waiting for the hardware, except in replace, where renameio does the fsync.
func fastDisk() *disk {
	d := realDisk()
	d.sync = func(*os.File) error { return nil }
	return d
}

// wrap makes a disk whose operations f counts.
func (f *faults) wrap(d *disk) *disk {
	return &disk{
		open: func(name string, flag int, perm fs.FileMode) (*os.File, error) {
			return do1(f, "open "+name, func() (*os.File, error) { return d.open(name, flag, perm) })
		},
		createTemp: func(dir, pattern string) (*os.File, error) {
			return do1(f, "createTemp "+dir, func() (*os.File, error) { return d.createTemp(dir, pattern) })
		},
		stat: func(name string) (fs.FileInfo, error) {
			return do1(f, "stat "+name, func() (fs.FileInfo, error) { return d.stat(name) })
		},
		lstat: func(name string) (fs.FileInfo, error) {
			return do1(f, "lstat "+name, func() (fs.FileInfo, error) { return d.lstat(name) })
		},
		readDir: func(name string) ([]fs.DirEntry, error) {
			return do1(f, "readDir "+name, func() ([]fs.DirEntry, error) { return d.readDir(name) })
		},
		readFile: func(name string) ([]byte, error) {
			return do1(f, "readFile "+name, func() ([]byte, error) { return d.readFile(name) })
		},
		readlink: func(name string) (string, error) {
			return do1(f, "readlink "+name, func() (string, error) { return d.readlink(name) })
		},
		mkdir: func(name string, perm fs.FileMode) error {
			return f.do("mkdir "+name, func() error { return d.mkdir(name, perm) })
		},
		mkdirTemp: func(dir, pattern string) (string, error) {
			return do1(f, "mkdirTemp "+dir, func() (string, error) { return d.mkdirTemp(dir, pattern) })
		},
		symlink: func(oldname, newname string) error {
			return f.do("symlink "+newname, func() error { return d.symlink(oldname, newname) })
		},
		rename: func(oldpath, newpath string) error {
			return f.do("rename "+newpath, func() error { return d.rename(oldpath, newpath) })
		},
		remove:    func(name string) error { return f.do("remove "+name, func() error { return d.remove(name) }) },
		removeAll: func(name string) error { return f.do("removeAll "+name, func() error { return d.removeAll(name) }) },
		fstat: func(file *os.File) (fs.FileInfo, error) {
			return do1(f, "fstat "+file.Name(), func() (fs.FileInfo, error) { return d.fstat(file) })
		},
		read: func(file *os.File, p []byte) (n int, err error) {
			return do1(f, "read "+file.Name(), func() (int, error) { return d.read(file, p) })
		},
		readAt: func(file *os.File, p []byte, off int64) (n int, err error) {
			return do1(f, "readAt "+file.Name(), func() (int, error) { return d.readAt(file, p, off) })
		},
		write: func(file *os.File, p []byte) (n int, err error) {
			err = f.do("write "+file.Name(), func() error {
				if f.calls == f.at {
					n, err = d.write(file, p[:len(p)/2]) // the disk is full
				} else {
					n, err = d.write(file, p)
				}
				return err
			})
			return n, err
		},
		truncate: func(file *os.File, size int64) error {
			return f.do("truncate "+file.Name(), func() error { return d.truncate(file, size) })
		},
		chmod: func(file *os.File, mode fs.FileMode) error {
			return f.do("chmod "+file.Name(), func() error { return d.chmod(file, mode) })
		},
		clone: func(dst, src *os.File) error { return f.do("clone", func() error { return d.clone(dst, src) }) },
		sync:  func(file *os.File) error { return f.do("sync "+file.Name(), func() error { return d.sync(file) }) },
		close: func(file *os.File) error { return f.do("close "+file.Name(), func() error { return d.close(file) }) },
		pending: func(path, tmp string, perm fs.FileMode) (*renameio.PendingFile, error) {
			return do1(f, "pending "+path, func() (*renameio.PendingFile, error) { return d.pending(path, tmp, perm) })
		},
		replace: func(file *renameio.PendingFile) error {
			return f.do("replace "+file.Name(), func() error { return d.replace(file) })
		},
	}
}
