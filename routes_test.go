package sohost

import "testing"

func TestFind(t *testing.T) {
	x := &index{names: map[string]*plugin{}, prefixes: map[string]*plugin{}}
	for name, routes := range map[string][]string{"a": {"/a"}, "deep": {"/a/b/c", "/z"}, "none": nil} {
		x = x.with(&plugin{name: name, Plugin: Plugin{Routes: routes}})
	}
	rooted := x.with(&plugin{name: "root", Plugin: Plugin{Routes: []string{"/"}}})
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
		if p := rooted.find(test.path); p.name != test.want {
			t.Errorf("%q goes to %s, want %s", test.path, p.name, test.want)
		}
		if p := x.find(test.path); (p == nil) != (test.want == "root") {
			t.Errorf("%q, without a plugin at the root, goes to %v", test.path, p)
		}
	}
	if n := testing.AllocsPerRun(100, func() { rooted.find("/a/b/c") }); n != 0 {
		t.Errorf("finding a plugin allocates %v times", n)
	}
}
