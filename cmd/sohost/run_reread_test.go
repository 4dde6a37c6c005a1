package main

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/sohost/sohost/internal/query"
	"github.com/sohost/sohost/internal/server/hooks"
	"github.com/sohost/sohost/internal/sinks"
)

// TestFlat compares the keys of the tables of plugins and sinks with those by which two configurations are compared.
func TestFlat(t *testing.T) {
	for table, test := range map[string]struct {
		settings []setting
		fields   any
	}{
		"plugin": {(&pluginConfig{}).bind(), pluginConfig{}},
		"sink":   {bindSink(&sinks.Config{}), sinks.Config{}},
		"hook":   {bindHook(&hooks.Hook{}), hooks.Hook{}},

		"listener": {bindListener(&listenerConfig{}), listenerConfig{}},
		"database": {bindDatabase(&query.Options{}), query.Options{}},
	} {
		fields := map[string]bool{}
		for i := range reflect.TypeOf(test.fields).NumField() {
			fields[keyOf(reflect.TypeOf(test.fields).Field(i).Name)] = true
		}
		for _, s := range test.settings {
			if !fields[s.key] {
				t.Errorf("no field of a %s is called %s: %v", table, s.key, fields)
			}
		}
	}
	for was, is := range map[string]string{
		"":                                "[plugin.a.args]\nb = false",
		"[plugin.a.args]\nb = 1":          "[plugin.a.args]\nb = '1'",
		"[plugin.a.args]\nb = ['x y']":    "[plugin.a.args]\nb = ['x', 'y']",
		"[plugin.a.args]\nb = {}":         "[plugin.a.args]\nb = []",
		"[plugin.a.args]\nb = { c = '' }": "[plugin.a.args]\nb = { c = [{}] }",
		"[route.'/r']\nchain = ['a']":     "[route.'/r']\nchain = ['a']\nbackend = 'http://h'",
	} {
		if a, b := flatOf(t, was), flatOf(t, is); maps.Equal(a, b) {
			t.Errorf("%q is the same as %q: %v", was, is, a)
		}
	}
	all := flatOf(t, "[plugin.a.args]\nn = 1\ndb = 'postgres://me:pass@h/x'\nl = [{ token = 'pass' }]\n[route.'/r']\nchain = ['a']\n")
	if text := fmt.Sprint(all); all["plugin.a.args.n"] != "1" || all["route./r.chain"] != `["a"]` || strings.Contains(text, "pass") {
		t.Errorf("the settings are %v", text)
	}
	one := &config{Sink: map[string]sinks.Config{"db": {Token: "one"}}}
	two := &config{Sink: map[string]sinks.Config{"db": {Token: "two"}}}
	if a, b := one.flat()["sink.db.token"], two.flat()["sink.db.token"]; a == b || a == "one" {
		t.Errorf("the tokens are shown as %q and %q", a, b)
	}
	hook := &config{Hook: map[string]hooks.Hook{"pager": {URL: "https://alerts.example.com/pass?key=pass"}}}
	if shown := hook.flat()["hook.pager.url"]; !strings.HasPrefix(shown, "https://alerts.example.com with a secret (") || strings.Contains(shown, "pass") {
		t.Errorf("a hook's URL is shown as %q", shown)
	}
}

// TestFlatEntries tells the entries of maps apart whatever their values are, and lists whose elements have spaces.
func TestFlatEntries(t *testing.T) {
	flat := func(p pluginConfig) string {
		return fmt.Sprint((&config{Plugin: map[string]pluginConfig{"a": p}}).flat())
	}
	seen := map[string]pluginConfig{}
	for _, p := range []pluginConfig{
		{}, {Args: map[string]string{"x": ""}}, {Args: map[string]string{"y": ""}}, {Values: map[string]any{"n": 0}}, {Values: map[string]any{"n": false}},
		{Values: map[string]any{"n": map[string]any{"m": ""}}}, {Values: map[string]any{"n": []any{}}}, {Routes: []string{"/a", "/b"}}, {Routes: []string{"/a /b"}},
		{Values: map[string]any{"n": []any{"a b"}}}, {Values: map[string]any{"n": []any{"a", "b"}}},
	} {
		if other, twice := seen[flat(p)]; twice {
			t.Errorf("%+v and %+v are the same: %s", p, other, flat(p))
		}
		seen[flat(p)] = p
	}
}

// flatOf returns the settings of a configuration with a plugin a.
func flatOf(t *testing.T, text string) map[string]string {
	t.Helper()
	c, err := parseConfig("f", []byte("[plugin.a]\nimage = 'a.so'\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	return c.flat()
}
