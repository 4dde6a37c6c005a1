package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/sohost/sohost/generations"
	"golang.org/x/sys/unix"
)

// readStore opens a store for reading.
func readStore(dir string) (*generations.Store, error) {
	s, err := generations.ReadStore(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("--store %s is not a store: it holds no releases; `sohost status` shows the running server's store", dir)
	}
	return s, err
}

// storeOfAnother says whose an existing store is, if it isn't this user's. Only root gets that far: a store is private. What it writes
// there is its own, and the server that the store belongs to can't read it any more.
func storeOfAnother(dir string) string {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil || int(st.Uid) == os.Geteuid() {
		return ""
	}
	return fmt.Sprintf("%s belongs to user %d, and not to %d", dir, st.Uid, os.Geteuid())
}

// openStore opens an existing store. generations.OpenStore alone would create one where a name was mistyped.
func openStore(dir string) (*generations.Store, error) {
	s, err := readStore(dir)
	if err != nil {
		return nil, err
	}
	s.Close()
	s, err = generations.OpenStore(dir, generations.StoreOptions{})
	if errors.Is(err, generations.ErrLocked) {
		return nil, fmt.Errorf("%w; omit --store to let that server do it", err)
	}
	return s, err
}
