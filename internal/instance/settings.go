package instance

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
)

// Settings are those settings of the whole process that plugin code can change and that can be read: all plugins share
// them. ReadSettings reads them.
type Settings struct {
	values      []any // in the order of the table; nil where one can't be read
	environment []string
}

// Change is a setting that has changed. It never holds the value of an environment variable, which may be a secret.
type Change struct {
	Setting string `json:"setting"` // such as "GOGC"
	Old     string `json:"old"`
	New     string `json:"new"`

	// Shared says that other images were being loaded at the same time, and one of them may have made the change. Such a change
	// is never set back.
	Shared bool `json:"shared,omitempty"`

	// Restored says that it was set back. That happens after a refusal only.
	Restored bool `json:"restored,omitempty"`

	still   func() bool  // whether it still is as New says
	restore func() error // nil where the process can't
}

func (c Change) String() string {
	text := fmt.Sprintf("%s: %s → %s", c.Setting, c.Old, c.New)
	if c.Restored {
		text += " (set back)"
	}
	if c.Shared {
		text += " (perhaps by another image that was loaded meanwhile)"
	}
	return text
}

// ReadSettings reads the settings as they are now.
func ReadSettings() Settings {
	s := Settings{values: make([]any, len(settings)), environment: os.Environ()}
	p := readProc()
	for i := range settings {
		s.values[i] = settings[i].read(p)
	}
	return s
}

// Changes returns what has changed since s was read, in the order of the table. Nothing tells who has changed it: code of
// other plugins runs beside.
func (s Settings) Changes() []Change { return s.ChangesTo(ReadSettings()) }

// ChangesTo returns what had changed when now was read.
func (s Settings) ChangesTo(now Settings) (changes []Change) {
	for i, row := range settings {
		old, is := s.values[i], now.values[i]
		if same(old, is) {
			continue
		}
		c := Change{Setting: row.name, Old: row.text(old), New: row.text(is)}
		c.still = func() bool { return same(row.read(readProc()), is) }
		if row.restore != nil {
			c.restore = func() error { return row.restore(old) }
		}
		changes = append(changes, c)
	}
	return append(changes, changedVariables(s.environment, now.environment)...)
}

// changedVariables compares two environments.
func changedVariables(from, to []string) (changes []Change) {
	if slices.Equal(from, to) {
		return nil
	}
	before, now := variables(from), variables(to)
	names := map[string]bool{}
	for _, env := range []map[string]string{before, now} {
		for name := range env {
			names[name] = true
		}
	}
	for name := range names {
		old, had := before[name]
		is, has := now[name]
		if had == has && old == is {
			continue
		}
		c := Change{Setting: "environment variable " + name, Old: "unset", New: "unset"}
		c.still = func() bool { now, set := os.LookupEnv(name); return set == has && now == is }
		if had {
			c.Old = "set"
			c.restore = func() error { return os.Setenv(name, old) }
		} else {
			c.restore = func() error { return os.Unsetenv(name) }
		}
		if has {
			c.New = "set"
		}
		if had && has {
			c.New = "set otherwise"
		}
		changes = append(changes, c)
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Setting, b.Setting) })
	return changes
}

// variables returns the variables of an environment.
func variables(environment []string) map[string]string {
	values := map[string]string{}
	for _, e := range environment {
		name, value, _ := strings.Cut(e, "=")
		values[name] = value
	}
	return values
}

// barred returns the changes after which the server could no longer do its own work, such as writing to its store.
func barred(changes []Change) (bars []string) {
	for _, c := range changes {
		if slices.ContainsFunc(settings, func(row setting) bool { return row.bars && row.name == c.Setting }) {
			bars = append(bars, c.String())
		}
	}
	return bars
}

// Merged returns the changes before and then those that were made later as one list, with one change for each setting.
func Merged(before, later []Change) []Change {
	merged := slices.Clone(before)
	for _, c := range later {
		i := slices.IndexFunc(merged, func(o Change) bool { return o.Setting == c.Setting })
		switch {
		case i < 0:
			merged = append(merged, c)
		case merged[i].Old == c.New:
			merged = slices.Delete(merged, i, i+1)
		default:
			merged[i].New, merged[i].still = c.New, c.still
			merged[i].Shared = merged[i].Shared || c.Shared
		}
	}
	return merged
}

// Restore sets the settings back where the process can, and marks those. It returns the ones that stay as
// they are. What something else has changed since is left alone.
func Restore(changes []Change) (left []Change) {
	still := make([]bool, len(changes)) // asked first, as setting slog's logger sets log's as well
	for i, c := range changes {
		still[i] = c.still != nil && c.still()
	}
	for i := range changes {
		c := &changes[i]
		if !still[i] {
			continue
		}
		if c.Shared || c.restore == nil || c.restore() != nil {
			left = append(left, *c)
			continue
		}
		c.Restored = true
	}
	return left
}

// same compares two values of a setting. Values that can't be compared are the same if their types are.
func same(a, b any) bool {
	if v := reflect.ValueOf(a); v.IsValid() && !v.Comparable() {
		return reflect.TypeOf(a) == reflect.TypeOf(b)
	}
	return a == b
}
