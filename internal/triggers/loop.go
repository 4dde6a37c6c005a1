package triggers

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Feeds returns the tables that are written to plugins when one emits rows of them.
type Feeds func(plugin string) []string

// A Step is a plugin that is called with what another one, or the same one, emits.
type Step struct{ From, Table, To, Trigger string }

// LoopError is returned when rows would go round for ever.
type LoopError struct{ Steps []Step }

func (e *LoopError) Error() string {
	var way []string
	for _, s := range e.Steps {
		way = append(way, fmt.Sprintf("rows of table %s that %s emits call %s/%s", s.Table, s.From, s.To, s.Trigger))
	}
	return fmt.Sprintf("a loop: %s: leave a table out of the sink's tables, name other sinks for one of the plugins, or narrow a trigger to the "+
		"tables that it is for", strings.Join(way, ", "))
}

// CheckLoops returns a LoopError if a plugin would be called with rows that its own rows have led to. It takes a plugin to emit rows of
// every table that is fed to others.
func CheckLoops(of map[string][]Trigger, feeds Feeds) error {
	s := search{of: of, feeds: feeds, done: map[string]bool{}}
	for _, plugin := range slices.Sorted(maps.Keys(of)) {
		if steps := s.from(plugin); steps != nil {
			return &LoopError{steps}
		}
	}
	return nil
}

// search looks for a loop, depth first.
type search struct {
	of    map[string][]Trigger
	feeds Feeds
	way   []Step          // to the plugin that is looked at
	done  map[string]bool // false while the plugin is on the way, and true when no loop goes through it
}

func (s *search) from(plugin string) []Step {
	if _, seen := s.done[plugin]; seen {
		return nil
	}
	s.done[plugin] = false
	for _, step := range s.steps(plugin) {
		s.way = append(s.way, step)
		if done, seen := s.done[step.To]; seen && !done {
			first := slices.IndexFunc(s.way, func(other Step) bool { return other.From == step.To })
			return s.way[first:]
		}
		if loop := s.from(step.To); loop != nil {
			return loop
		}
		s.way = s.way[:len(s.way)-1]
	}
	s.done[plugin] = true
	return nil
}

// steps returns whom a plugin's rows call.
func (s *search) steps(plugin string) (steps []Step) {
	tables := s.feeds(plugin)
	if len(tables) == 0 { // as of most plugins: all triggers need not be looked at for each
		return nil
	}
	for _, to := range slices.Sorted(maps.Keys(s.of)) {
		for _, t := range s.of[to] {
			spec, err := Parse(t.Spec)
			if err != nil || spec.Kind != Write {
				continue
			}
			for _, table := range tables {
				if spec.Table == "" || spec.Table == table {
					steps = append(steps, Step{plugin, table, to, t.Name})
				}
			}
		}
	}
	return steps
}
