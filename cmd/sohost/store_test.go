package main

import (
	"os"
	"strings"
	"testing"
)

// TestStoreOfAnother checks that doctor refuses a store of another user, as when a server is started with sudo once.
func TestStoreOfAnother(t *testing.T) {
	c := &config{}
	c.Store = t.TempDir()
	found := func() (text string) {
		for _, f := range checkStore(c) {
			if f.Verdict == bad {
				text += f.Found
			}
		}
		return text
	}
	if text := found(); text != "" {
		t.Error(text)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder to another user, and read it then")
	}
	if err := os.Chown(c.Store, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if text := found(); !strings.HasSuffix(text, " belongs to user 65534, and not to 0") {
		t.Errorf("found %q", text)
	}
}
