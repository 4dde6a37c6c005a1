package checkpoint

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/state"
)

// aDir is a directory of checkpoints of one plugin, p, whose state is a text.
type aDir struct {
	*Dir
	t *testing.T
}

func newDir(t *testing.T) aDir {
	return aDir{New(newFolder(t, t.TempDir()), slog.New(slog.DiscardHandler)), t}
}

// newFolder returns the folder for checkpoints in a new store.
func newFolder(t *testing.T, store string) *generations.Folder {
	t.Helper()
	lock, err := generations.AcquireLock(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	return lock.Folder(store, "state")
}

func (d aDir) write(version int, text string) {
	d.t.Helper()
	s := abi.State{Schema: "p", Version: version, Value: text}
	if _, err := d.Write("p", s, nil, func(w io.Writer) error { return state.Encode(w, s) }, nil); err != nil {
		d.t.Fatal(err)
	}
}

// files returns the names in the directory.
func (d aDir) files() string {
	d.t.Helper()
	entries, err := os.ReadDir(d.folder.Path(""))
	if err != nil {
		d.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// text reads one of the files.
func (d aDir) text(name string) string {
	d.t.Helper()
	f, err := os.Open(d.folder.Path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	text, err := decode(f, -1)
	if err != nil {
		d.t.Fatal(err)
	}
	return text
}

var errVersion = errors.New("another version")

// decode reads a checkpoint: of that version, or of any if it is negative.
func decode(r io.Reader, version int) (string, error) {
	s, _, err := state.Decode(r, nil, state.DecodeOptions{})
	if err == nil && version >= 0 && s.Version != version {
		return "", fmt.Errorf("%w, %d", errVersion, s.Version)
	}
	text, _ := s.Value.(string)
	return text, err
}

// now is the time at which checkpoints are set aside.
var now = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// restore restores a text of that version.
func (d aDir) restore(version int) (text string, r Restored, err error) {
	r, err = d.Restore("p", abi.State{Schema: "p", Version: version}, now, func(stream io.Reader) (err error) {
		text, err = decode(stream, version)
		return err
	})
	return text, r, err
}

func (d aDir) wantRestored(version int, want string, from From) {
	d.t.Helper()
	text, r, err := d.restore(version)
	if err != nil || text != want || r.From != from {
		d.t.Errorf("restored %q from %d, %v; want %q from %d", text, r.From, err, want, from)
	}
	if from != None && (r.Time.IsZero() || time.Since(r.Time) > time.Hour) {
		d.t.Errorf("written at %v", r.Time)
	}
}

// damage overwrites the middle of a file.
func (d aDir) damage(name string) {
	d.t.Helper()
	file := d.folder.Path(name)
	b, err := os.ReadFile(file)
	if err != nil {
		d.t.Fatal(err)
	}
	b[len(b)/2] ^= 0xff
	if err := os.WriteFile(file, b, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func TestLastAndBefore(t *testing.T) {
	d := newDir(t)
	d.wantRestored(1, "", None)
	d.write(1, "one")
	d.wantRestored(1, "one", Last)
	d.write(1, "two")
	d.write(1, "three")
	if d.files() != "p.cbor p.cbor.1" || d.text("p.cbor") != "three" || d.text("p.cbor.1") != "two" {
		t.Errorf("files are %s", d.files())
	}
	d.wantRestored(1, "three", Last)
	if info, err := os.Stat(d.folder.Path("p.cbor")); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if info, err := os.Stat(d.folder.Path("")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the directory is %v, %v", info.Mode(), err)
	}
}

// TestCorrupt damages the last checkpoint, then the one before: both are kept, under other names.
func TestCorrupt(t *testing.T) {
	d := newDir(t)
	d.write(1, "one")
	d.write(1, "two")
	d.damage("p.cbor")
	d.wantRestored(1, "one", Before)
	if want := "p.cbor.1 p.cbor.corrupt-20240229T120000"; d.files() != want {
		t.Errorf("files are %s, want %s", d.files(), want)
	}
	d.damage("p.cbor.1")
	d.wantRestored(1, "", None)
	if want := "p.cbor.1.corrupt-20240229T120000 p.cbor.corrupt-20240229T120000"; d.files() != want {
		t.Errorf("files are %s, want %s", d.files(), want)
	}
}

// TestNotSetAside can't rename a corrupt checkpoint: to go on would mean that it is overwritten later.
func TestNotSetAside(t *testing.T) {
	d := newDir(t)
	d.write(1, "one")
	d.damage("p.cbor")
	aside := d.folder.Path("p.cbor.corrupt-20240229T120000")
	if err := os.MkdirAll(filepath.Join(aside, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, r, err := d.restore(1); err == nil || r.From != None {
		t.Errorf("restored from %d, %v", r.From, err)
	}
}

// TestVersions goes from version 1 to 2 and back to code that knows only 1.
func TestVersions(t *testing.T) {
	d := newDir(t)
	d.write(1, "one")
	d.write(1, "two")
	d.write(2, "second")
	if want := "p.cbor p.cbor.1 p.cbor.v1"; d.files() != want || d.text("p.cbor.v1") != "two" {
		t.Errorf("files are %s, want %s", d.files(), want)
	}
	d.write(2, "third")
	if d.text("p.cbor.v1") != "two" || d.text("p.cbor.1") != "second" {
		t.Error("a second checkpoint of the same version replaced that of the first version")
	}
	d.wantRestored(1, "two", BeforeVersion)
	if d.text("p.cbor.v2") != "third" {
		t.Error("the newer version isn't kept")
	}
	d.write(1, "four")
	d.wantRestored(1, "four", Last)
	d.wantRestored(2, "third", BeforeVersion)
	d.write(2, "fifth")
	if d.text("p.cbor.v1") != "four" || d.text("p.cbor.v2") != "third" {
		t.Error("the last one of a version isn't the newest")
	}
	if _, _, err := d.restore(3); !errors.Is(err, errVersion) || !strings.Contains(err.Error(), d.folder.Path("p.cbor;")) &&
		!strings.Contains(err.Error(), d.folder.Path("p.cbor:")) {
		t.Errorf("a version that never was: %v", err)
	}
}

// TestNewerFormat restores what a newer program has written in a format of its own, as after a crash in that program's probation. The
// checkpoint stays, and the one before, which lacks what came since, isn't taken instead.
func TestNewerFormat(t *testing.T) {
	d := newDir(t)
	d.write(1, "older")
	d.write(1, "newer")
	file := d.folder.Path("p.cbor")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte("sohost state"))+len("sohost state")]++ // the format
	copy(b[len(b)-4:], binary.BigEndian.AppendUint32(nil, crc32.Checksum(b[:len(b)-5], crc32.MakeTable(crc32.Castagnoli))))
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	files := d.files()
	if _, r, err := d.restore(1); !errors.Is(err, state.ErrRefused) || r.From != None || d.files() != files {
		t.Errorf("restored from %d: %v; %s", r.From, err, d.files())
	}
}

// TestKilledBetween ends a process between the rename of the last checkpoint and the write of a new one. What it left
// is kept as its version's when code of another version writes the next.
func TestKilledBetween(t *testing.T) {
	d := newDir(t)
	d.write(2, "second")
	if err := os.Rename(d.folder.Path("p.cbor"), d.folder.Path("p.cbor.1")); err != nil {
		t.Fatal(err)
	}
	d.write(1, "one")
	d.wantRestored(2, "second", BeforeVersion)
}

// TestStash gives a version's last checkpoint its name at a restore: over what an earlier attempt has left, and if that can't be
// done it stays where it is.
func TestStash(t *testing.T) {
	var log strings.Builder
	for _, blocked := range []bool{false, true} {
		log.Reset()
		d := aDir{New(newFolder(t, t.TempDir()), slog.New(slog.NewTextHandler(&log, nil))), t}
		d.write(1, "one")
		d.write(2, "second")
		left := d.folder.Path("p.cbor.v2.new")
		if err := os.WriteFile(left, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		want := "kept=" + d.folder.Path("p.cbor.v2")
		if blocked {
			os.Remove(left)
			if err := os.MkdirAll(filepath.Join(left, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
			want = "kept=" + d.folder.Path("p.cbor")
		}
		d.wantRestored(1, "one", BeforeVersion)
		if !strings.Contains(log.String(), want+" ") {
			t.Errorf("blocked %v: the log has %s, want %s", blocked, &log, want)
		}
		if d.text("p.cbor") != "second" {
			t.Error("the newer one is gone")
		}
	}
}

// TestCloses leaves no file open.
func TestCloses(t *testing.T) {
	d := newDir(t)
	d.write(1, "one")
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // which would close what is forgotten
	before, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		d.write(2, "two")
		d.write(1, "one")
		d.restore(1)
		d.restore(2)
		d.restore(3)
	}
	after, err := os.ReadDir("/proc/self/fd")
	if err != nil || len(after) > len(before) {
		t.Errorf("%d files are open, before it were %d; %v", len(after), len(before), err)
	}
}

// TestOtherSchema keeps no copy for another schema, and restores nothing of it.
func TestOtherSchema(t *testing.T) {
	d := newDir(t)
	d.write(1, "one")
	s := abi.State{Schema: "other", Version: 2, Value: "x"}
	if _, err := d.Write("p", s, nil, func(w io.Writer) error { return state.Encode(w, s) }, nil); err != nil {
		t.Fatal(err)
	}
	if want := "p.cbor p.cbor.1"; d.files() != want {
		t.Errorf("files are %s, want %s", d.files(), want)
	}
	if err := os.Rename(d.folder.Path("p.cbor.1"), d.folder.Path("p.cbor.v1")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.restore(1); !errors.Is(err, errVersion) {
		t.Errorf("restored in place of another schema's: %v", err)
	}
}

// TestRefusedBefore refuses the last checkpoint, which has the wanted version. The one before isn't tried, because it
// would replace what is newer.
func TestRefusedBefore(t *testing.T) {
	d := newDir(t)
	d.write(1, "one")
	d.write(1, "two")
	refused, calls := errors.New("refused"), 0
	_, err := d.Restore("p", abi.State{Schema: "p", Version: 1}, now, func(io.Reader) error { calls++; return refused })
	if !errors.Is(err, refused) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	notThere := fmt.Errorf("a file of the plugin's own: %w", fs.ErrNotExist)
	if _, err := d.Restore("p", abi.State{}, now, func(io.Reader) error { return notThere }); !errors.Is(err, notThere) {
		t.Errorf("an error of the plugin's counts as a missing checkpoint: %v", err)
	}
	if d.text("p.cbor") != "two" || d.text("p.cbor.1") != "one" || d.files() != "p.cbor p.cbor.1" {
		t.Errorf("files are %s", d.files())
	}
}

// TestUnreadable has checkpoints that can't be opened or aren't files.
func TestUnreadable(t *testing.T) {
	d := newDir(t)
	if err := os.MkdirAll(d.folder.Path(""), 0o700); err != nil {
		t.Fatal(err)
	}
	loop := d.folder.Path("p.cbor")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.restore(1); err == nil {
		t.Error("a checkpoint that can't be opened counts as none")
	}
}

// TestOfAnotherUser has a checkpoint that a server of another user has written: the error says what to do about that.
func TestOfAnotherUser(t *testing.T) {
	d := newDir(t)
	d.write(1, "one")
	_, err := d.Restore("p", abi.State{Schema: "p", Version: 1}, now, func(io.Reader) error { // as when it is opened; root may open all
		return &fs.PathError{Op: "open", Path: "p.cbor", Err: fs.ErrPermission}
	})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "give it to this server's user (chown)") {
		t.Errorf("%v", err)
	}
}

// TestWriteFails fails in each step: what was there before is still there, and the next write succeeds.
func TestWriteFails(t *testing.T) {
	d := newDir(t)
	d.write(1, "one")
	d.write(1, "two")
	s := abi.State{Schema: "p", Version: 1}
	failed := errors.New("disk full")
	_, err := d.Write("p", s, nil, func(io.Writer) error { return failed }, nil)
	if !errors.Is(err, failed) {
		t.Errorf("write gives %v", err)
	}
	if d.wantRestored(1, "two", Last); d.text("p.cbor.1") != "one" {
		t.Error("the one before was replaced all the same")
	}
	d.write(1, "three")
	d.wantRestored(1, "three", Last)

	for _, blocked := range []string{"p.cbor.v1.new/x", "p.cbor.v1/x"} {
		d := newDir(t)
		d.write(1, "one")
		if err := os.MkdirAll(d.folder.Path(blocked), 0o700); err != nil {
			t.Fatal(err)
		}
		s := abi.State{Schema: "p", Version: 2, Value: "x"}
		if _, err := d.Write("p", s, nil, func(w io.Writer) error { return state.Encode(w, s) }, nil); err == nil {
			t.Errorf("%s: the version's last checkpoint was lost", blocked)
		}
		d.wantRestored(1, "one", Last)
	}

	d = newDir(t)
	d.write(1, "one")
	if err := os.MkdirAll(d.folder.Path("p.cbor.1/x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write("p", s, nil, func(w io.Writer) error { return state.Encode(w, s) }, nil); err == nil {
		t.Error("the one before can't be replaced, and nothing is said")
	}
	d.wantRestored(1, "one", Last)

	d = newDir(t)
	if err := os.WriteFile(d.folder.Path(""), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Write("p", s, nil, nil, nil); err == nil {
		t.Error("no directory can be made, and nothing is said")
	}
}

// TestVerify reads a checkpoint while it is written: one that can't be read isn't written.
func TestVerify(t *testing.T) {
	d := newDir(t)
	d.write(1, "one")
	s := abi.State{Schema: "p", Version: 1, Value: strings.Repeat("two", 1<<20)}
	write := func(w io.Writer) error { return state.Encode(w, s) }
	unreadable := errors.New("unreadable")
	for name, verify := range map[string]func(io.Reader) error{
		"at once":  func(io.Reader) error { return unreadable },
		"at last":  func(r io.Reader) error { io.Copy(io.Discard, r); return unreadable },
		"in parts": func(r io.Reader) error { r.Read(make([]byte, 10)); return unreadable },
	} {
		if _, err := d.Write("p", s, nil, write, verify); !errors.Is(err, unreadable) || !strings.Contains(err.Error(), "could not be read again") {
			t.Errorf("%s: %v", name, err)
		}
		d.wantRestored(1, "one", Last)
	}
	failed := errors.New("disk full")
	_, err := d.Write("p", s, nil, func(io.Writer) error { return failed }, func(r io.Reader) error { _, err := io.Copy(io.Discard, r); return err })
	if !errors.Is(err, failed) || strings.Contains(err.Error(), "again") {
		t.Errorf("write gives %v", err)
	}
	read := func(r io.Reader) error { _, err := decode(r, 1); return err }
	if w, err := d.Write("p", s, nil, write, read); err != nil || !w.Verified || w.Bytes < 3<<20 {
		t.Errorf("%+v, %v", w, err)
	}
	d.wantRestored(1, s.Value.(string), Last)
}

// TestLog checks which events an operator is told about.
func TestLog(t *testing.T) {
	var log strings.Builder
	d := aDir{New(newFolder(t, t.TempDir()), slog.New(slog.NewTextHandler(&log, nil))), t}
	told := func() map[string]bool {
		words := map[string]bool{}
		for _, w := range []string{"corrupt", "restored"} {
			words[w] = strings.Contains(log.String(), w)
		}
		log.Reset()
		return words
	}
	d.write(1, "one")
	d.wantRestored(1, "one", Last)
	if w := told(); w["corrupt"] || w["restored"] {
		t.Error("an ordinary restore is logged")
	}
	d.write(2, "two")
	d.wantRestored(1, "one", BeforeVersion)
	if w := told(); !maps.Equal(w, map[string]bool{"corrupt": false, "restored": true}) {
		t.Errorf("the log says %v", slices.Collect(maps.Keys(w)))
	}
	d.damage("p.cbor")
	d.damage("p.cbor.1")
	_, r, err := d.restore(2)
	if err != nil || !strings.Contains(r.Lost, "p.cbor.corrupt-20240229T120000") || !strings.Contains(r.Lost, "p.cbor.1.corrupt-20240229T120000") {
		t.Errorf("restored %+v, %v", r, err)
	}
	if w := told(); !w["corrupt"] {
		t.Error("a corrupt checkpoint isn't logged")
	}
}
