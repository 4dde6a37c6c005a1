package native

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"testing"
)

// TestOpenInspected opens images that were inspected before: one that is as it was, and one that was written to meanwhile.
func TestOpenInspected(t *testing.T) {
	child(t, func(t *testing.T) {
		same := func(a, b *Info) bool {
			return reflect.ValueOf(a.Packages).Pointer() == reflect.ValueOf(b.Packages).Pointer()
		}
		info, err := InspectFile(image("alpha"))
		if err != nil {
			t.Fatal(err)
		}
		takes := len(info.Takes)
		if im := mustOpen(t, image("alpha")); !same(im.Info(), info) {
			t.Error("an image was read twice")
		} else if len(info.Takes) != takes {
			t.Error("the facts have changed")
		}

		file := copyFile(t, image("beta"), unchanged)
		if _, err := InspectFile(file); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, make([]byte, st.Size()), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, st.ModTime(), st.ModTime()); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), file); !errors.Is(err, ErrNotELF) {
			t.Errorf("a file that was written to after it was inspected: %v", err)
		}

		first, err := InspectFile(image("first"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := InspectFile(image("second")); err != nil {
			t.Fatal(err)
		}
		if im := mustOpen(t, image("first")); same(im.Info(), first) {
			t.Error("more is remembered than the last")
		}
	})
}

// TestOpenJudged opens an image with facts that have come from another process, as JSON.
func TestOpenJudged(t *testing.T) {
	child(t, func(t *testing.T) {
		for _, name := range []string{"alpha", "first"} {
			info, err := InspectFile(image(name))
			if err != nil {
				t.Fatal(err)
			}
			if Inspected(image(name)) != info {
				t.Errorf("%s isn't the one that was inspected last", name)
			}
			want := *info
			want.Takes = nil
			b, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			var facts Info
			if err := json.Unmarshal(b, &facts); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(facts, want) {
				t.Errorf("%s: as JSON the facts are %+v, not %+v", name, facts, want)
			}
			im, err := OpenJudged(t.Context(), image(name), &facts)
			if err != nil {
				t.Fatal(err)
			}
			if im.Info().PluginPath != info.PluginPath || mustOpen(t, image(name)) != im {
				t.Errorf("%s is %+v, or was opened again", name, im.Info())
			}
		}
		if Inspected(image("alpha")) != nil {
			t.Error("more is remembered than the last")
		}
		if _, err := OpenJudged(t.Context(), image("no such image"), &Info{}); !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		if err := Poisoned(); err != nil {
			t.Error(err)
		}
	})
}
