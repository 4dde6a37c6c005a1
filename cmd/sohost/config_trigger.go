package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sohost/sohost"
)

// asTriggers is a list of tables, each of them a trigger. Each flag adds one by its spec.
func asTriggers(to *[]sohost.Trigger) value {
	*to = nil
	return value{
		kind: "list of tables", initial: "none",
		fromTOML: func(p *parser, at keyPath, v any) {
			tables, ok := v.([]any)
			if !ok {
				p.bad(at, "trigger: want tables [[%s]], not %s", strings.Join(at, "."), kindOf(v))
				return
			}
			names := map[string]bool{}
			for i, table := range tables {
				t := p.trigger(at.with(strconv.Itoa(i)), table)
				if names[t.Name] && t.Name != "" {
					p.bad(at.with(strconv.Itoa(i)), "another trigger of the plugin is named %s already: give one of them another name", t.Name)
				}
				names[t.Name] = true
				*to = append(*to, t)
			}
		},
		fromFlag: func(text string) error {
			var errs []error
			t := sohost.Trigger{Spec: text}.Resolve(func(_, text string) { errs = append(errs, errors.New(text)) })
			if slices.ContainsFunc(*to, func(other sohost.Trigger) bool { return other.Name == t.Name }) {
				errs = append(errs, fmt.Errorf("it is there already, as %s", t.Name))
			}
			*to = append(*to, t)
			return errors.Join(errs...)
		},
	}
}

// bindTrigger returns the settings of one trigger, stored in t. Those that aren't given stay zero: Trigger.Resolve has the defaults.
func bindTrigger(t *sohost.Trigger) []setting {
	d := sohost.Trigger{Spec: "write:*"}.Resolve(func(string, string) {})
	return []setting{
		{key: "spec", value: asText("spec", &t.Spec, ""), initial: "required",
			help: "`request:PATH`, `write:TABLE`, `write:*`, `every:DURATION` or `cron:EXPRESSION`"},
		{key: "name", value: asText("name", &t.Name, ""), initial: "made of the spec, such as every-10s",
			help: "what the trigger is called in `status` and by commands; unique in the plugin"},
		{key: "args", value: asArguments(&t.Args),
			help: "arguments, which the plugin finds in `abi.Trigger`, over its own"},
		{key: "on_error", value: asWord("policy", &t.OnError), initial: string(d.OnError),
			help: "what follows an error of the plugin: `log`, `retry` or `disable`"},
		{key: "attempts", value: unset(asNumber(&t.Attempts, d.Attempts), &t.Attempts),
			help: "with `retry`, how often a call is made at most"},
		{key: "timeout", value: unset(asDuration(&t.Timeout, d.Timeout), &t.Timeout),
			help: "when the context of a call ends"},
		{key: "queue_rows", value: unset(asNumber(&t.QueueRows, d.QueueRows), &t.QueueRows),
			help: "limit for the rows that wait for the plugin; beyond it, writes get 503"},
		{key: "queue_bytes", value: unset(asBytes64(&t.QueueBytes, d.QueueBytes), &t.QueueBytes),
			help: "and for about how many bytes they take"},
		{key: "missed", value: asWord("mode", &t.Missed), initial: string(d.Missed),
			help: "what becomes of times that pass while no server runs: `skip` only counts them, `once` catches up with the last one"},
		{key: "disabled", value: asBoolean(&t.Disabled),
			help: "the trigger is disabled until `sohost trigger enable`"},
	}
}

// trigger reads one table.
func (p *parser) trigger(at keyPath, v any) (t sohost.Trigger) {
	given, ok := take[map[string]any](p, at, v, "a table")
	if !ok {
		return t
	}
	before := len(p.faults)
	p.table(at, given, bindTrigger(&t))
	if _, named := given["spec"]; !named {
		p.bad(at, `trigger: no spec: say when it fires, as with spec = "every:10s"`)
		return t
	}
	wrong := p.faults[before:] // their values are zero by now, and no second fault
	if slices.ContainsFunc(wrong, func(f fault) bool { return f.position == p.at.of(at.with("spec")) }) {
		return t
	}
	return t.Resolve(func(field, text string) { p.bad(at.with(field), "%s: %s", field, text) })
}

// asWord is one of a few words, which are checked with everything else of a trigger.
func asWord[T ~string](kind string, to *T) value {
	return value{
		kind: kind,
		fromTOML: func(p *parser, at keyPath, v any) {
			if s, ok := take[string](p, at, v, wantText); ok {
				*to = T(s)
			}
		},
		fromFlag: func(text string) error { *to = T(text); return nil },
	}
}

// asBytes64 is asBytes for an int64.
func asBytes64(to *int64, initial int64) value {
	n := new(int)
	v := asBytes(n, int(initial))
	plain := v.fromTOML
	v.fromTOML = func(p *parser, at keyPath, v any) { plain(p, at, v); *to = int64(*n) }
	return v
}

// unset leaves a variable zero that isn't given.
func unset[T int | int64 | time.Duration](v value, to *T) value {
	*to = 0
	return v
}
