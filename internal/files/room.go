package files

import (
	"os"

	"golang.org/x/sys/unix"
)

// Share is for whom a file is. What is more urgent may take more of the files that the others leave free.
type Share int

const (
	Clients  Share = iota // leaves all of the reserve free
	Requests              // of another process, on behalf of its clients: leaves half of it
	Sockets               // by which another process passes connections: leaves a quarter of it
)

// Room is what connections may have of a process's files.
type Room struct{ base int }

// NewRoom returns the room of this process. Whatever the limit, half of what is free now may be used.
func NewRoom() Room { return Room{base: Of(0).Open} }

// Has reports whether there is room for a file that has come from another process. It looks where a copy would be: package net serves
// copies, whose numbers are higher.
func (r Room) Has(f *os.File, share Share) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	fits := false
	err = raw.Control(func(fd uintptr) {
		if copied, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			unix.Close(copied)
			fits = copied < r.mark(share, 1)
		}
	})
	return err == nil && fits
}

// mark returns the first number of a file that a share may not have, if every connection takes as many files as each says. The kernel
// gives each file the lowest number that is free, so a file with that number shows that all below are taken.
func (r Room) mark(share Share, each int) int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 1<<31 - 1
	}
	most := int(min(limit.Cur, 1<<31-1))
	free := most - r.base
	return max((most-reserve(most)>>share)/each, r.base+(free-free/2>>share)/each)
}
