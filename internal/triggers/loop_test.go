package triggers

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// TestCheckLoops follows rows from plugin to plugin.
func TestCheckLoops(t *testing.T) {
	for _, test := range []struct{ triggers, feeds, want string }{
		{"a write:cpu, b write:cpu_1m", "a cpu_1m", ""},
		{"a write:cpu, b write:cpu_1m, c write:*", "a cpu_1m, b alerts", ""},
		{"a every:1s, a request:/x", "a x", ""},
		{"a write:*", "a x", "a x a"},
		{"a write:cpu, a write:x", "a x", "a x a"},
		{"a write:x, b write:y, c write:z", "a y, b z, c x", "a y b, b z c, c x a"},
		{"a write:in, b write:y, c write:z", "a y, b z, c y", "b z c, c y b"},
		{"a write:in, b write:in2, c write:x, d write:x", "a x, b x, c end, d end", ""},
	} {
		of, feeds := map[string][]Trigger{}, map[string][]string{}
		for each := range strings.SplitSeq(test.triggers, ", ") {
			plugin, spec, _ := strings.Cut(each, " ")
			of[plugin] = append(of[plugin], Trigger{Spec: spec}.Resolve(func(_, text string) { t.Error(text) }))
		}
		for each := range strings.SplitSeq(test.feeds, ", ") {
			plugin, table, _ := strings.Cut(each, " ")
			feeds[plugin] = append(feeds[plugin], table)
		}
		err := CheckLoops(of, func(plugin string) []string { return feeds[plugin] })
		var way []string
		if loop, is := errors.AsType[*LoopError](err); is {
			for _, s := range loop.Steps {
				way = append(way, fmt.Sprint(s.From, " ", s.Table, " ", s.To))
			}
		}
		if got := strings.Join(way, ", "); got != test.want {
			t.Errorf("%s; emitted: %s: %q, want %q", test.triggers, test.feeds, got, test.want)
		}
	}
}
