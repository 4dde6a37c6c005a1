package instance

import (
	"errors"
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

// TestCompareInstances compares images of which one has no state, or has another one than it declares.
func TestCompareInstances(t *testing.T) {
	declares := abi.Descriptor{State: abi.State{Schema: "s", Version: 2, Value: 0}}
	stateful := func(exports any) *Image {
		return imageOf(newHolder(exports), nil, declares)
	}
	stateless := imageOf(&steps{}, nil, declares)
	silent := imageOf(&steps{}, nil, abi.Descriptor{})
	broken := imageOf(nil, errors.New("no port is free"), declares)
	for name, test := range map[string]struct {
		old, next              *Image
		outcome                Outcome
		lost, mismatch, unmade string
	}{
		"both have state":           {stateful(0), stateful(0), Adopted, "", "", ""},
		"the new one lost it":       {stateful(0), stateless, Emptied, "everything", "", ""},
		"and declares none":         {stateful(0), silent, Emptied, "everything", "", ""},
		"the old one has none":      {stateless, stateful(0), Stateless, "", "", ""},
		"neither has":               {silent, silent, Stateless, "", "", ""},
		"exports another type":      {stateful(0), stateful("a"), Adopted, "", "Export returns a string", ""},
		"New of the new one fails":  {stateful(0), broken, Adopted, "", "", "New: no port is free"},
		"New of the old one fails":  {broken, stateless, Emptied, "everything", "", ""},
		"New of both of them fails": {broken, broken, Adopted, "", "", "New: no port is free"},
	} {
		c := compare(test.old.Wants(), test.next.Wants())
		c.meet(test.old, test.next)
		if c.Outcome != test.outcome || strings.Join(c.Lost, ",") != test.lost || !strings.HasPrefix(c.Mismatch, test.mismatch) ||
			(c.Mismatch == "") != (test.mismatch == "") || c.Unmade != test.unmade {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
