package sohost

import (
	"testing"
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/watch"
)

// TestNoteSeen has files that were too young for a signature when they were read. The taker need not read those again that still have
// what their plugin serves, once they have a signature.
func TestNoteSeen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r, _ := w.giver("a1", "b1", "c1", "d1", "e1", "f1", "g1")
	g := &giver{host: r.Host, plugins: r.plugins()}
	of := map[string]*plugin{}
	for _, p := range g.plugins {
		if err := p.own(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer p.disown()
		p.Mode, p.fileImage, p.fileSeen = Dev, p.servingID(), ""
		of[p.Name] = p
	}
	w.file("b", "b2") // since it was read
	of["c"].Mode = Prod
	of["d"].fileImage = generations.ID{} // never read
	of["e"].fileSeen = "before"
	of["f"].Image += "gone"
	w.file("g", "g2")
	of["g"].fileImage = w.imageID("g2") // read by a reload that has not come to its end
	if g.noteSeen(); of["a"].fileSeen != "" && watch.Signature(of["a"].Image) == "" {
		t.Errorf("a file that is too young for a signature has %q", of["a"].fileSeen)
	}
	for begin := time.Now(); watch.Signature(of["g"].Image) == ""; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatal("the files have no signature after a minute")
		}
	}
	g.noteSeen()
	want := watch.Signature(of["a"].Image)
	for name, want := range map[string]string{"a": want, "b": "", "c": "", "d": "", "e": "before", "f": "", "g": ""} {
		if got := of[name].fileSeen; got != want {
			t.Errorf("the file of %s was seen as %q, want %q", name, got, want)
		}
	}
	if want == "" {
		t.Error("the taker would read a file again that is the same")
	}
}
