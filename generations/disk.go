package generations

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// disk has every operation by which a store touches its files, so that tests can make any single one fail.
type disk struct {
	open       func(name string, flag int, perm fs.FileMode) (*os.File, error)
	createTemp func(dir, pattern string) (*os.File, error)
	stat       func(name string) (fs.FileInfo, error)
	lstat      func(name string) (fs.FileInfo, error)
	readDir    func(name string) ([]fs.DirEntry, error)
	readFile   func(name string) ([]byte, error)
	readlink   func(name string) (string, error)
	mkdir      func(name string, perm fs.FileMode) error
	mkdirTemp  func(dir, pattern string) (string, error)
	symlink    func(oldname, newname string) error
	rename     func(oldpath, newpath string) error
	remove     func(name string) error
	removeAll  func(name string) error

	fstat    func(f *os.File) (fs.FileInfo, error)
	read     func(f *os.File, p []byte) (int, error)
	readAt   func(f *os.File, p []byte, off int64) (int, error)
	write    func(f *os.File, p []byte) (int, error)
	truncate func(f *os.File, size int64) error
	chmod    func(f *os.File, mode fs.FileMode) error
	clone    func(dst, src *os.File) error
	sync     func(f *os.File) error
	close    func(f *os.File) error

	pending func(path, tmp string, perm fs.FileMode) (*renameio.PendingFile, error)
	replace func(f *renameio.PendingFile) error
}

func realDisk() *disk {
	return &disk{
		open:       os.OpenFile,
		createTemp: os.CreateTemp,
		stat:       os.Stat,
		lstat:      os.Lstat,
		readDir:    os.ReadDir,
		readFile:   readRecord,
		readlink:   os.Readlink,
		mkdir:      os.Mkdir,
		mkdirTemp:  os.MkdirTemp,
		symlink:    os.Symlink,
		rename:     os.Rename,
		remove:     os.Remove,
		removeAll:  os.RemoveAll,

		fstat:    (*os.File).Stat,
		read:     (*os.File).Read,
		readAt:   (*os.File).ReadAt,
		write:    (*os.File).Write,
		truncate: (*os.File).Truncate,
		chmod:    (*os.File).Chmod,
		clone:    clone,
		sync:     (*os.File).Sync,
		close:    (*os.File).Close,

		pending: pending,
		replace: (*renameio.PendingFile).CloseAtomicallyReplace,
	}
}

// pending makes a file in the folder tmp that is to replace the one at path. Its mode is perm, whatever the umask is.
func pending(path, tmp string, perm fs.FileMode) (*renameio.PendingFile, error) {
	return renameio.NewPendingFile(path, renameio.WithTempDir(tmp), renameio.WithStaticPermissions(perm))
}

// clone makes dst share the blocks of src, if the filesystem can.
func clone(dst, src *os.File) error { return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd())) }

// maxRecord is the size of the largest manifest or quarantine record, in bytes. Ten thousand plugins come near.
const maxRecord = 16 << 20

// readRecord reads a whole file, unless it is too large or something that one may wait for, such as a FIFO.
func readRecord(name string) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is %s", name, kindOf(fi.Mode()))
	}
	data, err := io.ReadAll(io.LimitReader(f, maxRecord+1))
	if err == nil && len(data) > maxRecord {
		err = fmt.Errorf("read %s: it has more than %d bytes", name, maxRecord)
	}
	return data, err
}
