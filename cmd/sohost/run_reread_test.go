package main

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/sohost/sohost/internal/query"
	"github.com/sohost/sohost/internal/sinks"
)

// TestFlat compares the keys of the tables of plugins and sinks with those by which two configurations are compared.
func TestFlat(t *testing.T) {
	for table, test := range map[string]struct {
		settings []setting
		fields   any
	}{
		"plugin": {(&pluginConfig{}).bind("x"), pluginConfig{}},
		"sink":   {bindSink(&sinks.Config{}), sinks.Config{}},

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
	one := &config{Sink: map[string]sinks.Config{"db": {Token: "one"}}}
	two := &config{Sink: map[string]sinks.Config{"db": {Token: "two"}}}
	if a, b := one.flat()["sink.db.token"], two.flat()["sink.db.token"]; a == b || a == "one" {
		t.Errorf("the tokens are shown as %q and %q", a, b)
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
