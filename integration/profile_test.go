package integration

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/google/pprof/profile"
)

// TestProfile takes a profile of a plugin under load: its samples say whose they are.
func TestProfile(t *testing.T) {
	t.Parallel()
	image := newSource(t, "wordfreq").build()
	p := newPlace(t)
	install(t, image, filepath.Join(p.plugins, "wordfreq.so"))
	d := p.start(t, "--plugins", p.plugins, "--metrics", "127.0.0.1:0", "--pprof")
	metrics := d.await(0, func(l line) bool { return l.text("msg") == "metrics" }).text("url")
	l := startLoad(2, 0, post(d.url+"/wordfreq", "the quick brown fox jumps over the lazy dog"))
	text, err := ask(metrics[:len(metrics)-len("/metrics")] + "/debug/pprof/profile?seconds=1")
	l.end(t)
	if err != nil {
		t.Fatal(err)
	}
	cpu, err := profile.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]int{}
	for _, s := range cpu.Sample {
		if names := s.Label["plugin"]; len(names) > 0 {
			of[names[0]+" "+s.Label["generation"][0]]++
		}
	}
	if len(of) != 1 || of["wordfreq "+short(t, image)] == 0 {
		t.Errorf("of %d samples have labels: %v", len(cpu.Sample), of)
	}
}

// ask returns what a URL answers.
func ask(url string) ([]byte, error) {
	resp, err := impatient.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return text, err
}
