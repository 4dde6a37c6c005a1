package integration

import (
	"bufio"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/sohost/sohost/internal/server/control"
)

// TestCutAfter deploys a plugin with state, and hands it over, while a client reads a stream of it that doesn't end by itself.
func TestCutAfter(t *testing.T) {
	t.Parallel()
	src := newSource(t, "counter")
	src.edit("counter.go", `	if strings.HasSuffix(r.URL.Path, "/total") {`, `	if strings.HasSuffix(r.URL.Path, "/stream") {
		fmt.Fprintln(w, "begun")
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
		return
	}
	if strings.HasSuffix(r.URL.Path, "/total") {`)
	first := src.build()
	p := newPlace(t)
	file := filepath.Join(p.plugins, "counter.so")
	install(t, first, file)
	d := p.start(t, "--plugin", "counter="+file+",cut_after=50ms")
	clones := newCloner(t, first, "example.com/counter")

	stream := func() <-chan error {
		resp, err := http.Get(d.url + "/counter/stream")
		if err != nil {
			t.Fatal(err)
		}
		in, ended := bufio.NewReader(resp.Body), make(chan error, 1)
		if line, err := in.ReadString('\n'); err != nil {
			t.Fatalf("%q, %v", line, err)
		}
		go func() {
			defer resp.Body.Close()
			_, err := in.ReadByte()
			ended <- err
		}()
		return ended
	}
	d.get("/counter")
	ended := stream()
	if _, err := d.client.Deploy(patient(t), control.DeployRequest{Images: map[string]string{"counter": clones.clone(t)}}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != io.EOF {
		t.Errorf("the stream ended with %v", err)
	}
	if s := d.status().Plugins[0]; s.Cut != 1 {
		t.Errorf("%d requests were cut off", s.Cut)
	}
	ended = stream()
	if _, err := d.client.Handover(patient(t), control.HandoverRequest{}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != io.EOF {
		t.Errorf("the stream ended with %v", err)
	}
	if total, _ := d.get("/counter/total"); total != "1" {
		t.Errorf("the plugin has counted %s", total)
	}
}
