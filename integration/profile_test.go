package integration

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	texts := startLoad(2, 0, post(d.url+"/wordfreq", strings.Repeat("the quick brown fox jumps over the lazy dog ", 1000)))
	of := map[string]int{}
	for deadline := time.Now().Add(patience); len(of) == 0 && time.Now().Before(deadline); { // a busy machine leaves the server few samples
		text, err := ask(strings.TrimSuffix(metrics, "/metrics") + "/debug/pprof/profile?seconds=1")
		if err != nil {
			t.Fatal(err)
		}
		cpu, err := profile.Parse(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range cpu.Sample {
			if names := s.Label["plugin"]; len(names) > 0 {
				of[names[0]+" "+s.Label["generation"][0]]++
			}
		}
	}
	texts.end(t)
	if len(of) != 1 || of["wordfreq "+short(t, image)] == 0 {
		t.Errorf("the samples are of %v", of)
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
