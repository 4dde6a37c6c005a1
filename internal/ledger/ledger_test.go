package ledger

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
)

// book is a ledger of a real store, whose images contain nothing but their names.
type book struct {
	*Ledger
	t   *testing.T
	log strings.Builder
	ids map[string]generations.ID
}

func newBook(t *testing.T, o Options) *book {
	t.Helper()
	store, err := generations.OpenStore(filepath.Join(t.TempDir(), "store"), generations.StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	b := &book{t: t, ids: map[string]generations.ID{}}
	o.Logger = slog.New(slog.NewTextHandler(&b.log, nil))
	if b.Ledger, err = Open(store, o); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *book) file(name string) string {
	b.t.Helper()
	file := filepath.Join(b.t.TempDir(), name)
	if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return file
}

// image stores an image without pinning it.
func (b *book) image(name string) generations.ID {
	b.t.Helper()
	if id, known := b.ids[name]; known {
		if _, err := b.store.Object(id); err == nil {
			return id
		}
	}
	o, err := b.store.Add(b.t.Context(), b.file(name))
	if err != nil {
		b.t.Fatal(err)
	}
	b.ids[name] = o.ID
	return o.ID
}

// entries returns entries for images, whose first letter is their plugin: "a1 b1".
func (b *book) entries(images string) map[string]generations.Entry {
	b.t.Helper()
	entries := map[string]generations.Entry{}
	for _, name := range strings.Fields(images) {
		entries[name[:1]] = generations.Entry{Image: b.image(name), Source: name}
	}
	return entries
}

func ignored(int, time.Duration) {}

func (b *book) publish(images string) int {
	b.t.Helper()
	n, err := b.Publish("test", 0, b.entries(images), ignored)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

func (b *book) rollback(to int, images string) int {
	b.t.Helper()
	n, err := b.Publish("rollback", to, b.entries(images), ignored)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// names returns the images of a release.
func (b *book) names(r generations.Release) string {
	var names []string
	for _, e := range r.Plugins {
		names = append(names, e.Source)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// stored returns the images that the store has.
func (b *book) stored() string {
	var names []string
	for name, id := range b.ids {
		if _, err := b.store.Object(id); err == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func (b *book) published() bool {
	select {
	case <-b.Published():
		return true
	default:
		return false
	}
}

func TestPublish(t *testing.T) {
	b := newBook(t, Options{Keep: -1})
	if r := b.Current(); r.Number != 0 || len(b.Entries()) != 0 {
		t.Errorf("an empty store has release %d", r.Number)
	}
	if n := b.publish(""); n != 0 || b.published() {
		t.Errorf("nothing became release %d", n)
	}
	if n := b.publish("a1"); n != 1 || !b.published() || b.published() {
		t.Errorf("the first is release %d", n)
	}
	if n := b.publish("b1"); n != 2 || b.names(b.Current()) != "a1 b1" {
		t.Errorf("release %d is %s", n, b.names(b.Current()))
	}
	b.publish("c1")
	if !b.published() || b.published() {
		t.Error("two publications are more than one message")
	}
	if n := b.publish("a1"); n != 3 || !b.published() {
		t.Errorf("what is there already became release %d", n)
	}
	if n := b.publish(""); n != 3 || b.published() {
		t.Errorf("nothing became release %d", n)
	}
	on, err := b.store.Current()
	if err != nil || on.Number != 3 || on.Cause != "test" {
		t.Errorf("on disk is %+v, %v", on.Manifest, err)
	}
	b.rollback(2, "a2")
	if r := b.Current(); r.RollbackOf != 2 || r.Cause != "rollback" {
		t.Errorf("a rollback is %+v", r.Manifest)
	}

	again, err := Open(b.store, b.opts)
	if err != nil || again.Current().Number != 4 || b.names(generations.Release{Manifest: generations.Manifest{Plugins: again.Entries()}}) != "a2 b1 c1" {
		t.Errorf("opened again it is release %d, %v", again.Current().Number, err)
	}
}

// TestEntriesAreCopies changes maps that were returned or passed, and checks that the ledger doesn't change.
func TestEntriesAreCopies(t *testing.T) {
	b := newBook(t, Options{})
	given := b.entries("a1")
	b.SetEntries(given)
	given["x"] = generations.Entry{}
	b.Entries()["y"] = generations.Entry{}
	if n := len(b.Entries()); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
	b.SetEntries(nil)
	if b.publish("a1") != 1 { // would panic on a nil map
		t.Error("no release 1")
	}
}

// TestPublishFails fails to publish: the current release stays, and the next one has what could not be published.
func TestPublishFails(t *testing.T) {
	b := newBook(t, Options{})
	b.publish("a1")
	b.published()
	b.image("a2")
	if err := os.Remove(filepath.Join(b.store.Dir(), "objects", b.ids["a2"].String()+".so")); err != nil {
		t.Fatal(err)
	}
	n, err := b.Publish("test", 0, map[string]generations.Entry{"a": {Image: b.ids["a2"], Source: "a2"}}, ignored)
	if err == nil || n != 1 || b.Current().Number != 1 || b.published() {
		t.Errorf("published %d, %v", n, err)
	}
	b.image("a2")
	if n := b.publish("b1"); n != 2 || b.names(b.Current()) != "a2 b1" {
		t.Errorf("release %d is %s", n, b.names(b.Current()))
	}
}

func TestPrune(t *testing.T) {
	var opened []string
	b := newBook(t, Options{Keep: 2, Mapped: func() []string { return opened }})
	for _, image := range []string{"a1", "a2", "a3", "a4"} {
		b.publish(image)
	}
	if b.stored() != "a3 a4" {
		t.Errorf("a store that keeps 2 releases has %s", b.stored())
	}
	o, err := b.Add(t.Context(), b.file("pinned"))
	if err != nil {
		t.Fatal(err)
	}
	b.ids["pinned"] = o.ID
	opened = []string{"/elsewhere/" + b.image("opened").String() + ".so"}
	b.image("loose")
	if r, err := b.Prune(generations.PruneOptions{DryRun: true}); err != nil || len(r.Objects) != 1 || len(r.Releases) != 0 {
		t.Errorf("a dry run reports %+v, %v", r, err)
	}
	if b.stored() != "a3 a4 loose opened pinned" {
		t.Errorf("after a dry run it has %s", b.stored())
	}
	if _, err := b.Prune(generations.PruneOptions{}); err != nil || b.stored() != "a3 a4 opened pinned" {
		t.Errorf("pruned it has %s, %v", b.stored(), err)
	}
	if _, err := b.Prune(generations.PruneOptions{Keep: 1}); err != nil || b.stored() != "a4 opened pinned" {
		t.Errorf("pruned to 1 it has %s, %v", b.stored(), err)
	}
	b.Unpin(o.ID)
	opened = nil
	if _, err := b.Prune(generations.PruneOptions{}); err != nil || b.stored() != "a4" {
		t.Errorf("with nothing needed it has %s, %v", b.stored(), err)
	}
}

// TestKeepAll keeps all releases: publications prune nothing, and neither does a prune that doesn't say how many stay.
func TestKeepAll(t *testing.T) {
	b := newBook(t, Options{Keep: -1})
	want := ""
	for i := range 15 {
		name := "a" + string(rune('a'+i))
		b.publish(name)
		want += " " + name
	}
	for _, keep := range []int{0, -1} {
		if _, err := b.Prune(generations.PruneOptions{Keep: keep}); err != nil || b.stored() != want[1:] {
			t.Errorf("%d: has %s, %v; want %s", keep, b.stored(), err, want)
		}
	}
	if _, err := b.Prune(generations.PruneOptions{Keep: 3}); err != nil || b.stored() != "am an ao" {
		t.Errorf("pruned to 3 it has %s, %v", b.stored(), err)
	}
}

// TestPruneFails fails to prune after a publication, which succeeds all the same: only the log says so.
func TestPruneFails(t *testing.T) {
	b := newBook(t, Options{Keep: 1})
	b.publish("a1")
	if err := b.store.Confirm(1); err != nil {
		t.Fatal(err)
	}
	confirmed := filepath.Join(b.store.Dir(), "confirmed")
	if err := os.Remove(confirmed); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(confirmed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if b.log.Len() > 0 {
		t.Fatalf("the log has %s", &b.log)
	}
	if n := b.publish("a2"); n != 2 || !strings.Contains(b.log.String(), "prune store") {
		t.Errorf("release %d; the log has %s", n, &b.log)
	}
}

// TestSlowAdd stores an image from a file that arrives slowly, as over a network. Nothing else waits for it (a
// publication with its prune once did). And the image is there at the end, though no release has named it meanwhile and
// the store had it before.
func TestSlowAdd(t *testing.T) {
	b := newBook(t, Options{Keep: 1})
	b.publish("a1")
	id := b.image("slow")
	begun, goOn := make(chan struct{}), make(chan struct{})
	added := make(chan error, 1)
	var got generations.Object
	ctx := &slowly{Context: t.Context(), begun: begun, goOn: goOn}
	go func() {
		var err error
		got, err = b.Add(ctx, b.file("slow"))
		added <- err
	}()
	<-begun
	b.publish("a2") // prunes
	if b.stored() != "a2" {
		t.Errorf("pruned beside an Add it has %s", b.stored())
	}
	close(goOn)
	if err := <-added; err != nil || got.ID != id {
		t.Fatal(got.ID, err)
	}
	b.publish("a3")
	if b.stored() != "a3 slow" {
		t.Errorf("pruned after the Add it has %s", b.stored())
	}
	b.Unpin(id)
	b.publish("a4")
	if b.stored() != "a4" {
		t.Errorf("unpinned it has %s", b.stored())
	}
}

// TestAddFails fails to store an image, and pins nothing.
func TestAddFails(t *testing.T) {
	b := newBook(t, Options{})
	if _, err := b.Add(t.Context(), filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	id := b.image("a1")
	// The object can't be replaced by a file.
	path := filepath.Join(b.store.Dir(), "objects", id.String()+".so")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Add(t.Context(), b.file("a1")); err == nil {
		t.Fatal("added over a directory")
	}
	if b.pins.has(id) {
		t.Error("an image that could not be added is pinned")
	}
}

func TestConfirm(t *testing.T) {
	b := newBook(t, Options{Keep: -1})
	yes := func(generations.Release) bool { return true }
	if n, err := b.Confirm(yes); n != 0 || err != nil {
		t.Errorf("with no release %d is confirmed, %v", n, err)
	}
	b.publish("a1")
	if n, err := b.Confirm(func(r generations.Release) bool { return r.Number != 1 }); n != 0 || err != nil {
		t.Errorf("a release that doesn't serve is confirmed: %d, %v", n, err)
	}
	if _, err := b.store.Confirmed(); !errors.Is(err, generations.ErrNoRelease) {
		t.Errorf("confirmed is %v", err)
	}
	for _, want := range []int{1, 0} {
		if n, err := b.Confirm(yes); n != want || err != nil {
			t.Errorf("newly confirmed is %d, %v; want %d", n, err, want)
		}
	}
	b.publish("a2")
	if n, err := b.Confirm(yes); n != 2 || err != nil {
		t.Errorf("newly confirmed is %d, %v", n, err)
	}
	// A confirmed release that is broken is replaced; one that can't be read is an error.
	b.publish("a3")
	if err := os.RemoveAll(filepath.Join(b.store.Dir(), "releases", "000002")); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Confirm(yes); n != 3 || err != nil {
		t.Errorf("newly confirmed is %d, %v", n, err)
	}
	b.publish("a4")
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := b.Confirm(yes); n != 0 || err == nil {
		t.Errorf("in a closed store %d is newly confirmed", n)
	}
}

func TestBefore(t *testing.T) {
	b := newBook(t, Options{Keep: -1})
	want := func(want int, plugins ...string) {
		t.Helper()
		if n, err := b.Before(plugins); n != want || err != nil {
			t.Errorf("before release %d for %v is %d, %v; want %d", b.Current().Number, plugins, n, err, want)
		}
	}
	none := func(plugins ...string) {
		t.Helper()
		if n, err := b.Before(plugins); !errors.Is(err, ErrNothingBefore) {
			t.Errorf("before release %d for %v is %d, %v", b.Current().Number, plugins, n, err)
		}
	}
	none("a")
	b.publish("a1 b1") // 1
	none("a", "b")
	b.publish("a2") // 2
	b.publish("b2") // 3
	want(1, "a")
	want(2, "b")
	want(2, "a", "b")
	b.publish("a3")     // 4
	b.rollback(3, "a2") // 5, of a
	want(1, "a")        // further back, and not forward to 4
	want(2, "b")
	b.rollback(1, "a1") // 6, of a
	none("a")
	want(2, "b")
	b.rollback(2, "b1") // 7, of b: irrelevant to a
	none("a")

	if err := os.RemoveAll(filepath.Join(b.store.Dir(), "releases", "000001")); err != nil {
		t.Fatal(err)
	}
	gap := func(what string) {
		t.Helper()
		if n, err := b.Before([]string{"a"}); n != 0 || !errors.Is(err, generations.ErrNoRelease) || !strings.Contains(err.Error(), "--to") {
			t.Errorf("%s: %d, %v", what, n, err)
		}
	}
	gap("the release that was rolled back to is gone")
	b.publish("a9")
	if err := os.RemoveAll(filepath.Join(b.store.Dir(), "releases", "000007")); err != nil {
		t.Fatal(err)
	}
	gap("the release before is gone")
}

// TestBroken opens stores whose current release is broken.
func TestBroken(t *testing.T) {
	b := newBook(t, Options{Keep: -1})
	for _, image := range []string{"a1", "a2", "a3"} {
		b.publish(image)
	}
	opens := func(want int, logged string) {
		t.Helper()
		b.log.Reset()
		again, err := Open(b.store, b.opts)
		if err != nil || again.Current().Number != want || !strings.Contains(b.log.String(), logged) {
			t.Errorf("opened is %d, %v; want %d; the log has %s", again.Current().Number, err, want, &b.log)
		}
		if logged == "" && b.log.Len() > 0 {
			t.Errorf("the log has %s", &b.log)
		}
	}
	opens(3, "")
	if err := os.Remove(filepath.Join(b.store.Dir(), "objects", b.ids["a3"].String()+".so")); err != nil {
		t.Fatal(err)
	}
	opens(2, "newest one that is whole")
	for _, n := range []string{"000001", "000002"} {
		if err := os.RemoveAll(filepath.Join(b.store.Dir(), "releases", n)); err != nil {
			t.Fatal(err)
		}
	}
	opens(0, "no other is whole")
	if err := os.Remove(filepath.Join(b.store.Dir(), "current")); err != nil {
		t.Fatal(err)
	}
	opens(0, "")
}

// TestUnreadable opens a store of which nobody can tell what is current.
func TestUnreadable(t *testing.T) {
	b := newBook(t, Options{})
	b.publish("a1")
	dir := b.store.Dir()
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(b.store, b.opts); err == nil || l != nil {
		t.Errorf("opened %v", l)
	}
}

func TestExclusively(t *testing.T) {
	b := newBook(t, Options{})
	entries := b.entries("a1")
	done := make(chan struct{})
	began := make(chan struct{})
	err := b.Exclusively(func() error {
		go func() {
			close(began)
			b.Publish("test", 0, entries, ignored)
			close(done)
		}()
		<-began
		select {
		case <-done:
			t.Error("published meanwhile")
		default:
		}
		if b.Current().Number != 0 {
			t.Error("published meanwhile")
		}
		return io.EOF
	})
	if err != io.EOF {
		t.Errorf("the error is %v", err)
	}
	<-done
}

func TestNote(t *testing.T) {
	b := newBook(t, Options{})
	b.Note(generations.Event{Kind: generations.KindBoot, Detail: "x"})
	events, err := b.store.History(10)
	if err != nil || len(events) != 1 || events[0].Detail != "x" || events[0].Time.IsZero() {
		t.Errorf("the history is %+v, %v", events, err)
	}
	b.store.Close()
	b.Note(generations.Event{Kind: generations.KindBoot})
	if !strings.Contains(b.log.String(), "write history") {
		t.Errorf("the log has %s", &b.log)
	}
}
