package main

import (
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/instance"
)

// TestCheckedArguments compares the arguments of a plugin and its triggers with what an image takes. Each fault has its place, and is told
// once.
func TestCheckedArguments(t *testing.T) {
	c, err := parseConfig("x.toml", []byte(`[plugin.a]
image = "a.so"
args = { windwo = "1m", count = "three" }
[[plugin.a.trigger]]
spec = "write:cpu"
args = { count = "4" }
[[plugin.a.trigger]]
spec = "every:1m"
args = { level = "hgih" }
`))
	if err != nil {
		t.Fatal(err)
	}
	takes := &instance.Description{Described: true, Args: []instance.Argument{
		{Name: "window", Type: abi.ArgDuration, Required: true}, {Name: "count", Type: abi.ArgInt},
		{Name: "level", Type: abi.ArgString, Choices: []string{"low", "high"}},
	}}
	p := parser{at: c.at}
	p.checkArguments("a", c.Plugin["a"], takes)
	want := `4 faults in the configuration:
x.toml:3:1: plugin a: window is required
x.toml:3:10: plugin a: windwo is no argument of the plugin: did you mean window? it has window, count or level
x.toml:3:25: plugin a: count is "three": want a whole number
x.toml:9:10: plugin a, trigger every-1m: level is "hgih": want low or high`
	if err := p.failed("x.toml"); err == nil || err.Error() != want {
		t.Errorf("%v\nwant\n%s", err, want)
	}
	c.Plugin["a"].Args["count"], c.Plugin["a"].Args["window"] = "3", "1m"
	delete(c.Plugin["a"].Args, "windwo")
	delete(c.Plugin["a"].Triggers[1].Args, "level")
	p = parser{at: c.at}
	if p.checkArguments("a", c.Plugin["a"], takes); p.failed("x.toml") != nil {
		t.Error(strings.TrimSpace(p.failed("x.toml").Error()))
	}
}
