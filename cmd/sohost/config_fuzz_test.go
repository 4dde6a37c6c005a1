package main

import (
	"strings"
	"testing"
)

// FuzzConfig parses configurations with any content. An error names the file.
func FuzzConfig(f *testing.F) {
	for _, text := range []string{
		"listen = \"127.0.0.1:8181\"\n[plugin.counter]\nimage = \"x.so\"\nmode = \"prod\"\nroutes = [\"/counter\"]\nargs = { step = \"1\" }\n",
		"keep = -1\ncheckpoints = \"off\"\nold_memory = 1073741824\n", "plugin = 1\n", "[plugin]\nx = 2\n", "[[plugin.x]]\n", "a.b.c = [{}]\n",
		"settle = \"-1h\"\npoll = 3\n[plugin.\"../x\"]\nimage = \"\"\nroutes = [1]\n", "\x00", "x = 9e999\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseConfig("/etc/sohost.toml", data)
		if err != nil && !strings.Contains(err.Error(), "/etc/sohost.toml") {
			t.Errorf("the error names no file: %v", err)
		}
		if err == nil && c == nil || err != nil && c != nil {
			t.Errorf("the configuration is %v, %v", c, err)
		}
	})
}
