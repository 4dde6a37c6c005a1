package build

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

const (
	archiveMagic  = "!<arch>\n"
	archiveHeader = 60 // bytes before each member
)

// archiveID reads the id of a compiled package from its archive.
func archiveID(name string) (string, error) {
	id, err := buildID(name)
	if err != nil {
		return "", err
	}
	return shortID(id)
}

// buildID reads the build id from an archive. The archive begins with a text that has a line such as: build id "…".
func buildID(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close() // read only
	r := bufio.NewReader(io.LimitReader(f, 64<<10))
	for {
		line, err := r.ReadString('\n')
		if rest, ok := strings.CutPrefix(line, "build id "); ok {
			id, err := strconv.Unquote(strings.TrimSpace(rest))
			if err != nil {
				return "", fmt.Errorf("read the build id of %s: %w", name, err)
			}
			return id, nil
		}
		if err != nil {
			return "", fmt.Errorf("%s has no build id", name)
		}
	}
}

// archiveMembers calls fn for each member of a package archive.
func archiveMembers(r io.ReaderAt, size int64, fn func(name string, member *io.SectionReader) error) error {
	magic := make([]byte, len(archiveMagic))
	if _, err := r.ReadAt(magic, 0); err != nil || string(magic) != archiveMagic {
		return fmt.Errorf("not an archive")
	}
	header := make([]byte, archiveHeader)
	for at := int64(len(archiveMagic)); at < size; {
		if _, err := r.ReadAt(header, at); err != nil {
			return fmt.Errorf("read archive header: %w", err)
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(header[48:58])), 10, 64)
		if err != nil || n < 0 || string(header[58:]) != "`\n" || n > size-at-archiveHeader {
			return fmt.Errorf("malformed archive header at %d", at)
		}
		name := strings.TrimRight(string(header[:16]), " /")
		if err := fn(name, io.NewSectionReader(r, at+archiveHeader, n)); err != nil {
			return err
		}
		at += archiveHeader + n + n&1 // members begin at even offsets
	}
	return nil
}
