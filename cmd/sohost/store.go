package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/sohost/sohost/generations"
)

// readStore opens a store for reading.
func readStore(dir string) (*generations.Store, error) {
	s, err := generations.ReadStore(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, fmt.Errorf("--store %s is not a store: it holds no releases; `sohost status` shows the running server's store", dir)
	}
	return s, err
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
