package main

import (
	"reflect"
	"strings"
	"testing"
)

// TestTypedArguments reads arguments of all types, and an API.
func TestTypedArguments(t *testing.T) {
	c, err := parseConfig("sohost.toml", []byte(`[plugin.a]
image = "a.so"
api = "krakend"
args = { s = "1", n = 2, f = 0.5, b = true, list = ["x"], table = { k = "v" } }
`))
	if err != nil {
		t.Fatal(err)
	}
	p := c.options().Plugins[0]
	values := map[string]any{"n": int64(2), "f": 0.5, "b": true, "list": []any{"x"}, "table": map[string]any{"k": "v"}}
	if p.API != "krakend" || !reflect.DeepEqual(p.Args, map[string]string{"s": "1"}) || !reflect.DeepEqual(p.Values, values) {
		t.Errorf("the plugin is %+v", p)
	}
	_, err = parseConfig("sohost.toml", []byte("[plugin.a]\nimage = \"a.so\"\napi = \"kong\"\nargs = { d = 2026-01-01, far = inf }\n"))
	for _, want := range []string{`:3:1: api: another plugin API: there is no "kong": want one of sohost, krakend, traefik, tyk`,
		":4:10: d: want a string in quotes, not a date or time", ":4:26: far: want what JSON can have"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, _, err := parsePlugin("a=a.so,api=kong"); err == nil || !strings.Contains(err.Error(), `there is no "kong"`) {
		t.Error(err)
	}
}
