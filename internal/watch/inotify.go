package watch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// source reports changes. It is inotify, or a test's substitute.
type source struct {
	unserved string // why it reports nothing; if set, all else is unset
	events   <-chan []record
	mounted  <-chan struct{} // something was mounted or unmounted; nil if that isn't told
	add      func(dir string, mask uint32) (wd int32, err error)
	remove   func(wd int32)
	serves   func(p point) error // why changes at p would not be seen
	close    func()              // ends events, and waits for their sender
}

// record is one inotify event from the kernel.
type record struct {
	wd   int32
	mask uint32
	name string
}

// inotify is a file descriptor and the goroutine that reads it.
type inotify struct {
	mounts  *mounts // nil if there are none
	fd      int
	file    *os.File // the same; read through the runtime's poller, so a blocked read takes no thread and ends with Close
	events  chan []record
	done    chan struct{}
	reading sync.WaitGroup
}

func openInotify() (*inotify, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify_init: %w%s", err, limitHint(err))
	}
	n := &inotify{mounts: watchMounts(), fd: fd, file: os.NewFile(uintptr(fd), "inotify"), events: make(chan []record), done: make(chan struct{})}
	n.reading.Go(n.read)
	return n, nil
}

func (n *inotify) source() source {
	s := source{events: n.events, add: n.add, remove: n.remove, serves: servedByInotify, close: n.close}
	if n.mounts != nil {
		s.mounted = n.mounts.changed
	}
	return s
}

// read forwards what the kernel reports. While nobody receives it, the kernel queues up to fs.inotify.max_queued_events.
func (n *inotify) read() {
	defer close(n.events)
	buf := make([]byte, 16<<10)
	for {
		size, err := n.file.Read(buf)
		if err != nil {
			return
		}
		select {
		case n.events <- parse(buf[:size]):
		case <-n.done:
			return
		}
	}
}

func (n *inotify) close() {
	close(n.done)
	n.file.Close()
	n.reading.Wait()
	if n.mounts != nil {
		n.mounts.close()
	}
}

// add watches the directory for the kinds of events in mask, in addition to the present ones if mask has IN_MASK_ADD. An inode
// has only one watch descriptor, whatever path leads to it.
func (n *inotify) add(dir string, mask uint32) (wd int32, err error) {
	// Paths have no symbolic links here. If a link has replaced a directory meanwhile, it must not be followed.
	mask |= unix.IN_ONLYDIR | unix.IN_DONT_FOLLOW | unix.IN_EXCL_UNLINK
	err = ignoringEINTR(func() error {
		d, err := unix.InotifyAddWatch(n.fd, dir, mask)
		wd = int32(d)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("inotify_add_watch %s: %w%s", dir, err, limitHint(err))
	}
	return wd, nil
}

// remove ignores the error: if there is one, the kernel has already removed the watch along with the directory.
func (n *inotify) remove(wd int32) { unix.InotifyRmWatch(n.fd, uint32(wd)) }

func limitHint(err error) string {
	switch err {
	case unix.EMFILE:
		return " (fs.inotify.max_user_instances, or the limit of open files)"
	case unix.ENOSPC:
		return " (fs.inotify.max_user_watches)"
	}
	return ""
}

// parse splits what was read from an inotify descriptor. It stops at a truncated record, which the kernel never returns.
func parse(buf []byte) []record {
	var records []record
	for len(buf) >= unix.SizeofInotifyEvent {
		r := record{
			wd:   int32(binary.NativeEndian.Uint32(buf[0:])),
			mask: binary.NativeEndian.Uint32(buf[4:]),
		}
		size := uint64(binary.NativeEndian.Uint32(buf[12:]))
		buf = buf[unix.SizeofInotifyEvent:]
		if size > uint64(len(buf)) {
			break
		}
		name, _, _ := bytes.Cut(buf[:size], []byte{0}) // padded with zeros
		r.name = string(name)
		records = append(records, r)
		buf = buf[size:]
	}
	return records
}
