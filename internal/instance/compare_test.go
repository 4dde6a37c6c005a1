package instance

import (
	"slices"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
)

// TestCompare compares the states that two images declare.
func TestCompare(t *testing.T) {
	type old struct{ N, Gone int }
	type same struct{ N, Gone int }
	type less struct{ N int }
	type other struct{ Total int }
	type strange struct{ N string }
	s := func(version int, value any) abi.State { return abi.State{Schema: "s", Version: version, Value: value} }
	for _, test := range []struct {
		next    abi.State
		outcome Outcome
		lost    string
		why     string
	}{
		{s(1, &same{}), Adopted, "", ""},
		{s(1, &less{}), Converted, "state.Gone", ""},
		{s(2, &less{}), Imported, "state.Gone", ""},
		{s(1, &other{}), Emptied, "state.N,state.Gone", "state: no field is left"},
		{s(1, &strange{}), Imported, "", "state.N: type changed int → string"},
		{abi.State{}, Unknown, "", ""},
	} {
		c := compare(s(1, &old{}), test.next)
		var why []string
		for _, r := range c.Why {
			why = append(why, r.String())
		}
		if c.Outcome != test.outcome || strings.Join(c.Lost, ",") != test.lost || strings.Join(why, ",") != test.why {
			t.Errorf("%T: %+v", test.next.Value, c)
		}
	}
	if c := compare(s(1, &old{}), s(1, func() {})); c.Uncheckpointable == "" {
		t.Errorf("a function: %+v", c)
	}
	c := Comparison{Lost: make([]string, mostReported+7)}.short()
	if len(c.Lost) != mostReported+1 || !slices.Contains(c.Lost, "and 7 more") {
		t.Errorf("it lists %d", len(c.Lost))
	}
}
