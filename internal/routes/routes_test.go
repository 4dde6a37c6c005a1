package routes

import (
	"slices"
	"testing"
)

func table() *Table[string, int] {
	return new(Table[string, int]).With("none", nil, "none").With("a", []string{"/a"}, "a").With("deep", []string{"/a/b/c", "/z"}, "deep")
}

func TestFind(t *testing.T) {
	x := table()
	rooted := x.With("root", []string{"/"}, "root")
	tests := []struct{ path, want string }{
		{"/a", "a"},
		{"/a/", "a"},
		{"/a/b", "a"},
		{"/a/b/c", "deep"},
		{"/a/b/c/d/e", "deep"},
		{"/a/b/cd", "a"},
		{"/ab", "root"},
		{"/z/../a", "a"},
		{"//z", "deep"},
		{"/", "root"},
		{"", "root"},
		{"*", "root"},
	}
	for _, test := range tests {
		if p, _, ok := rooted.Find(test.path); p != test.want || !ok {
			t.Errorf("%q goes to %s, want %s", test.path, p, test.want)
		}
		if p, _, ok := x.Find(test.path); ok == (test.want == "root") {
			t.Errorf("%q, without a route at the root, goes to %v", test.path, p)
		}
	}
	if n := testing.AllocsPerRun(100, func() { rooted.Find("/a/b/c") }); n != 0 {
		t.Errorf("finding a value allocates %v times", n)
	}
}

// TestNote gives a route a note, takes it back, and takes the route away.
func TestNote(t *testing.T) {
	x := table().WithRoute("/a/b", "a", 7)
	if v, note, ok := x.Find("/a/b/x"); v != "a" || note != 7 || !ok {
		t.Errorf("/a/b/x is %q with the note %d, %v", v, note, ok)
	}
	if _, note, _ := x.With("a", []string{"/a/b"}, "a").Find("/a/b"); note != 0 {
		t.Errorf("a plain route has the note %d", note)
	}
	if _, ok := x.Without("", []string{"/a/b"}).At("/a/b"); ok {
		t.Error("the route is still there")
	}
}

func TestTable(t *testing.T) {
	x := table()
	y := x.With("b", []string{"/b"}, "b")
	if want := []string{"a", "b", "deep", "none"}; !slices.Equal(y.Names(), want) || !slices.Equal(y.All(), want) {
		t.Errorf("names %v, values %v, want %v", y.Names(), y.All(), want)
	}
	if _, ok := x.Named("b"); ok {
		t.Error("a table has changed")
	}
	if _, ok := x.At("/b"); ok {
		t.Error("a table's routes have changed")
	}
	if v, ok := y.Named("none"); v != "none" || !ok {
		t.Errorf("none is %q, %v", v, ok)
	}
	if v, ok := y.At("/z"); v != "deep" || !ok {
		t.Errorf("/z is %q, %v", v, ok)
	}
	if _, ok := y.At("/z/y"); ok {
		t.Error("a route covers more than itself")
	}
	var empty Table[string, int]
	if _, _, ok := empty.Find("/"); ok || len(empty.All()) != 0 {
		t.Error("an empty table has something")
	}
}
