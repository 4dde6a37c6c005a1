package sohost

import (
	"errors"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/adapters"
)

// TestAPI has a plugin that is configured for another API than its next image is of: that isn't loaded, and what served before still does.
func TestAPI(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	r := w.host(w.options("a"))
	p, _ := r.plugin("a")
	p.API = "krakend"
	_, err := r.deploy("a2")
	want := `the image is of the API sohost, and plugin a is configured for api = "krakend"`
	if refused := r.refusal(err, "a", PhaseNew); !errors.Is(err, adapters.ErrAPI) || !strings.Contains(refused.Message, want) {
		t.Errorf("refused: %v, want %s", err, want)
	}
	if got := p.servingID(); got != w.imageID("a1") {
		t.Errorf("%v serves", got)
	}
}

// TestAPIOptions refuses an API that there isn't, and arguments that no plugin could get.
func TestAPIOptions(t *testing.T) {
	_, err := Plugin{Name: "a", Image: "a.so", API: "kong", Args: map[string]string{"x": "1"}, Values: map[string]any{"x": 1, "f": func() {}}}.resolve()
	for _, want := range []string{`there is no "kong"`, "argument x is given twice", "argument f: want what JSON can have"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
