package instance

import (
	"context"
	"errors"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/keep"
)

type (
	plainState struct{ M map[string]int }
	keptState  struct{ M keep.Map[string, int] }
	twoStates  struct{ A, B keep.Map[string, int] }

	plainKeeper struct {
		steps
		keep.Of[plainState]
	}
	deepKeeper  struct{ plainKeeper }
	ownKeeper   struct{ plainKeeper } // has an Export of its own
	valueKeeper struct{ ownKeeper }
	keptKeeper  struct {
		steps
		keep.Of[keptState]
	}
	twoKeeper struct {
		steps
		keep.Of[twoStates]
	}
)

func (*ownKeeper) Export(context.Context) (abi.State, error) { return abi.State{}, nil }

// TestLiveExport refuses an instance whose Export would return what calls change, if it says that calls needn't wait for it.
func TestLiveExport(t *testing.T) {
	plain := keep.Prototype[plainState]("s", 1)
	for name, c := range map[string]struct {
		value   abi.Instance
		state   abi.State
		refused bool
		alone   bool
	}{
		"Go map":           {&plainKeeper{}, plain, true, false},
		"embedded twice":   {&deepKeeper{}, plain, true, false},
		"own Export":       {&ownKeeper{}, plain, false, false},
		"inherited Export": {&valueKeeper{}, plain, false, false},
		"keep.Map":         {&keptKeeper{}, keep.Prototype[keptState]("s", 1), false, true},
		"two keep.Maps":    {&twoKeeper{}, keep.Prototype[twoStates]("s", 1), false, false},
		"no state":         {&steps{}, abi.State{}, false, false},
	} {
		_, err := New(limited(t), imageOf(c.value, nil, abi.Descriptor{State: c.state, ConcurrentExport: true}), nil, nil, nil, notLate(t))
		if errors.Is(err, ErrLiveExport) != c.refused || (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
		in := instantiate(t, c.value, abi.Descriptor{State: c.state})
		if in.NeedsNoPause() != c.alone {
			t.Errorf("%s: needs no pause: %v", name, in.NeedsNoPause())
		}
	}
}
