package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/state"
)

// TestPositions writes checkpoints with positions and without. Each restore gives the state and what belongs to it, also if the last
// checkpoint is corrupt; one whose positions are damaged is corrupt.
func TestPositions(t *testing.T) {
	d := newDir(t)
	write := func(n int, at Positions) {
		s := abi.State{Schema: "s", Version: 1, Value: &n}
		encode := func(w io.Writer) error { return state.Encode(w, s) }
		if _, err := d.Write("p", s, at, encode, func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err }); err != nil {
			t.Fatal(err)
		}
	}
	restore := func(from From, want int, at Positions) {
		t.Helper()
		var got abi.State
		r, err := d.Restore("p", abi.State{Schema: "s", Version: 1}, time.Now(), func(r io.Reader) (err error) {
			got, _, err = state.Decode(r, reflect.TypeFor[*int](), state.DecodeOptions{})
			return err
		})
		if err != nil || r.From != from || !reflect.DeepEqual(r.At, at) {
			t.Fatalf("restored %+v, %v; want %v at %v", r, err, from, at)
		}
		if n := *got.Value.(*int); n != want {
			t.Errorf("the state is %d, want %d", n, want)
		}
	}
	write(1, nil)
	restore(Last, 1, nil)
	write(2, Positions{"write-cpu": 7 << 36, "write-all": 1})
	restore(Last, 2, Positions{"write-cpu": 7 << 36, "write-all": 1})
	write(3, Positions{"write-cpu": 8 << 36})

	file := d.folder.Path("p.cbor")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	begin := bytes.LastIndex(whole, []byte(`{"write-cpu"`))
	for at := begin; at < len(whole)-len(positionsMark); at++ { // the mark's damage leaves bytes after the state, which are corrupt as well
		damaged := bytes.Clone(whole)
		damaged[at] ^= 0x40
		if _, _, err := Split(bytes.NewReader(damaged), int64(len(damaged))); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("byte %d is damaged: %v", at, err)
		}
	}
	whole[begin] ^= 0x40
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	restore(Before, 2, Positions{"write-cpu": 7 << 36, "write-all": 1})
}
