package build

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sohost/sohost/generations"
)

// place moves the image to r.Output and completes the result. If the same bytes are already there, nothing is written, so
// that watchers of the file see no change.
func place(image string, r *Result) error {
	sum, size, err := hashFile(image)
	if err != nil {
		return fmt.Errorf("hash the image: %w", err)
	}
	r.Image, r.Size = hex.EncodeToString(sum), size
	before, _, err := hashFile(r.Output)
	if err == nil && bytes.Equal(before, sum) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the earlier image: %w", err)
	}
	f, err := os.Open(image)
	if err != nil {
		return fmt.Errorf("place the image: %w", err)
	}
	defer f.Close() // read only
	if err := os.MkdirAll(filepath.Dir(r.Output), 0o755); err != nil {
		return fmt.Errorf("place the image: %w", err)
	}
	err = generations.WriteFile(r.Output, 0o755, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
	if err != nil {
		return fmt.Errorf("place the image: %w", err)
	}
	r.Changed = true
	return nil
}

func hashFile(name string) (sum []byte, size int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() // read only
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		return nil, 0, err
	}
	return h.Sum(nil), size, nil
}
