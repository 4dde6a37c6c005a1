package generations

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestAddStoresBytes(t *testing.T) {
	s := newStore(t)
	big := bytes.Repeat([]byte("0123456789abcdef"), (2*chunk+100)/16)
	path := filepath.Join(t.TempDir(), "big.so")
	for _, content := range [][]byte{big, []byte("small"), {}} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		o, err := s.Add(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(o.Path); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes were stored as %d others, %v", len(content), len(got), err)
		}
		if o.ID != idOf(string(content)) || o.Size != int64(len(content)) || o.Existed {
			t.Errorf("Add = %+v", o)
		}
	}
	checkStore(t, s)
}

func TestAddSameContent(t *testing.T) {
	s := newStore(t)
	first := add(t, s, "x")
	inode := stat(t, first.Path)
	second := add(t, s, "x")
	if !second.Existed || second.ID != first.ID {
		t.Errorf("second Add = %+v, want the first one's object", second)
	}
	if !os.SameFile(inode, stat(t, first.Path)) {
		t.Error("the object was written again, though it may be mapped")
	}
	checkStore(t, s)
}

func TestAddReplacesDamagedObject(t *testing.T) {
	for name, damage := range map[string][]byte{"other bytes": []byte("Image of x"), "cut off": []byte("image"), "empty": {}} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t)
			o := add(t, s, "x")
			os.Chmod(o.Path, 0o755)
			if err := os.WriteFile(o.Path, damage, 0); err != nil {
				t.Fatal(err)
			}
			err := s.Verify(t.Context(), o.ID)
			wantIs(t, err, ErrDamaged)
			if again := add(t, s, "x"); again.Existed {
				t.Error("a damaged object was re-used")
			}
			checkStore(t, s)
		})
	}
}

func TestAddLogsDamage(t *testing.T) {
	s, log := loggedStore(t)
	o := add(t, s, "x")
	if add(t, s, "x"); log.Len() > 0 {
		t.Errorf("an image that is whole: %s", log)
	}
	if err := errors.Join(os.Chmod(o.Path, 0o755), os.WriteFile(o.Path, []byte("Image of x"), 0)); err != nil {
		t.Fatal(err)
	}
	if add(t, s, "x"); !strings.Contains(log.String(), ErrDamaged.Error()) {
		t.Errorf("a damaged image: %q", log)
	}
	log.Reset()
	s.disk.read = func(f *os.File, p []byte) (int, error) {
		if f.Name() == o.Path {
			return 0, errInjected
		}
		return f.Read(p)
	}
	if o := add(t, s, "x"); o.Existed || log.Len() > 0 {
		t.Errorf("an image that can't be read: re-used %v, log: %s", o.Existed, log)
	}
}

func TestAddRefusesWhatIsNoFile(t *testing.T) {
	s := newStore(t)
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(fifo, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, fifo, link, socket, "/dev/zero"} {
		_, err := s.Add(t.Context(), path)
		wantIs(t, err, ErrNotRegular)
		var typed *NotRegularError
		if !errors.As(err, &typed) || typed.Path != path {
			t.Errorf("Add(%s) = %v", path, err)
		}
	}
	// Between the question and the answer a file may become a FIFO without writer, on which a plain open would hang.
	s.disk.stat = func(string) (fs.FileInfo, error) { return os.Stat(source(t, "file")) }
	_, err = s.Add(t.Context(), fifo)
	wantIs(t, err, ErrNotRegular)
	s.disk.stat = os.Stat
	checkStore(t, s)
}

