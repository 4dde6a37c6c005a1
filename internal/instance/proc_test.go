package instance

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSettingsRead: each row of the table has a value, so that a change of it can be seen.
func TestSettingsRead(t *testing.T) {
	for i, v := range ReadSettings().values {
		if row := settings[i]; v == nil && row.name != "http.DefaultClient.Transport" {
			t.Errorf("%s can't be read", row.name)
		}
	}
}

// TestLimits compares the limits that /proc shows with those that the kernel answers, which count where /proc can't be read.
func TestLimits(t *testing.T) {
	p := readProc()
	for i, row := range limitSettings() {
		if is, want := row.read(p), row.read(proc{}); is != want {
			t.Errorf("%s is %v, want %v", row.name, is, want)
		}
		if text := p.limits[i]; len(text) <= limitName || text[limitName-1] != ' ' || text[limitName] == ' ' {
			t.Errorf("%s: %q has another first column", row.name, text)
		}
	}
	for _, text := range []string{"0", "1024", "18446744073709551614", "unlimited"} {
		if is := limitText(limitValue(text)); is != text {
			t.Errorf("%s becomes %s", text, is)
		}
	}
}

// TestSettingsUnread: what could not be read at first isn't set back.
func TestSettingsUnread(t *testing.T) {
	now := ReadSettings()
	for i, row := range settings {
		if row.name != "umask" && row.name != "oom_score_adj" {
			continue
		}
		at := ReadSettings()
		at.values[i] = nil
		changes := at.ChangesTo(now)
		if left := Restore(changes); len(changes) != 1 || len(left) != 1 || changes[0].Restored {
			t.Errorf("of %v stay %v", changes, left)
		}
	}
	if changes := now.Changes(); len(changes) > 0 {
		t.Errorf("in the end it says %v", changes)
	}
}

// TestProcText reads a file that is longer than those of /proc mostly are, and one that isn't there.
func TestProcText(t *testing.T) {
	long := strings.Repeat("0123456789", 3000)
	file := filepath.Join(t.TempDir(), "long")
	if err := os.WriteFile(file, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := procText(file); text != long || err != nil {
		t.Errorf("it has %d bytes, %v", len(text), err)
	}
	if _, err := procText(file + "s"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
