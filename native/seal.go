package native

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
)

// A Seal is what `sohost build` appends to an image when nothing changes it any more. It finds damage, such as a bad disk or half a
// copy makes it. It is no signature: whoever can write the file can seal it again.
type Seal struct {
	// Digest is the SHA-256 of all that stands before it in the file, in hexadecimal.
	Digest string `json:"digest"`

	// Private lists the private packages, by the content-addressed import paths that they were compiled under,
	// <import path>_g<12 characters>. Sorted.
	Private []string `json:"private,omitempty"`

	// Slim says that the image takes packages from the host: those that it has a hash of, but for its own, the private ones and
	// those in Along.
	Slim bool `json:"slim,omitempty"`

	// Along lists the shared packages that a slim image brings nevertheless, because the host that it was built for lacks something
	// of them, or because its exported variable needs them. Sorted.
	Along []string `json:"along,omitempty"`

	// WhyAlong says what that host lacks, by package.
	WhyAlong map[string]string `json:"why_along,omitempty"`

	// API is the plugin API that the image was built for, if the builder was told: nothing else in the image need show it.
	API string `json:"api,omitempty"`

	// Key is a hash of what the image was built from, as the builder saw it. Other content of a package, or other flags, make another key.
	Key string `json:"key,omitempty"`

	// WhyFull says why an image is full that was to be slim.
	WhyFull string `json:"why_full,omitempty"`
}

// SealedSetting and its value in the build settings say that an image is sealed, so that one that has lost its seal isn't taken for
// one that never had any.
const (
	SealedSetting = "sohost"
	SealedValue   = "sealed"
)

// A seal is, after the last byte of the ELF file: sealMagic; the length of what follows as 8 bytes, little endian; a Seal
// without its digest, as JSON; the digest of all bytes before it; the length of the whole seal as 8 bytes; sealEnd.
// A reader finds it from the end, whatever has become of the headers.
const (
	sealMagic = "\x00sohost seal 1\x00\x00"
	sealEnd   = "\x00sealed sohost\x00\x00"
	sealHead  = len(sealMagic) + 8
	sealTail  = sha256.Size + 8 + len(sealEnd)
	maxSeal   = 4 << 20 // bytes
)

// SealFile seals the image in the file, in place of an earlier seal. private reports which of the image's packages have a
// content-addressed path; all of s but Digest and Private counts. After an error the file is unchanged, or has half a seal and is refused as
// truncated.
func SealFile(path string, private func(pkg string) bool, s Seal) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	defer f.Close()
	if err := sealImage(f, private, s); err != nil {
		return fmt.Errorf("seal %s: %w", path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	return nil
}

func sealImage(f *os.File, private func(pkg string) bool, given Seal) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	size := st.Size()
	if _, at, err := findSeal(f, size); err == nil && at > 0 {
		size = at
	}
	info, err := inspect(f, size, &Seal{})
	if err != nil {
		return err
	}
	s := Seal{API: given.API, Key: given.Key, Slim: given.Slim, WhyFull: given.WhyFull, WhyAlong: given.WhyAlong, Along: slices.Sorted(slices.Values(given.Along))}
	for p := range info.Packages {
		if private(p) {
			s.Private = append(s.Private, p)
		}
	}
	slices.Sort(s.Private)
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	seal := binary.LittleEndian.AppendUint64([]byte(sealMagic), uint64(len(text)+sealTail))
	seal = append(seal, text...)
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, size)); err != nil {
		return err
	}
	sum.Write(seal)
	seal = sum.Sum(seal)
	seal = binary.LittleEndian.AppendUint64(seal, uint64(len(seal)+8+len(sealEnd)))
	seal = append(seal, sealEnd...)
	if err := f.Truncate(size); err != nil {
		return err
	}
	_, err = f.WriteAt(seal, size)
	return err
}

