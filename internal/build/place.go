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
)

// place moves the image to r.Output and completes the result. If the same bytes are already there, nothing is written, so
// that watchers of the file see no change.
func place(image string, r *Result) error {
	sum, size, err := hashFile(image)
	if err != nil {
		return fmt.Errorf("hash the image: %w", err)
	}
	r.Image, r.Size = hex.EncodeToString(sum), size
	if err := checkOutput(r.Output); err != nil {
		return err
	}
	if same, err := holds(r.Output, image, size); same || err != nil {
		return err
	}
	f, err := os.Open(image)
	if err != nil {
		return fmt.Errorf("place the image: %w", err)
	}
	defer f.Close() // read only
	if err := os.MkdirAll(filepath.Dir(r.Output), 0o755); err != nil {
		return fmt.Errorf("place the image: %w", err)
	}
	if err := replace(r.Output, f); err != nil {
		return fmt.Errorf("place the image: %w", err)
	}
	r.Changed = true
	return nil
}

// checkOutput refuses an output that isn't a file and isn't free for one either. An image would take the place even of a device, and
// reading a pipe may never end.
func checkOutput(file string) error {
	st, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && st.Mode().IsRegular():
		return nil
	case err != nil:
		return &Refusal{Kind: ErrOutput, Reason: err.Error(), Remedy: "name a file with --output"}
	}
	what := "a device"
	switch st.Mode().Type() {
	case fs.ModeDir:
		what = "a directory"
	case fs.ModeNamedPipe:
		what = "a pipe"
	case fs.ModeSocket:
		what = "a socket"
	}
	return &Refusal{Kind: ErrOutput, Reason: fmt.Sprintf("%s is %s, and stays as it is", file, what), Remedy: "name a file with --output"}
}

// holds reports whether an earlier image is just like the image, whose size is known. It reads both up to where they first differ.
func holds(earlier, image string, size int64) (bool, error) {
	st, err := os.Stat(earlier)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && st.Size() != size:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read the earlier image: %w", err)
	}
	same, err := sameContent(earlier, image)
	if err != nil {
		return false, fmt.Errorf("read the earlier image: %w", err)
	}
	return same, nil
}

func sameContent(a, b string) (bool, error) {
	f, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer f.Close() // read only
	g, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer g.Close() // read only
	left, right := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, err := io.ReadFull(f, left)
		m, errRight := io.ReadFull(g, right)
		ended := err == io.EOF || err == io.ErrUnexpectedEOF
		switch {
		case err != nil && !ended:
			return false, err
		case errRight != nil && errRight != io.EOF && errRight != io.ErrUnexpectedEOF:
			return false, errRight
		case !bytes.Equal(left[:n], right[:m]):
			return false, nil
		case ended:
			return true, nil
		}
	}
}

// replace writes a file and renames it into place. It doesn't wait for the disk, as generations.WriteFile does: an image that a failure of
// the power has cut is found by its seal, and can be built again.
func replace(file string, content io.Reader) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(file), ".tmp-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name()) // if this fails, the error is already another
		}
	}()
	if _, err := io.Copy(tmp, content); err != nil {
		return err
	}
	if err := tmp.Chmod(0o755); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
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
