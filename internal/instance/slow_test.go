package instance

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/internal/state"
)

// TestSlowStep runs out of time in the conversion, in the copy and in the reading of a state: each is named, and not the
// plugin's Import after it. The reading alone may take longer, if the rest has a limit of its own.
func TestSlowStep(t *testing.T) {
	many := map[int]tally{}
	for i := range 20_000 {
		many[i] = tally{i}
	}
	errSlow := errors.New("over its time limit")
	ctx, cancel := context.WithDeadlineCause(t.Context(), time.Now(), errSlow)
	defer cancel()
	converts, copies := instantiate(t, newHolder(nil), stateOf(map[int]wider(nil))), instantiate(t, newHolder(nil), stateOf(map[int]tally(nil)))
	var stream bytes.Buffer
	if err := Encode(&stream, given(many), 0); err != nil {
		t.Fatal(err)
	}
	for step, accept := range map[string]func() (Taken, error){
		"conversion of the state": func() (Taken, error) { return converts.Accept(ctx, given(many), state.Options{}, true) },
		"copy of the state":       func() (Taken, error) { return copies.Accept(ctx, given(many), state.Options{}, true) },
		"reading of the state": func() (Taken, error) {
			return copies.AcceptStream(ctx, bytes.NewReader(stream.Bytes()), state.Options{})
		},
	} {
		if _, err := accept(); !errors.Is(err, errSlow) || !strings.Contains(err.Error(), step) || !strings.Contains(err.Error(), "20000 entries") {
			t.Errorf("%s: %v", step, err)
		}
	}
	limit := func() (context.Context, context.CancelFunc) { return context.WithTimeout(t.Context(), time.Hour) }
	if _, err := copies.AcceptStreamWith(ctx, bytes.NewReader(stream.Bytes()), state.Options{}, Hooks{Limit: limit}); err != nil {
		t.Errorf("with a limit of its own: %v", err)
	}
}
