package routes

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// TestClean has each path taken as it is or refused with the one to write instead, which is taken, and no path that is taken changes where
// requests go.
func TestClean(t *testing.T) {
	for _, test := range []struct{ given, clean, remedy string }{
		{"/", "/", ""},
		{"/a", "/a", ""},
		{"/a/", "/a", ""},
		{"/a/b.c/..d/e..", "/a/b.c/..d/e..", ""},
		{"/100%", "/100%", ""},
		{"/a b", "/a b", ""},
		{"", "", "begins with /"},
		{"a", "", "begins with /"},
		{"..", "", "begins with /"},
		{"/..", "", `write "/"`},
		{"/../x", "", `write "/x"`},
		{"/x/..", "", `write "/"`},
		{"/x/../y/", "", `write "/y"`},
		{"/.", "", `write "/"`},
		{"/./", "", `write "/"`},
		{"/x/./y", "", `write "/x/y"`},
		{"//", "", `write "/"`},
		{"/a//", "", `write "/a"`},
		{"//a", "", `write "/a"`},
		{"/a//b", "", `write "/a/b"`},
		{"/%2e%2e", "", `write "/"`},
		{"/%2e%2e/x", "", `write "/x"`},
		{"/a%2Fb", "", `write "/a/b"`},
		{"/a%20b", "", `write "/a b"`},
	} {
		clean, err := Clean(test.given)
		if clean != test.clean || (err == nil) != (test.remedy == "") || err != nil && !strings.Contains(err.Error(), test.remedy) {
			t.Errorf("%q is %q, %v; want %q, %s", test.given, clean, err, test.clean, test.remedy)
		}
		if _, remedy, has := strings.Cut(test.remedy, `"`); has {
			if _, err := Clean(strings.TrimSuffix(remedy, `"`)); err != nil {
				t.Errorf("%q is told to be %s: %v", test.given, remedy, err)
			}
		}
		if err == nil && test.given == strings.ReplaceAll(test.given, " ", "") {
			x := new(Table[string, int]).With("it", []string{clean}, "it")
			r := httptest.NewRequest("GET", strings.ReplaceAll(test.given, "%", "%25"), nil)
			if _, _, ok := x.Find(r.URL.Path); !ok {
				t.Errorf("%q is no route of a request for it", test.given)
			}
		}
	}
}
