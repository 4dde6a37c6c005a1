package certs_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/server/certs"
	"github.com/sohost/sohost/internal/server/certstest"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

func filesIn(dir string) certs.Files {
	return certs.Files{Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
}

// TestRead reads pairs that are none. Each error names the file, and none says anything of a key.
func TestRead(t *testing.T) {
	good, other := certstest.New(t, time.Hour), certstest.New(t, time.Hour)
	for _, test := range []struct {
		pair certs.Pair
		want string // "" for none
	}{
		{good, ""},
		{certs.Pair{Certificate: good.Certificate, Key: other.Key}, "private key does not match public key"},
		{certs.Pair{Certificate: good.Key, Key: good.Key}, "failed to find"},
		{certs.Pair{Certificate: good.Certificate}, "failed to find any PEM data in key input"},
		{certstest.New(t, -time.Minute), ""}, // Watch refuses it
	} {
		files := filesIn(t.TempDir())
		certstest.Write(t, files, test.pair)
		p, err := files.Read()
		switch {
		case test.want == "":
			if err != nil || !p.Equal(test.pair) || p.Until().IsZero() {
				t.Errorf("%v, %v", p, err)
			}
		case err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), files.Certificate):
			t.Errorf("%v, want %s", err, test.want)
		case strings.Contains(err.Error(), "PRIVATE"):
			t.Errorf("the error has a key: %v", err)
		}
	}
	if _, err := filesIn(t.TempDir()).Read(); err == nil || !strings.Contains(err.Error(), "certificate: open ") {
		t.Errorf("without files: %v", err)
	}
}

// TestWatch replaces the directory of a pair behind a link, as renewals do, while the files themselves stay.
func TestWatch(t *testing.T) {
	dir := t.TempDir()
	var pairs []certs.Pair
	for _, name := range []string{"first", "second", "expired"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		lasts := time.Hour
		if name == "expired" {
			lasts = -time.Minute
		}
		pairs = append(pairs, certstest.New(t, lasts))
		certstest.Write(t, filesIn(filepath.Join(dir, name)), pairs[len(pairs)-1])
	}
	live := filepath.Join(dir, "live")
	link := func(to string) {
		t.Helper()
		if err := os.Symlink(to, live+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(live+".new", live); err != nil {
			t.Fatal(err)
		}
	}
	type change struct {
		certs.Pair
		err error
	}
	changes := make(chan change, 100)
	link("first")
	w, err := certs.Watch(map[string]certs.Files{"web": filesIn(live)}, slog.New(slog.DiscardHandler),
		func(name string, f certs.Files, p certs.Pair, err error) {
			if name != "web" || f != filesIn(live) {
				t.Errorf("changed is %s, %+v", name, f)
			}
			changes <- change{p, err}
		})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	await := func(what string, is func(change) bool) {
		t.Helper()
		for timeout := time.After(patience); ; {
			select {
			case c := <-changes:
				if is(c) {
					return
				}
			case <-timeout:
				t.Fatalf("not within %v: %s", patience, what)
			}
		}
	}
	await("what is there at first", func(c change) bool { return c.err == nil && c.Equal(pairs[0]) })
	link("second")
	await("the second pair", func(c change) bool { return c.err == nil && c.Equal(pairs[1]) })
	link("expired")
	await("that the third has expired", func(c change) bool { return c.err != nil && strings.Contains(c.err.Error(), "it has expired on") })
	link("first")
	await("the first pair again", func(c change) bool { return c.err == nil && c.Equal(pairs[0]) })
}
