package instance

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
)

// TestCheckArgs compares arguments with descriptions. All that is wrong is reported.
func TestCheckArgs(t *testing.T) {
	described := []abi.Arg{
		{Name: "window", Help: "how long a window is", Type: abi.ArgDuration, Required: true},
		{Name: "n", Type: abi.ArgInt}, {Name: "f", Type: abi.ArgFloat}, {Name: "b", Type: abi.ArgBool},
		{Name: "how", Choices: []string{"sum", "mean", "max"}}, {Name: "text"},
	}
	for _, test := range []struct {
		described []abi.Arg
		given     map[string]string
		want      string
	}{
		{nil, map[string]string{"x": "1"}, ""},
		{[]abi.Arg{}, map[string]string{"x": "1"},
			"wrong arguments: x is no argument of the plugin: it has none; correct args in the configuration"},
		{described, map[string]string{"window": "1m", "n": "0x10", "f": "1e3", "b": "T", "how": "max", "text": ""}, ""},
		{described, nil, "wrong arguments: window is required (how long a window is); correct args in the configuration"},
		{described, map[string]string{"window": "1", "n": "1.5", "f": "x", "b": "yes", "how": "min", "y": "", "x": ""},
			`wrong arguments: window is "1": want a duration such as 10s (how long a window is); n is "1.5": want a whole number; ` +
				`f is "x": want a number; b is "yes": want true or false; how is "min": want sum, mean or max; ` +
				"x is no argument of the plugin: it has window, n, f, b, how or text; y is no argument of the plugin: it has window, n, f, b, how or text; " +
				"correct args in the configuration"},
	} {
		got := ""
		err := CheckArgs(test.described, test.given)
		if err != nil {
			got = err.Error()
		}
		if got != test.want || (err != nil) != errors.Is(err, ErrArgs) {
			t.Errorf("%v:\n%s\nwant:\n%s", test.given, got, test.want)
		}
	}
}

// TestDescription checks descriptions. All that is wrong is reported.
func TestDescription(t *testing.T) {
	for _, test := range []struct {
		described []abi.Arg
		want      string
	}{
		{nil, ""},
		{[]abi.Arg{{Name: "n", Type: abi.ArgInt, Choices: []string{"1", "0x2"}}, {Name: "text", Default: "any"}}, ""},
		{[]abi.Arg{{}, {Name: "a\nb"}, {Name: "n", Type: "integer"}, {Name: "n"}, {Name: "d", Type: abi.ArgDuration, Choices: []string{"1s", "day"}}},
			`wrong description of arguments: argument 1 has no name; "a\nb" can't be a name; n has the type "integer": want string, int, float, ` +
				`bool or duration; n is described twice; d has the choice "day": want a duration such as 10s; ` +
				`correct Args in the plugin's Descriptor and build it again`},
	} {
		got := ""
		im := Image{descriptor: &abi.Descriptor{
			ABI: abi.Version, New: func(context.Context, abi.Host) (abi.Instance, error) { return nil, nil }, Args: test.described,
		}}
		err := im.valid()
		if err != nil {
			got = err.Error()
		}
		if got != test.want || (err != nil) != errors.Is(err, ErrDescription) {
			t.Errorf("%v:\n%s\nwant:\n%s", test.described, got, test.want)
		}
	}
}

// TestMeant suggests the argument whose name is near.
func TestMeant(t *testing.T) {
	described := []abi.Arg{{Name: "window"}, {Name: "n"}, {Name: "threshold"}}
	for name, want := range map[string]string{"windwo": "did you mean window? ", "treshold": "did you mean threshold? ", "m": "", "other": ""} {
		err := CheckArgs(described, map[string]string{name: ""})
		if want := name + " is no argument of the plugin: " + want + "it has"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
