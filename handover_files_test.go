package sohost

import (
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/watch"
)

// TestNoteFiles has files that were too young for a signature when they were read. The taker need not read those again that still have
// the image, once they have a signature.
func TestNoteFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	young := func(name, image string, mode Mode, read generations.ID) *plugin {
		return &plugin{Plugin: Plugin{Name: name, Image: w.file(name, image), Mode: mode}, fileImage: read}
	}
	a1, b1 := w.imageID("a1"), w.imageID("b1")
	same, changed, onCommand := young("a", "a1", Dev, a1), young("b", "b2", Dev, b1), young("c", "a1", Prod, a1)
	never := young("d", "a1", Dev, generations.ID{})
	known := young("e", "a1", Dev, a1)
	known.fileSeen = "before"
	gone := &plugin{Plugin: Plugin{Name: "f", Image: w.dir + "/f.so", Mode: Dev}, fileImage: a1}
	g := &giver{plugins: []*plugin{same, changed, onCommand, never, known, gone}}
	if g.noteFiles(); same.fileSeen != "" && watch.Signature(same.Image) == "" {
		t.Errorf("a file that is too young for a signature has %q", same.fileSeen)
	}
	for begin := time.Now(); watch.Signature(never.Image) == ""; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatal("the files have no signature after a minute")
		}
	}
	g.noteFiles()
	for p, want := range map[*plugin]string{
		same: watch.Signature(same.Image), changed: "", onCommand: "", never: "", known: "before", gone: "",
	} {
		if p.fileSeen != want {
			t.Errorf("the file of %s was seen as %q, want %q", p.Name, p.fileSeen, want)
		}
	}
	if same.fileSeen == "" {
		t.Error("the taker would read a file again that is the same")
	}
}
