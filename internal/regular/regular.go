// Package regular opens and reads files that somebody else has named. What is there may be anything: opening a FIFO waits for another
// process, and some devices have no end. Here nothing waits.
package regular

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Limit is the size of the largest file that Read returns, in bytes.
const Limit = 16 << 20

// ErrNot is returned when something else than a regular file is at a path.
var ErrNot = errors.New("want a regular file")

// Open opens a file for reading. The error matches ErrNot, or is that of the system.
func Open(name string) (*os.File, error) {
	return open(name, os.O_RDONLY, 0, 0)
}

// Append opens a file for appending, and makes it if it isn't there. A device will do, too. The error is one of Open's.
func Append(name string, perm fs.FileMode) (*os.File, error) {
	return open(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, perm, fs.ModeDevice|fs.ModeCharDevice)
}

// open opens a file that is regular, or of one of the types in also.
func open(name string, flag int, perm, also fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, flag|unix.O_NONBLOCK|unix.O_NOCTTY, perm)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) { // of a socket, a FIFO that nobody reads, a device that is missing
		if info, found := os.Stat(name); found == nil && !info.Mode().IsRegular() {
			return nil, notRegular(name, info.Mode())
		}
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Mode().Type()&^also != 0 {
		err = notRegular(name, info.Mode())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Read returns what is in a file. Besides Open's errors there is one for a file that is larger than Limit.
func Read(name string) ([]byte, error) {
	f, err := Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, Limit+1))
	if err == nil && len(data) > Limit {
		err = &fs.PathError{Op: "read", Path: name, Err: fmt.Errorf("it has more than %d bytes", Limit)}
	}
	return data, err
}

func notRegular(name string, mode fs.FileMode) error {
	return &fs.PathError{Op: "open", Path: name, Err: fmt.Errorf("%w, found %s", ErrNot, Kind(mode))}
}

// Kind says what there is instead of a regular file.
func Kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return mode.Type().String()
}
