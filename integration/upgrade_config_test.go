package integration

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/server/control"
)

// TestUpgradeUnderLoad replaces a program by one that knows one more setting, which the configuration has by then. The program before would
// refuse it; the new one takes it up when it takes that one's place, and no request fails. A fault refuses the upgrade.
func TestUpgradeUnderLoad(t *testing.T) {
	switch {
	case testing.Short():
		t.Skip("it builds another program; make load runs it")
	case raceEnabled || *arm64:
		t.Skip("it is the same code, and TestUpgrade has such programs")
	}
	t.Parallel()
	p := newPlace(t)
	install(t, newSource(t, "counter").build(), filepath.Join(p.plugins, "counter.so"))
	newer := filepath.Join(p.dir, "newer")
	if err := goBuild(repository, newer, "./cmd/sohost", nil, "-overlay", oneMoreSetting(t)); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(p.dir, "sohost.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("plugins = 'plugins'\nprobation = '100ms'\n"+text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	d := p.start(t, "--config", file)
	counting := startLoad(2, *steady, get(d.url+"/counter"))
	write("one_more = 'soon'\n")
	for _, program := range []string{"", newer} { // the one that serves knows no such setting, and the newer one another value
		if _, err := d.client.Handover(patient(t), control.HandoverRequest{Program: program}); err == nil || !strings.Contains(err.Error(), "sohost.toml:3:1: ") {
			t.Errorf("a fault is no error of %q: %v", program, err)
		}
	}
	write("one_more = '7ms'\nlinger = '1m'\n")
	if _, err := d.client.Handover(patient(t), control.HandoverRequest{Program: newer}); err != nil {
		t.Fatal(err)
	}
	d.await(0, isMessage("the configuration was read again"))
	if s := d.status(); s.Config.Failed != nil || s.Program.Path != newer {
		t.Errorf("the status says %+v, %+v", s.Config, s.Program)
	}
	r, err := d.client.Reload(patient(t), control.ReloadRequest{DryRun: true})
	if err != nil || len(r.Changes) != 0 {
		t.Errorf("the newer program has not taken up %+v, %v", r.Changes, err)
	}
	counting.end(t)
	d.terminate()
}

// oneMoreSetting returns an overlay for `go build` with which a server knows the setting one_more, a duration.
func oneMoreSetting(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for name, change := range map[string][2]string{
		"config.go":   {"\tSettle          time.Duration\n", "\tSettle          time.Duration\n\tOneMore time.Duration\n"},
		"settings.go": {"\t\t{key: \"settle\",", "\t\t{key: \"one_more\", value: asDuration(&c.OneMore, d.Settle), help: \"one more\"},\n\t\t{key: \"settle\","},
	} {
		from, to := filepath.Join(repository, "cmd", "sohost", name), filepath.Join(dir, name)
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.Replace(text, []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(changed, text) {
			t.Fatalf("%s has no %q", from, change[0])
		}
		if err := os.WriteFile(to, changed, 0o644); err != nil {
			t.Fatal(err)
		}
		replace[from] = to
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}
