package inflight

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unsafe"

	"github.com/sohost/sohost/generations"
)

// Snapshot is what a process was running at one moment, such as its end.
type Snapshot struct {
	// Images lists those that were in calls or have work in the background. An image is there once for each of its instances.
	Images []Image `json:"images,omitempty"`

	// Partial is set if there may have been more, which the table had no room for.
	Partial bool `json:"partial,omitempty"`
}

// Image is one instance of a plugin's image in a Snapshot.
type Image struct {
	Plugin     string         `json:"plugin"`
	Image      generations.ID `json:"image"`
	Calls      int64          `json:"calls,omitempty"`      // leases: callers' calls that had not returned
	Steps      []string       `json:"steps,omitempty"`      // calls of the host's own that had not returned: "New"
	Background bool           `json:"background,omitempty"` // the plugin was started, and so may have had goroutines of its own

	// Busy is how often the image was in calls when somebody looked at earlier moments, between 0 and 1; 0 if nobody did.
	Busy float64 `json:"busy,omitempty"`
	// Looked is how often somebody did.
	Looked int `json:"looked,omitempty"`
}

// Inside reports whether the image's code was called.
func (im Image) Inside() bool { return im.Calls > 0 || len(im.Steps) > 0 }

// String returns the plugin, the short id, and what ran.
func (im Image) String() string {
	var what []string
	if len(im.Steps) > 0 {
		what = append(what, "in "+strings.Join(im.Steps, ", "))
	}
	switch {
	case im.Calls == 1:
		what = append(what, "1 call")
	case im.Calls > 1:
		what = append(what, fmt.Sprintf("%d calls", im.Calls))
	}
	if im.Background {
		what = append(what, "work in the background")
	}
	return fmt.Sprintf("%s %s: %s", im.Plugin, im.Image.Short(), strings.Join(what, ", "))
}

// maxImages is how many images a Snapshot has at most: it travels in messages.
const maxImages = 200

var errForeign = errors.New("it is no table of calls")

// Read reads a table. What a plugin may have written over the table is read without harm, but not noticed. The error says
// that the process has not made a table, or that the file can't be read.
func Read(file io.ReaderAt) (*Snapshot, error) {
	s := new(Snapshot)
	missing, err := walk(file, func(im Image) {
		switch {
		case !im.Inside() && !im.Background:
		case len(s.Images) == maxImages:
			s.Partial = true
		default:
			s.Images = append(s.Images, im)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read the table of calls: %w", err)
	}
	s.Partial = s.Partial || missing
	return s, nil
}

// walk visits every instance in a table, and reports whether there may be some that it has no row for.
func walk(file io.ReaderAt, visit func(Image)) (missing bool, err error) {
	first := buffer(int(unsafe.Sizeof(header{})))
	if _, err := file.ReadAt(first, 0); err != nil {
		return false, err
	}
	h := (*header)(unsafe.Pointer(unsafe.SliceData(first)))
	size, counters, used := int(h.rowSize), int(h.counters), int(h.used.Load())
	if h.magic != magic || size < rowHeader+counters || size > maxRowSize || used > maxRows {
		return false, errForeign
	}
	text := buffer(rowHeader + counters)
	for i := range used {
		if _, err := file.ReadAt(text, int64(page+i*size)); err != nil {
			return false, err
		}
		if r := (*row)(unsafe.Pointer(unsafe.SliceData(text))); r.state.Load() == rowTaken {
			visit(r.read(generations.CountIn(text[rowHeader:])))
		}
	}
	return h.missing.Load() > 0, nil
}

// maxRowSize is more than any table has.
const maxRowSize = 1 << 20

// buffer returns memory for n bytes that is aligned for every field.
func buffer(n int) []byte {
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), n)
}

func (r *row) read(calls int64) Image {
	im := Image{
		Plugin: string(r.name[:min(int(r.length), len(r.name))]), Image: r.image, Calls: min(calls, maxCount),
		Background: r.background.Load() != 0,
	}
	if !generations.ValidName(im.Plugin) { // damaged
		im.Plugin = "?"
	}
	for s := range numSteps {
		if r.inside[s].Load() > 0 {
			im.Steps = append(im.Steps, s.String())
		}
	}
	return im
}

// Inside returns the images whose code was called, each once.
func (s *Snapshot) Inside() []Image { return s.each(Image.Inside) }

// InBackground returns the images that have work in the background, each once.
func (s *Snapshot) InBackground() []Image {
	return s.each(func(im Image) bool { return im.Background })
}

func (s *Snapshot) each(is func(Image) bool) (found []Image) {
	if s == nil {
		return nil
	}
	for _, im := range s.Images {
		same := func(other Image) bool { return other.Image == im.Image && other.Plugin == im.Plugin }
		if is(im) && !slices.ContainsFunc(found, same) {
			found = append(found, im)
		}
	}
	return found
}
