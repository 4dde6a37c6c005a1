package sohost

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// hollow is a file that begins like an image and has nothing more.
func hollow() []byte {
	h := elf.Header64{Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, h)
	return b.Bytes()
}

// lines collects a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// until waits until the status of a host is as wanted.
func until(t *testing.T, h *Host, what string, ok func(Status) bool) {
	t.Helper()
	eventually(t, what, func() bool { return ok(h.StatusBrief()) })
}

// TestIgnored puts files into the plugins directory that are no plugins. Each is told once, and listed until it is gone.
func TestIgnored(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "plugins")
	path := func(name string) string { return filepath.Join(dir, name) }
	err := errors.Join(
		os.Mkdir(dir, 0o755),
		os.WriteFile(filepath.Join(top, "outside"), hollow(), 0o644),
		os.WriteFile(path("secret.so"), []byte("root:x:0:0:"), 0o644),
		os.WriteFile(path("no name.so"), hollow(), 0o644),
		os.WriteFile(path("taken.so"), hollow(), 0o644),
		os.Mkdir(path("folder.so"), 0o755),
		os.Symlink("none", path("nowhere.so")),
		os.Symlink("loop.so", path("loop.so")),
		os.Symlink("../outside", path("away.so")),
	)
	if err != nil {
		t.Fatal(err)
	}
	var log lines
	h := testHost(t, Options{Dir: dir, Settle: time.Millisecond, Logger: slog.New(slog.NewTextHandler(&log, nil)), Plugins: []Plugin{
		{Name: "other", Image: filepath.Join(dir, "none"), Routes: []string{"/taken"}},
	}})
	want := map[string]string{
		"secret.so": "not an ELF file", "no name.so": "invalid plugin name", "taken.so": "plugin other has its route", "folder.so": "a directory",
		"nowhere.so": "a link that leads nowhere: to none", "loop.so": "a loop of links", "away.so": "outside of the plugins directory",
	}
	for round := range 5 {
		for _, f := range h.StatusBrief().Ignored {
			if name := filepath.Base(f.File); want[name] == "" || !strings.Contains(f.Why, want[name]) || strings.Contains(f.Why, "root") {
				t.Errorf("ignored: %+v", f)
			}
		}
		if got := len(h.StatusBrief().Ignored); got != len(want) {
			t.Fatalf("round %d: %d files are ignored, want %d", round, got, len(want))
		}
		// A look at the directory finds the new plugin, and the others once more.
		name := "new" + string(rune('0'+round))
		if err := errors.Join(os.WriteFile(path(name), hollow(), 0o644), os.Rename(path(name), path(name+".so"))); err != nil {
			t.Fatal(err) // whole from the first moment: half a file would be one more that is no plugin
		}
		until(t, h, "a new file", func(s Status) bool { return len(s.Plugins) == round+2 })
	}
	if n := log.count("file is no plugin"); n != len(want) {
		t.Errorf("%d warnings about %d files", n, len(want))
	}
	if log.count("root:x") > 0 {
		t.Error("the log quotes a file")
	}
	for name := range want {
		if err := os.RemoveAll(path(name)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, h, "all are gone", func(s Status) bool { return len(s.Ignored) == 0 })
	until(t, h, "the new ones are refused", func(s Status) bool { return s.Plugins[0].Refused != nil })
	until(t, h, "the refused ones leave the store", func(s Status) bool {
		objects, err := os.ReadDir(filepath.Join(s.Store, "objects"))
		return err == nil && len(objects) == 0
	})
	for range 5 { // what never served is forgotten with its file
		there := h.StatusBrief().Plugins
		if err := os.Remove(path(there[0].Name + ".so")); err != nil {
			t.Fatal(err)
		}
		until(t, h, "a file is gone", func(s Status) bool { return len(s.Plugins) < len(there) })
	}
	if _, err := h.Deploy(t.Context(), map[string]string{"new0": ""}); !errors.Is(err, ErrUnknownPlugin) {
		t.Errorf("a deploy of a forgotten plugin: %v", err)
	}
}

// TestForgetBesideHandover takes a plugin's file away while something else owns the plugin. It is forgotten once that is over, and until then
// waits with the lock that a handover takes before it owns the plugins: the other way round both would wait for each other.
func TestForgetBesideHandover(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.so")
	if err := os.WriteFile(file, hollow(), 0o644); err != nil {
		t.Fatal(err)
	}
	h := testHost(t, Options{Dir: dir, Settle: time.Millisecond})
	p := h.plugins()[0]
	<-p.owner
	disown := sync.OnceFunc(p.disown)
	defer disown()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is about to be forgotten", func() bool {
		free := h.adding.TryLock()
		if free {
			h.adding.Unlock()
		}
		return !free
	})
	disown()
	<-p.forgotten
}

func TestOutsideLinks(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "x")
	if err := errors.Join(os.WriteFile(file, hollow(), 0o644), os.Symlink(file, filepath.Join(dir, "x.so"))); err != nil {
		t.Fatal(err)
	}
	if s := testHost(t, Options{Dir: dir}).StatusBrief(); len(s.Plugins) != 0 || len(s.Ignored) != 1 {
		t.Errorf("a link out of the directory: %+v", s)
	}
	if s := testHost(t, Options{Dir: dir, OutsideLinks: true}).StatusBrief(); len(s.Plugins) != 1 || len(s.Ignored) != 0 {
		t.Errorf("with outside links: %+v", s)
	}
	// A link that comes to lead out of the directory makes no plugin of it go there.
	if s := testHost(t, Options{Plugins: []Plugin{{Name: "x", Image: filepath.Join(dir, "x.so")}}}).StatusBrief(); s.Plugins[0].Refused == nil ||
		strings.Contains(s.Plugins[0].Refused.Message, "outside") {
		t.Errorf("a link that the configuration names: %+v", s.Plugins[0].Refused)
	}
}

// TestOthersWrite loads an image that everyone may write to.
func TestOthersWrite(t *testing.T) {
	for _, test := range []struct {
		mode    Mode
		any     bool
		refused bool
	}{{Prod, false, true}, {Prod, true, false}, {Dev, false, false}} {
		w := newWorld(t)
		if err := os.Chmod(w.file("a", "a1"), 0o666); err != nil {
			t.Fatal(err)
		}
		o := w.options("a")
		o.AnyOwner, o.Plugins[0].Mode = test.any, test.mode
		r := w.host(o)
		s := r.pluginStatus("a")
		if s.Generation.IsZero() != test.refused || (s.Others == "") != test.any || test.refused != (s.Refused != nil) {
			t.Errorf("%+v: the status is %+v", test, s)
		}
		if test.refused {
			if !errors.Is(s.Refused, ErrOthersWrite) || s.Refused.Phase != PhaseCheck || !strings.Contains(s.Refused.Message, "everyone may write to the file") {
				t.Errorf("refused: %v", s.Refused)
			}
			if err := os.Chmod(s.Image, 0o644); err != nil {
				t.Fatal(err)
			}
			r.mustDeploy("a1")
		}
		if warned := w.logged("others may change the image"); !warned && !test.any {
			t.Errorf("%+v: there is no warning", test)
		}
	}
}