// findSeal returns the seal at the end of a file and where it begins, or nil if the file doesn't end like a sealed one. The error is
// ErrDamaged if what it finds contradicts itself.
func findSeal(r io.ReaderAt, size int64) (s *Seal, at int64, err error) {
	tail := make([]byte, sealTail)
	if size < int64(sealHead+sealTail) {
		return nil, 0, nil
	}
	if _, err := r.ReadAt(tail, size-int64(sealTail)); err != nil {
		return nil, 0, fmt.Errorf("read the seal: %w", err)
	}
	if !bytes.HasSuffix(tail, []byte(sealEnd)) {
		return nil, 0, nil
	}
	length := binary.LittleEndian.Uint64(tail[sha256.Size:])
	if length > maxSeal || length > uint64(size) || length < uint64(sealHead+sealTail) {
		return nil, 0, damaged("its seal has an impossible length")
	}
	seal := make([]byte, length)
	at = size - int64(length)
	if _, err := r.ReadAt(seal, at); err != nil {
		return nil, 0, fmt.Errorf("read the seal: %w", err)
	}
	text := seal[sealHead : len(seal)-sealTail]
	if !bytes.HasPrefix(seal, []byte(sealMagic)) || binary.LittleEndian.Uint64(seal[len(sealMagic):]) != length-uint64(sealHead) {
		return nil, 0, damaged("its seal contradicts itself")
	}
	s = &Seal{}
	if err := json.Unmarshal(text, s); err != nil || !slices.IsSorted(s.Private) {
		return nil, 0, damaged("its seal can't be read")
	}
	s.Digest = hex.EncodeToString(tail[:sha256.Size])
	return s, at, nil
}

// ReadSeal returns the seal at the end of an image, or nil if there is none that can be read. It reads only the end of the file, so the
// rest may be damaged.
func ReadSeal(path string) *Seal {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close() // read only
	st, err := f.Stat()
	if err != nil {
		return nil
	}
	s, _, err := findSeal(f, st.Size())
	if err != nil {
		return nil
	}
	return s
}

// IsSealed reports whether a file ends like a sealed image. It reads only the end of the file.
func IsSealed(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false
	}
	s, _, err := findSeal(f, info.Size())
	return s != nil || err != nil
}

// verify compares the digest of a seal that begins at an offset with what stands before it.
func (s *Seal) verify(r io.ReaderAt, size int64) error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(r, 0, size-int64(sealTail))); err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	if found := hex.EncodeToString(sum.Sum(nil)); found != s.Digest {
		return damaged(fmt.Sprintf("its digest is %.12s, that of the image that was built is %.12s", found, s.Digest))
	}
	return nil
}

// unsealed returns the error of an image that says it is sealed and doesn't end like one that is.
func (f *elfFile) unsealed() error {
	rest := f.size - f.end()
	if rest > 0 && rest < maxSeal {
		b := make([]byte, min(rest, int64(sealHead)))
		if _, err := f.r.ReadAt(b, f.end()); err != nil {
			return fmt.Errorf("read the seal: %w", err)
		}
		whole := len(b) == sealHead && int64(binary.LittleEndian.Uint64(b[len(sealMagic):]))+int64(sealHead) <= rest
		if !bytes.HasPrefix(b, []byte(sealMagic)[:min(len(b), len(sealMagic))]) || whole {
			return damaged("its seal is overwritten")
		}
	}
	if rest >= maxSeal {
		return damaged("its seal is overwritten")
	}
	return fmt.Errorf("%w: the seal that `sohost build` has put at its end is missing; it was cut or stripped: build or copy it again", ErrTruncated)
}

// end returns where the last thing ends that the headers name.
func (f *elfFile) end() int64 {
	end := f.tables
	for _, p := range f.Progs {
		end = max(end, int64(p.Off+p.Filesz))
	}
	for _, s := range f.Sections {
		if s.FileSize > 0 && s.Offset+s.FileSize > s.Offset && fits(s.Offset, s.FileSize, f.size) {
			end = max(end, int64(s.Offset+s.FileSize))
		}
	}
	return end
}

func damaged(how string) error {
	return fmt.Errorf("%w: the content isn't what was built (%s); build or copy it again", ErrDamaged, how)
}

// marked reports whether the path of a package is content-addressed. That is known from the seal alone: the path of any package can
// look like it.
func (i *Info) marked(pkg string) bool {
	if i.Seal == nil {
		return false
	}
	_, found := slices.BinarySearch(i.Seal.Private, pkg)
	return found
}

// markLen is the length of what makes a path content-addressed: _g and 12 characters.
const markLen = 14

// Sources returns the import paths of all packages of the image, as the sources know them, sorted.
func (i *Info) Sources() []string {
	paths := make([]string, 0, len(i.Packages))
	for p := range i.Packages {
		paths = append(paths, i.importPath(p))
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// importPath returns the path that a package has in the sources.
func (i *Info) importPath(pkg string) string {
	if i.marked(pkg) && len(pkg) > markLen {
		return pkg[:len(pkg)-markLen]
	}
	return pkg
}
