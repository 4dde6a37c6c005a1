package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/sohost/sohost/internal/fault"
)

const lockName = "lock"

// indexBits are the bits of a record's number that count within its epoch. The others are the epoch: a number stays exact as a number of JSON for 131,072
// epochs.
const indexBits = 36

// number returns the number of a record.
func number(epoch, index uint64) uint64 { return epoch<<indexBits | index }

// parts returns the epoch of a record, and its index there.
func parts(number uint64) (epoch, index uint64) {
	return number >> indexBits, number & (1<<indexBits - 1)
}

// segment is a file of records.
type segment struct {
	epoch, first uint64
	size         int64
}

func epochDir(dir string, epoch uint64) string { return filepath.Join(dir, fmt.Sprintf("%06d", epoch)) }

func (s segment) path(dir string) string {
	return filepath.Join(epochDir(dir, s.epoch), fmt.Sprintf("%012d", s.first))
}

// epochsIn returns the epochs of a spool, from the first to the last.
func epochsIn(dir string) (epochs []uint64, err error) {
	entries, err := os.ReadDir(dir) // sorted by name
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if n, err := strconv.ParseUint(e.Name(), 10, 64); err == nil && e.IsDir() {
			epochs = append(epochs, n)
		}
	}
	return epochs, nil
}

// list returns the segments of a spool, in the order of their records.
func list(dir string) (segments []segment, err error) {
	if err := fault.Error("spool", "list"); err != nil {
		return nil, err
	}
	epochs, err := epochsIn(dir)
	if err != nil {
		return nil, err
	}
	for _, epoch := range epochs {
		entries, err := os.ReadDir(epochDir(dir, epoch))
		if errors.Is(err, fs.ErrNotExist) { // another process has removed it
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			first, err := strconv.ParseUint(e.Name(), 10, 64)
			if err != nil {
				continue
			}
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			segments = append(segments, segment{epoch, first, info.Size()})
		}
	}
	return segments, nil
}

// syncDir brings a directory's entries to the disk.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
