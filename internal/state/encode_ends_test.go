package state

import (
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
)

// failing is a writer that takes so many bytes.
type failing struct{ left int }

var errFull = errors.New("no space left")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestWriterFails has the writer fail: then the rest of the value isn't gone through, while callers may be waiting.
func TestWriterFails(t *testing.T) {
	const n = 50_000
	texts, entries, maps := make([]string, n), map[int]string{}, map[int]map[int]int{}
	for i := range n {
		texts[i], entries[i], maps[i] = "some text", "some text", map[int]int{1: i}
	}
	for _, value := range []any{texts, entries, maps, [][]string{texts}} {
		all, err := EncodeCounted(io.Discard, abi.State{Value: value}, DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		counted, err := EncodeCounted(&failing{left: 1000}, abi.State{Value: value}, DecodeOptions{})
		if !errors.Is(err, errFull) || !strings.HasPrefix(err.Error(), "write state: ") {
			t.Errorf("%T: %v", value, err)
		}
		if counted > all-100_000 {
			t.Errorf("%T: %d of %d bytes were counted", value, counted, all)
		}
	}
}

// TestSmallMaps writes many maps of a few entries, for which there must not be room for many.
func TestSmallMaps(t *testing.T) {
	const n = 10_000
	maps := map[int]map[string]int64{}
	for i := range n {
		maps[i] = map[string]int64{"a": 1, "b": 2, "c": 3}
	}
	runtime.GC()
	before := allocated()
	if err := Encode(io.Discard, abi.State{Value: maps}); err != nil {
		t.Fatal(err)
	}
	if per := (allocated() - before) / n; per > 700 {
		t.Errorf("%d bytes for each map", per)
	}
}
