package main

import (
	"reflect"
	"strings"
	"testing"
)

// TestPlaces reads where plugins emit to and what they ask, down to what the worker is started with.
func TestPlaces(t *testing.T) {
	c, err := parseConfig("x.toml", []byte(`
[plugin.a]
image = "a.so"
sinks = ["log"]
[plugin.b]
image = "b.so"
[plugin.c]
image = "c.so"
sinks = []
[sink.log]
kind = "log"
[database.main]
url = "http://localhost:8181"
version = 3
timeout = "5s"
`))
	if err != nil {
		t.Fatal(err)
	}
	configured, err := (&runFlags{config: c}).configured()
	if err != nil {
		t.Fatal(err)
	}
	start := configured.Start
	if want := map[string][]string{"a": {"log"}, "c": {}}; !reflect.DeepEqual(start.SinksOf, want) {
		t.Errorf("the sinks are %v, want %v", start.SinksOf, want)
	}
	if d := start.Databases["main"]; d.URL != "http://localhost:8181" || d.Version != 3 || d.Timeout.String() != "5s" {
		t.Errorf("the databases are %+v", start.Databases)
	}
	_, err = parseConfig("x.toml", []byte(`
[plugin.a]
image = "a.so"
sinks = [1, "lgo"]
[sink.log]
kind = "log"
[database.main]
url = "localhost"
version = 4
[sink."a b"]
kind = "log"
`))
	for _, want := range []string{`x.toml:4:13: plugin a: there is no sink "lgo": the sinks are [a b log]`, `x.toml:8:1: url: "localhost": want one such as`,
		"x.toml:9:1: version: 4: want 1, 2 or 3", `x.toml:10:7: sink name "a b": want letters`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
}
