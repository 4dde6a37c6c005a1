package integration

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/server/control"
)

// TestListenersUnderLoad adds and removes a listener while others serve, on connections that stay and on new ones: no request fails. A
// request that the listener has when it is removed is answered to its end, and then nobody can connect there.
func TestListenersUnderLoad(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	install(t, newSourceOf(t, "live", filepath.Join("testdata", "live")).build(), filepath.Join(p.plugins, "live.so"))
	file := filepath.Join(p.dir, "sohost.toml")
	write := func(more string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("plugins = 'plugins'\n[listener.other]\naddress = '127.0.0.1:0'\n"+more), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	d := p.start(t, "--config", file, "--listen", "127.0.0.1:0")
	listeners := d.status().Listeners
	kept := startLoad(2, *steady, get("http://"+listeners[0].Address+"/live"))
	renewed := startLoad(2, *steady, func() (*http.Request, error) {
		r, err := http.NewRequest(http.MethodGet, "http://"+listeners[1].Address+"/live", nil)
		if err == nil {
			r.Close = true
		}
		return r, err
	})
	reload := func() control.ConfigReload {
		t.Helper()
		r, err := d.client.Reload(patient(t), control.ReloadRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for range repeated(4) { // two reloads each
		write("[listener.more]\naddress = '127.0.0.1:0'\n")
		r := reload()
		if len(r.Opens) != 1 || r.Closes != nil {
			t.Fatalf("opened is %+v, closed %+v", r.Opens, r.Closes)
		}
		more := r.Opens[0].Address
		resp, err := impatient.Get("http://" + more + "/live/events?for=300ms")
		if err != nil {
			t.Fatal(err)
		}
		write("")
		if r = reload(); len(r.Closes) != 1 || r.Closes[0].Address != more {
			t.Fatalf("closed is %+v, want %s", r.Closes, more)
		}
		events, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || !strings.HasSuffix(strings.TrimSpace(string(events)), "end") {
			t.Errorf("the request of the listener that is removed: %v, %s", err, events)
		}
		awaitThat(t, "nobody can connect to the listener that is removed", func() bool {
			c, err := net.Dial("tcp", more)
			if err == nil {
				c.Close()
			}
			return err != nil
		})
	}
	kept.end(t)
	renewed.end(t)
	d.terminate()
}
