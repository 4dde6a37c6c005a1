package build

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/sohost/sohost/native"
)

// An image that is up to date isn't linked again. The linker leaves in each image the action id of the link, a hash of all that goes
// into it: the packages with their contents, the flags and the linker. The go command compares it with that of the file that it is
// to write, so it gets a copy of the earlier image to write over. What isn't in action ids of its own accord is part of the marks,
// and so of package main's. Images that are known by their keys to be of something else aren't even copied.

// offer copies the image of an earlier build to where the go command will write the next, and returns the copy's hash. It returns
// nil if there is no such image, or none with a seal that proves that it is as it was built, or if it is of other sources: key is that of
// the image to build.
func offer(earlier, image, key string) ([]byte, error) {
	if s := native.ReadSeal(earlier); s != nil && s.Key != "" && s.Key != key {
		return nil, nil
	}
	info, err := native.InspectFile(earlier)
	if err != nil || info.Seal == nil {
		return nil, nil // place reports it, if the file can't be replaced either
	}
	from, err := os.Open(earlier)
	if err != nil {
		return nil, nil
	}
	defer from.Close() // read only
	to, err := os.OpenFile(image, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return nil, fmt.Errorf("copy the earlier image: %w", err)
	}
	defer to.Close() // after an error; otherwise it is closed by then
	if _, err := io.Copy(to, from); err != nil {
		return nil, fmt.Errorf("copy the earlier image: %w", err)
	}
	if err := to.Close(); err != nil {
		return nil, fmt.Errorf("copy the earlier image: %w", err)
	}
	sum, _, err := hashFile(image)
	return sum, err
}

// untouched reports whether the go command has left the copy of the earlier image as it was.
func untouched(image string, offered []byte) (bool, error) {
	if offered == nil {
		return false, nil
	}
	sum, _, err := hashFile(image)
	return bytes.Equal(sum, offered), err
}
