package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestLocated finds the server of a file with faults wherever these are, and takes no other server for it where its own can't be known.
func TestLocated(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	dir := t.TempDir()
	file := filepath.Join(dir, "sohost.toml")
	for text, want := range map[string]string{ // a name in dir; "default": that of the plugins directory; "": unknown
		"listen = 5\ncontrol = \"c\"\nstore = \"s\"\n":                     "c",
		"listen = \ntokens = [\ncontrol = 'c' # here\n\"store\" = \"s\"\n": "c",
		"a = b = c\n": "default",
		"control = \"c\"\nstore = 5\n[listener.a]\ncontrol = \"d\"": "",
		"control = c\n":                             "",
		"control = 5\nstore = \"s\"\n":              "",
		"plugins = none\n":                          "",
		"store = \"s\"\n[listener.control\ncontrol": "default",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := located(file, "", "")
		if got := ""; err == nil {
			if got = c.Control; filepath.Dir(got) != dir {
				got = "default"
			} else {
				got = filepath.Base(got)
			}
			if got != want {
				t.Errorf("%q: %s, want %q", text, c.Control, want)
			}
		} else if want != "" {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
