package main

import (
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