// TestAddJudgesTheHead: nothing stays of a file that isn't accepted, and no error quotes it.
func TestAddJudgesTheHead(t *testing.T) {
	refused := errors.New("no image")
	var shown []string
	s, err := OpenStore(t.TempDir(), StoreOptions{Log: quiet.Log, Accept: func(head []byte) error {
		shown = append(shown, string(head))
		if !bytes.HasPrefix(head, []byte("image")) {
			return refused
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.disk.write = func(*os.File, []byte) (int, error) { t.Error("it is copied"); return 0, errors.New("full") }
	s.disk.createTemp = func(string, string) (*os.File, error) { t.Error("a file is made"); return nil, errors.New("full") }
	path := filepath.Join(t.TempDir(), "shadow")
	secret := "root:secret:" + strings.Repeat("x", 100)
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.Add(t.Context(), path)
	wantIs(t, err, refused)
	if strings.Contains(err.Error(), "root") || len(shown) != 1 || shown[0] != secret[:HeadSize] {
		t.Errorf("error %v, shown %q", err, shown)
	}
	checkStore(t, s)
	s.disk = realDisk()
	add(t, s, "x")
}

// TestAddRefusesMadeUpFiles: files of /proc and /sys never have the size that they say. They are no files that change.
func TestAddRefusesMadeUpFiles(t *testing.T) {
	s := newStore(t)
	for _, path := range []string{"/proc/self/status", "/proc/cpuinfo", "/sys/kernel/mm/transparent_hugepage/enabled"} {
		fi, err := os.Stat(path)
		if err != nil { // not every kernel has it
			continue
		}
		_, err = s.Add(t.Context(), path)
		wantIs(t, err, ErrNotRegular)
		if errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), fmt.Sprintf("it says that it has %d bytes", fi.Size())) {
			t.Errorf("Add(%s) = %v", path, err)
		}
	}
	checkStore(t, s)
}

// TestStoreIsPrivate: nobody but its user can look into a store.
func TestStoreIsPrivate(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	s, err := OpenStore(filepath.Join(t.TempDir(), "new", "store"), quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	o := add(t, s, "x")
	publish(t, s, map[string]ID{"x": o.ID})
	if err := errors.Join(s.Quarantine(Quarantine{Image: o.ID}), s.AppendEvent(Event{Kind: KindBoot})); err != nil {
		t.Fatal(err)
	}
	n := 0
	err = filepath.WalkDir(s.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type() == fs.ModeSymlink {
			return err
		}
		n++
		if fi, err := d.Info(); err != nil || fi.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v, %v", path, fi.Mode(), err)
		}
		return nil
	})
	if err != nil || n < 8 {
		t.Errorf("%d files and folders, %v", n, err)
	}
}

func TestAddRefusesTooLarge(t *testing.T) {
	s, err := OpenStore(t.TempDir(), StoreOptions{MaxObject: 100, Log: quiet.Log})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(t.TempDir(), "x")
	for size, want := range map[int64]error{100: nil, 101: ErrTooLarge, 1 << 40: ErrTooLarge} {
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Truncate(path, size)); err != nil {
			t.Fatal(err)
		}
		_, err := s.Add(t.Context(), path)
		if !errors.Is(err, want) {
			t.Errorf("Add of %d bytes = %v, want %v", size, err, want)
		}
	}
}

// While the file is read something happens to it. Each case must be told, and leave nothing behind.
func TestAddSeesChange(t *testing.T) {
	cases := map[string]struct {
		change func(path string) error
		want   error
		says   [2]string // when it changes before the first read, and after the last
	}{
		"vanishes": {os.Remove, fs.ErrNotExist, [2]string{"no such file", "no such file"}},
		"grows": {
			func(p string) error { return os.WriteFile(p, []byte("image of x, and more"), 0o644) }, ErrChanged,
			[2]string{"its size was 10 bytes, then more", "its size was 10 bytes, then 20"},
		},
		"shrinks": {
			func(p string) error { return os.Truncate(p, 3) }, ErrChanged,
			[2]string{"its size was 10 bytes, then 3", "its size was 10 bytes, then 3"},
		},
		"written over, times set back": {func(p string) error {
			fi, err := os.Stat(p)
			return errors.Join(err, os.WriteFile(p, []byte("image of y"), 0o644), os.Chtimes(p, fi.ModTime(), fi.ModTime()))
		}, ErrChanged, [2]string{"its attributes", "its attributes"}},
		"written over": {func(p string) error {
			later := time.Now().Add(time.Hour) // whatever the clock of the filesystem
			return errors.Join(os.WriteFile(p, []byte("image of y"), 0o644), os.Chtimes(p, later, later))
		}, ErrChanged, [2]string{"it was written to", "it was written to"}},
		"replaced": {func(p string) error {
			return errors.Join(os.WriteFile(p+"2", []byte("image of y"), 0o644), os.Rename(p+"2", p))
		}, ErrChanged, [2]string{"another file", "another file"}},
		"replaced by a directory": {
			func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o755)) }, ErrChanged,
			[2]string{"another file", "another file"},
		},
	}
	for name, c := range cases {
		// Before the first read, and after the last.
		for i, late := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				s := newStore(t)
				path := source(t, "x")
				changed := false
				s.disk.clone = func(_, _ *os.File) error { return unix.EOPNOTSUPP }
				s.disk.read = func(f *os.File, p []byte) (int, error) {
					n := 0
					var err error
					if late {
						n, err = f.Read(p)
					}
					if !changed && (!late || err != nil) {
						changed = true
						if err := c.change(path); err != nil {
							t.Error(err)
						}
					}
					if !late {
						n, err = f.Read(p)
					}
					return n, err
				}
				_, err := s.Add(t.Context(), path)
				wantIs(t, err, c.want)
				if err != nil && !strings.Contains(err.Error(), c.says[i]) {
					t.Errorf("error %q, want %q in it", err, c.says[i])
				}
				s.disk.read = (*os.File).Read
				checkStore(t, s)
				if objects, _ := s.list(); len(objects) > 0 {
					t.Errorf("stored %v", objects)
				}
			})
		}
	}
}

