package generations

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sohost/sohost/internal/regular"
)

// An Object is an image in the store.
type Object struct {
	ID      ID     `json:"id"`
	Size    int64  `json:"size"` // bytes
	Path    string `json:"path"` // absolute; the image is opened from here and nowhere else
	Existed bool   `json:"-"`    // set by Add if the store already had the image
}

// chunk is how many bytes are read, hashed and written at a time: enough to make system calls cheap, few enough to stay in
// the cache between the hash and the write.
const chunk = 256 << 10

const objectSuffix = ".so"

// The modes of what the store makes. Images, releases and records can hold what only the server's user may know, such as stacks.
const (
	folderMode = 0o700
	objectMode = 0o400
	recordMode = 0o600
)

func (s *Store) objectPath(id ID) string { return filepath.Join(s.objects(), id.String()+objectSuffix) }

// Object returns the image with the given id. It doesn't read the bytes: see Verify. The error is a *NotStoredError if the
// store has no such image.
func (s *Store) Object(id ID) (Object, error) {
	path := s.objectPath(id)
	fi, err := s.disk.lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Object{}, &NotStoredError{Image: id}
	}
	if err != nil {
		return Object{}, fmt.Errorf("find image %s: %w", id.Short(), err)
	}
	if !fi.Mode().IsRegular() {
		return Object{}, fmt.Errorf("find image %s: %w: it is %s", id.Short(), ErrDamaged, regular.Kind(fi.Mode()))
	}
	return Object{ID: id, Size: fi.Size(), Path: path}, nil
}

// Verify reads an image and compares its bytes with its id. The error is a *DamagedError if they differ, and a
// *NotStoredError if there is no such image.
func (s *Store) Verify(ctx context.Context, id ID) error {
	o, err := s.Object(id)
	if err != nil {
		return err
	}
	f, err := s.disk.open(o.Path, os.O_RDONLY, 0)
	if err != nil {
		return fmt.Errorf("verify image: %w", err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := s.pump(ctx, nil, f, sum, o.Size); err != nil {
		return fmt.Errorf("verify image %s: %w", id.Short(), err)
	}
	if found := ID(sum.Sum(nil)); found != id {
		return &DamagedError{Path: o.Path, Want: id, Found: found}
	}
	return nil
}

// list returns all images in the store. It skips other names, which aren't ours.
func (s *Store) list() ([]Object, error) {
	entries, err := s.disk.readDir(s.objects())
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var objects []Object
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), objectSuffix)
		if !ok {
			continue
		}
		id, err := ParseID(name)
		if err != nil {
			continue
		}
		o, err := s.Object(id)
		if errors.Is(err, ErrNotStored) || errors.Is(err, ErrDamaged) {
			continue // gone meanwhile, or not a file
		}
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// pump reads src to its end, or to one byte past limit, into sum and, unless it is nil, into dst. It returns the number of
// bytes read.
func (s *Store) pump(ctx context.Context, dst, src *os.File, sum hash.Hash, limit int64) (int64, error) {
	buf := make([]byte, chunk)
	var total int64
	for total <= limit {
		if err := ctx.Err(); err != nil {
			return total, context.Cause(ctx)
		}
		n, err := s.disk.read(src, buf[:min(chunk, limit+1-total)])
		sum.Write(buf[:n])
		total += int64(n)
		if n > 0 && dst != nil {
			if _, err := s.disk.write(dst, buf[:n]); err != nil {
				return total, err
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}
