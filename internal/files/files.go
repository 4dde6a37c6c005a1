// Package files counts open files, and keeps some free: a process that may open no more can neither take a message with files nor
// start another process, so nobody could take over from it.
package files

import (
	"os"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// Usage is how many files a process has open, and how many it may have.
type Usage struct {
	Open  int `json:"open"`
	Limit int `json:"limit"`
}

// Of returns the usage of a process; 0 is this one. What the kernel doesn't say is 0.
func Of(pid int) (u Usage) {
	name := "self"
	if pid != 0 {
		name = strconv.Itoa(pid)
	}
	if dir, err := os.Open("/proc/" + name + "/fd"); err == nil {
		defer dir.Close()
		if names, err := dir.Readdirnames(-1); err == nil {
			u.Open = len(names)
			if pid == 0 {
				u.Open-- // dir
			}
		}
	}
	var limit unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit) == nil {
		u.Limit = int(min(limit.Cur, 1<<31-1))
	}
	return u
}

// maxReserve is how many files are kept free at most. A handover needs about ten, and every connection that it passes one.
const maxReserve = 32

// reserve returns how many of limit files are kept free.
func reserve(limit int) int { return min(maxReserve, limit/4) }

// Reserve holds files open that are of no use, so that as many can be opened after Release, whoever has taken all others. The zero
// value holds none.
type Reserve struct {
	mu   sync.Mutex // guards held
	held []*os.File
}

// Hold opens the files, as many as it can.
func (r *Reserve) Hold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := reserve(Of(0).Limit); len(r.held) < n; {
		f, err := os.Open(os.DevNull)
		if err != nil {
			return
		}
		r.held = append(r.held, f)
	}
}

// Release closes the files.
func (r *Reserve) Release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.held {
		f.Close()
	}
	r.held = nil
}