// What is hashed must be what is stored, also when the source changes after it was cloned.
func TestAddHashesTheClone(t *testing.T) {
	s := newStore(t)
	path := source(t, "x")
	s.disk.clone = func(dst, src *os.File) error {
		if _, err := dst.WriteAt([]byte("image of y"), 0); err != nil {
			return err
		}
		return nil
	}
	o, err := s.Add(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if o.ID != idOf("image of y") {
		t.Errorf("id is %s, want the hash of the stored bytes", o.ID.Short())
	}
	checkStore(t, s)
}

func TestAddStopsWithContext(t *testing.T) {
	s := newStore(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("superseded by a newer image")
	s.disk.read = func(f *os.File, p []byte) (int, error) {
		cancel(reason)
		return f.Read(p[:1])
	}
	_, err := s.Add(ctx, source(t, "x"))
	wantIs(t, err, reason)
	s.disk.read = (*os.File).Read
	checkStore(t, s)
}

// An image that is there already may be pruned while it is being read.
func TestAddRacesPrune(t *testing.T) {
	s := newStore(t)
	o := add(t, s, "x")
	read := s.disk.read
	s.disk.read = func(f *os.File, p []byte) (int, error) {
		n, err := read(f, p)
		if f.Name() == o.Path && err != nil { // its end
			if _, err := s.Prune(PruneOptions{}); err != nil {
				t.Error(err)
			}
		}
		return n, err
	}
	_, err := s.Add(t.Context(), source(t, "x"))
	wantIs(t, err, ErrNotStored)
	s.disk.read = read
	add(t, s, "x")
	checkStore(t, s)
}

func TestAddConcurrently(t *testing.T) {
	s := newStore(t)
	paths := []string{source(t, "a"), source(t, "b"), source(t, "c")}
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			if _, err := s.Add(t.Context(), paths[i%len(paths)]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if objects, err := s.list(); err != nil || len(objects) != len(paths) {
		t.Errorf("%d objects, %v; want %d", len(objects), err, len(paths))
	}
	checkStore(t, s)
}

func TestObject(t *testing.T) {
	s := newStore(t)
	o := add(t, s, "x")
	o.Existed = false
	if got, err := s.Object(o.ID); err != nil || got != o {
		t.Errorf("Object = %+v, %v; want %+v", got, err, o)
	}
	_, err := s.Object(idOf("unknown"))
	wantIs(t, err, ErrNotStored)
}

func stat(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi
}

// TestAddSoon: the bytes are durable before the image has its name, and the name once settle has returned.
func TestAddSoon(t *testing.T) {
	s := newStore(t)
	var synced []string
	fails := true
	s.disk.sync = func(f *os.File) error {
		synced = append(synced, strings.TrimPrefix(f.Name(), s.Dir()))
		if f.Name() == s.objects() && fails {
			return errInjected
		}
		return nil
	}
	path := source(t, "x")
	o, settle, err := s.AddSoon(t.Context(), path, func(ID) {})
	if err != nil || len(synced) != 1 || !strings.HasPrefix(synced[0], "/objects/.image") {
		t.Fatalf("synced %v, %v", synced, err)
	}
	if got, err := os.ReadFile(o.Path); err != nil || idOf(string(got)) != o.ID {
		t.Errorf("it isn't in place: %q, %v", got, err)
	}
	wantIs(t, settle(), errInjected)
	if len(synced) != 2 || synced[1] != "/objects" {
		t.Errorf("synced %v", synced)
	}
	_, err = s.Add(t.Context(), path)
	wantIs(t, err, errInjected)
	fails = false
	if o, err := s.Add(t.Context(), path); err != nil || !o.Existed || len(synced) != 4 {
		t.Errorf("Add = %+v, %v, synced %v", o, err, synced)
	}
	checkStore(t, s)
}
