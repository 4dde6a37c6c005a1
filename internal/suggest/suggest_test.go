package suggest

import "testing"

func TestClosest(t *testing.T) {
	names := []string{"auth", "headers", "shop"}
	for wrong, want := range map[string]string{
		"auht": "auth", "autg": "auth", "header": "headers", "hedars": "headers", "shopp": "shop", "x": "", "ab": "", "counter": "", "": "",
	} {
		if got := Closest(wrong, names); got != want {
			t.Errorf("%q: %q, want %q", wrong, got, want)
		}
	}
}
