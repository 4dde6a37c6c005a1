package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDraw draws the same picture of the same curves, which is XML and shows every point.
func TestDraw(t *testing.T) {
	var curves []curve
	for _, k := range kinds {
		for _, c := range costs {
			curves = append(curves, curve{k.name, c.name, k.counts, make([]float64, len(k.counts))})
			curves[len(curves)-1].y[1] = 37
		}
	}
	picture := draw(curves)
	if picture != draw(curves) {
		t.Error("two pictures of the same curves differ")
	}
	circles := 0
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "circle" {
			circles++
		}
	}
	want := 0
	for _, c := range curves {
		want += len(c.x)
	}
	if circles != want {
		t.Errorf("%d points, want %d", circles, want)
	}
}

// TestNiceStep finds steps that make four to ten lines.
func TestNiceStep(t *testing.T) {
	for most := 0.001; most < 1e6; most *= 1.3 {
		if lines := most / niceStep(most); lines < 3.99 || lines > 10.01 {
			t.Errorf("%g: steps of %g", most, niceStep(most))
		}
	}
}

// TestSource makes the sources of all plugins, which have the work in them and import nothing of this module but what they serve it
// with.
func TestSource(t *testing.T) {
	b := &builder{dir: ".", out: t.TempDir()}
	for _, c := range contenders {
		if c.plugin == nil {
			continue
		}
		file, err := b.source(c.plugin, 17)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), `"version 0000017"`) || strings.Contains(string(text), workImport) {
			t.Errorf("%s:\n%s", c.name, text)
		}
	}
}

// TestPublish replaces what is between the comments, and nothing where there are none.
func TestPublish(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.md")
	for text, want := range map[string]string{
		"a\n" + begin + "old\n" + end + "z\n": "a\n" + begin + "new\n" + end + "z\n",
		"a\n" + begin + "old\n":               "",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := publish(file, "new\n")
		if got, _ := os.ReadFile(file); err == nil && string(got) != want || err != nil && (want != "" || string(got) != text) {
			t.Errorf("%q: %v", got, err)
		}
	}
}

// TestFigures writes figures as readers want them.
func TestFigures(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{ratio(1), "1.0 ×"}, {ratio(9.97), "10 ×"}, {ratio(31.4), "31 ×"}, {ratio(258), "260 ×"}, {ratio(66123), "66,000 ×"},
		{duration(1.62e-9), "1.6 ns"}, {duration(30e-6), "30 µs"}, {duration(0.0123), "12 ms"}, {duration(1.26), "1.3 s"},
		{kept(figures{"memory": {27 << 10}}), "27 KB"}, {kept(figures{"memory": {-1}}), "0"}, {kept(figures{}), ""},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}
