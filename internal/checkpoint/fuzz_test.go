package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
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

// FuzzKeptName has files with any names beside the checkpoints. Those that Keep makes are found, and no others.
func FuzzKeptName(f *testing.F) {
	for _, name := range []string{"a.cbor.kept-000012-", "a.cbor.kept-+12-", "a.cbor.kept--00012-", "a.cbor.kept-12-", "b.cbor.kept-000012-",
		"a.cbor.kept-99999999999999999999-", "a.cbor.kept-1234567-", "a.cbor", "a.cbor.1", ""} {
		f.Add(name + generations.ID{1, 2}.String())
		f.Add(name + generations.ID{1, 2}.String() + unsureMark)
	}
	f.Fuzz(func(t *testing.T, name string) {
		d := New(newFolder(t, t.TempDir()), slog.New(slog.DiscardHandler))
		if err := os.MkdirAll(d.folder.Path(""), 0o700); err != nil {
			t.Fatal(err)
		}
		if name != filepath.Base(name) || os.WriteFile(d.folder.Path(name), nil, 0o600) != nil {
			return // no name for a file
		}
		all, err := d.Kept("a")
		if err != nil || len(all) > 1 {
			t.Fatalf("%q: %v, %v", name, all, err)
		}
		for _, k := range all {
			if want := k.name("a"); name != want || k.File != d.folder.Path(name) {
				t.Errorf("%q is %+v, which Keep calls %q", name, k, want)
			}
		}
	})
}

// TestRestoreStrange restores a checkpoint that is no file that anybody wrote: it is set aside like any other that can't be read.
func TestRestoreStrange(t *testing.T) {
	for what, put := range map[string]func(file string) error{
		"FIFO":      func(file string) error { return syscall.Mkfifo(file, 0o600) },
		"directory": func(file string) error { return os.Mkdir(file, 0o700) },
	} {
		d := New(newFolder(t, t.TempDir()), slog.New(slog.DiscardHandler))
		if err := errors.Join(os.MkdirAll(d.folder.Path(""), 0o700), put(d.folder.Path("a.cbor"))); err != nil {
			t.Fatal(err)
		}
		r, err := d.Restore("a", abi.State{Schema: "s", Version: 1}, time.Unix(0, 0), func(io.Reader) error { return nil })
		if err != nil || r.From != None || r.Lost == "" {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		s := abi.State{Schema: "s", Version: 1, Value: 7}
		if _, err := d.Write("a", s, nil, func(w io.Writer) error { return state.Encode(w, s) }, nil); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
