package goobj

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

const (
	archiveMagic  = "!<arch>\n"
	archiveHeader = 60 // bytes before each member
)

// ErrFormat is returned when an archive has an object of another format.
var ErrFormat = errors.New("unknown format of Go objects")

// Archive is a compiled package.
type Archive struct {
	BuildID string // as the go command has given it; "" if the archive states none
	Objects []*Object

	// HasC reports whether the package has C code: objects of another compiler, or instructions of cgo for the linker.
	HasC bool
}

// ReadArchive reads a compiled package from a file. The error matches ErrFormat if its objects are of another format.
func ReadArchive(file string) (*Archive, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	a, err := parseArchive(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return a, nil
}

// MapArchive is ReadArchive for a file that nobody changes, such as one in the build cache. The file stays in memory, mapped, until the
// process ends; what isn't looked at isn't read.
func MapArchive(file string) (*Archive, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() == 0 {
		return nil, fmt.Errorf("read %s: it is empty", file)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(st.Size()), syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", file, err)
	}
	a, err := parseArchive(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return a, nil
}

func parseArchive(b []byte) (*Archive, error) {
	if !bytes.HasPrefix(b, []byte(archiveMagic)) {
		return nil, errors.New("not an archive")
	}
	a := &Archive{}
	for at := len(archiveMagic); at < len(b); {
		if len(b)-at < archiveHeader {
			return nil, fmt.Errorf("malformed archive header at %d", at)
		}
		header := b[at : at+archiveHeader]
		n, err := strconv.Atoi(string(bytes.TrimSpace(header[48:58])))
		if err != nil || n < 0 || n > len(b)-at-archiveHeader {
			return nil, fmt.Errorf("malformed archive header at %d", at)
		}
		at += archiveHeader
		if err := a.add(strings.TrimRight(string(header[:16]), " /"), b[at:at+n]); err != nil {
			return nil, err
		}
		at += n + n&1 // members begin at even offsets
	}
	return a, nil
}

// add adds one member. A Go object begins with lines of text, which end with a line "!".
func (a *Archive) add(name string, member []byte) error {
	const objectHead, textEnd = "go object ", "\n!\n"
	switch {
	case name == "__.PKGDEF":
		text, _, _ := bytes.Cut(member[:min(len(member), 64<<10)], []byte("\n$$B\n"))
		for line := range strings.Lines(string(text)) {
			if id, ok := strings.CutPrefix(line, "build id "); ok {
				a.BuildID, _ = strconv.Unquote(strings.TrimSpace(id)) // "" says that there is none
			}
		}
		return nil
	case !bytes.HasPrefix(member, []byte(objectHead)):
		a.HasC = a.HasC || name != "preferlinkext" && name != "dynimportfail"
		return nil
	}
	text, object, ok := bytes.Cut(member, []byte(textEnd))
	if !ok {
		return fmt.Errorf("%w: %s has no end of its text", ErrFormat, name)
	}
	a.HasC = a.HasC || bytes.Contains(text, []byte("\n$$  // cgo\n"))
	o, err := parseObject(object)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a.Objects = append(a.Objects, o)
	return nil
}
