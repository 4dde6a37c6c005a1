package integration

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sohost/sohost/internal/server/control"
)

// TestKillsFeed has one plugin called with what another one emits, while clients write, the first one is reloaded, and the server hands
// over. Each row that was acknowledged, at once when it is on disk or when the first plugin has handled it, is in the second one's state
// once. After kill -9 it is there, and what the first plugin, which has no state, emits anew may be there again.
func TestKillsFeed(t *testing.T) {
	t.Parallel()
	for _, ack := range []string{"spool", "handled"} {
		if testing.Short() && ack == "handled" {
			continue
		}
		t.Run(ack, func(t *testing.T) { feeds(t, ack) })
	}
}

func feeds(t *testing.T, ack string) {
	p := newPlace(t)
	relay := newSourceOf(t, "relay", filepath.Join("testdata", "relay"))
	install(t, relay.build(), filepath.Join(p.plugins, "relay.so"))
	install(t, newSourceOf(t, "meter", filepath.Join("testdata", "meter")).build(), filepath.Join(p.plugins, "meter.so"))
	file := filepath.Join(p.dir, "sohost.toml")
	config := fmt.Sprintf(`
[writes]
ack = %q
[plugin.relay]
image   = "%[2]s/relay.so"
mode    = "dev"
sinks   = ["next"]
trigger = [{ spec = "write:m" }]
[plugin.meter]
image   = "%[2]s/meter.so"
trigger = [{ spec = "write:r" }]
[sink.next]
kind   = "plugins"
tables = ["r"]
`, ack, p.plugins)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	d := p.start(t, "--config", file)
	var sent atomic.Int64
	acknowledged := newTally()
	write := func() {
		r, err := impatient.Post(d.url+"/write?db=x", "text/plain", strings.NewReader(fmt.Sprintf("m id=%di\n", sent.Add(1))))
		if err != nil {
			return // it may be on disk or not
		}
		r.Body.Close()
		if r.StatusCode == http.StatusNoContent {
			acknowledged.add(1)
		}
	}
	stop := writing(t, 4, write)
	for i := range 3 {
		acknowledged.awaitMore(t, 50)
		if i == 1 {
			mark := d.mark()
			relay.edit("relay.go", "It has no state.", "It has no state at all.")
			install(t, relay.build(), filepath.Join(p.plugins, "relay.so"))
			d.awaitReload(mark, "relay")
			continue
		}
		if _, err := d.client.Handover(patient(t), control.HandoverRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	acknowledged.awaitMore(t, 50)
	stop()
	ids, sum := d.metered(acknowledged.Load())
	if ids != acknowledged.Load() || sum != ids {
		t.Errorf("%d rows acknowledged; %d are in the state, counted %d times", acknowledged.Load(), ids, sum)
	}
	stop = writing(t, 4, write)
	acknowledged.awaitMore(t, 50)
	d.kill()
	stop()
	d = p.start(t, "--config", file)
	if ids, _ := d.metered(acknowledged.Load()); ids < acknowledged.Load() {
		t.Errorf("%d rows acknowledged; after kill -9 %d are in the state", acknowledged.Load(), ids)
	}
	d.terminate()
}

// writing has some clients write, one write after the other each, until stop.
func writing(t *testing.T, clients int, write func()) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for ctx.Err() == nil {
				write()
			}
		})
	}
	return func() { cancel(); all.Wait() }
}
