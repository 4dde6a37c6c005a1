package sohost

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
)

// labelsHere returns the labels that goroutines of this process have, as a goroutine profile shows them.
func labelsHere(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestLabelCalls calls a plugin before, while and after calls are to have labels.
func TestLabelCalls(t *testing.T) {
	r := newWorld(t).boots("z1") // no other test has such a plugin, and leaves goroutines of it
	want := `"plugin":"z"`
	call := func() (labels string) {
		t.Helper()
		if err := r.Call(t.Context(), "z", func(abi.Instance) error { labels = labelsHere(t); return nil }); err != nil {
			t.Fatal(err)
		}
		return labels
	}
	if strings.Contains(call(), want) {
		t.Error("calls have labels that nobody wants")
	}
	stop, other := r.LabelCalls(), r.LabelCalls()
	stop()
	stop() // the other one still wants them
	if got := call(); !strings.Contains(got, want) || !strings.Contains(got, `"generation":"`+r.w.imageID("z1").Short()) {
		t.Errorf("calls have the labels\n%s", got)
	}
	if strings.Contains(labelsHere(t), want) {
		t.Error("labels stay after the call")
	}
	other()
	if strings.Contains(call(), want) {
		t.Error("calls have labels that nobody wants any more")
	}
}

// TestLabelRequests passes a request through a chain while calls are to have labels.
func TestLabelRequests(t *testing.T) {
	w := newWorld(t)
	passed := 0
	for _, event := range []string{"y1 passes", "q1 passes"} {
		w.fail(event, func(ctx context.Context) error {
			passed++
			if name, _ := pprof.Label(ctx, "plugin"); name != event[:1] {
				t.Errorf("at %q the label is %q", event, name)
			}
			return nil
		})
	}
	r := w.host(w.chained("y1", "q1", "a1"))
	defer r.LabelCalls()()
	if r.passed("/shop/"); passed != 2 {
		t.Errorf("%d plugins were passed", passed)
	}
}

// TestLabelsNest serves a form by one plugin within another. After it the outer one has its labels again, and the form's files are known
// to who has passed the request in, and removes them.
func TestLabelsNest(t *testing.T) {
	r := newWorld(t).boots("z1", "j1")
	defer r.LabelCalls()()
	labelled := func(name string, handle http.HandlerFunc) http.Handler {
		p, err := r.plugin(name)
		if err != nil {
			t.Fatal(err)
		}
		return r.labelled(p.serving().Value(), handle)
	}
	inner := labelled("j", func(_ http.ResponseWriter, r *http.Request) {
		if err := r.ParseMultipartForm(1); err != nil {
			t.Error(err)
		}
	})
	outer := labelled("z", func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r)
		if got := labelsHere(t); !strings.Contains(got, `"plugin":"z"`) || strings.Contains(got, `"plugin":"j"`) {
			t.Errorf("after the inner plugin the labels are\n%s", got)
		}
	})
	body := "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"f\"\r\n\r\ncontent\r\n--x--\r\n"
	req := httptest.NewRequest("POST", "/", strings.NewReader(body))
	req.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	outer.ServeHTTP(httptest.NewRecorder(), req)
	if req.MultipartForm == nil {
		t.Fatal("nobody knows the form's files")
	}
	req.MultipartForm.RemoveAll()
}
