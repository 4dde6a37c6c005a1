package generations

import (
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
	"github.com/sohost/sohost/internal/regular"
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
		readFile:   regular.Read,
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
