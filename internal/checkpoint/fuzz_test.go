package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/state"
)

// FuzzRestore restores checkpoints with any content. One that can't be read is set aside, and the plugin begins empty.
func FuzzRestore(f *testing.F) {
	var whole bytes.Buffer
	if err := state.Encode(&whole, abi.State{Schema: "s", Version: 1, Value: map[string]int{"a": 1}}); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:whole.Len()/2])
	f.Add([]byte{})
	f.Add([]byte("\xbf\xff"))
	log := slog.New(slog.DiscardHandler)
	f.Fuzz(func(t *testing.T, data []byte) {
		d := New(newFolder(t, t.TempDir()), log)
		file := d.folder.Path("a.cbor")
		if err := os.MkdirAll(d.folder.Path(""), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		d.readHeader("a.cbor")
		r, err := d.Restore("a", abi.State{Schema: "s", Version: 1}, time.Unix(0, 0), func(r io.Reader) error {
			_, err := state.ReadHeader(r)
			return err
		})
		if err != nil && errors.Is(err, state.ErrCorrupt) {
			t.Errorf("a corrupt checkpoint keeps the plugin from starting: %v", err)
		}
		if _, statErr := os.Stat(file); r.From == None && err == nil && statErr == nil {
			t.Error("a checkpoint that was not restored is in the way of the next one")
		}
	})
}
