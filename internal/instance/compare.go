package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/internal/self"
	"github.com/sohost/sohost/internal/state"
	"github.com/sohost/sohost/internal/wall"
)

// compareEnv makes a process the child of a comparison, as probeEnv that of a probe. Its value is a compareOrder, as JSON.
const compareEnv = "SOHOST_COMPARE"

// compareOrder is what a child is to compare.
type compareOrder struct {
	Old  string `json:"old"`
	New  string `json:"new"`
	Bare bool   `json:"bare,omitempty"` // by what they declare: no instance is made
}

func init() {
	if images := os.Getenv(compareEnv); images != "" {
		os.Exit(compareChild(images))
	}
}

// Outcome is what would become of a state when one image takes the place of another.
type Outcome string

const (
	Adopted   Outcome = "adopt"   // the memory is passed on, or the same type is copied if the plugin has no Adopt
	Converted Outcome = "convert" // it is copied, field by field
	Imported  Outcome = "import"  // the new code's Import alone decides: Schema or Version differs, or types can't be converted
	Unknown   Outcome = "unknown" // an image's Descriptor doesn't name the type of its state
	Stateless Outcome = "none"    // the old code has no state
	Emptied   Outcome = "refuse"  // it would be refused without an order to lose state
)

// Comparison is what the types of two images, and a fresh instance of each, say about a move of state from the old to the new. It
// can't know what values hold.
type Comparison struct {
	Outcome Outcome `json:"outcome"`
	Old     string  `json:"old,omitempty"` // type, schema and version
	New     string  `json:"new,omitempty"`
	state.Changes

	// Lost lists the fields whose values would be lost, and Why says what the outcome is due to.
	Lost []string       `json:"lost,omitempty"`
	Why  []state.Reason `json:"why,omitempty"`

	// Uncheckpointable says why the new state can't be written to a checkpoint; empty if it can.
	Uncheckpointable string `json:"uncheckpointable,omitempty"`

	// Mismatch says how what the new code's Export returns differs from what its Descriptor says; empty if it doesn't, or if that
	// isn't known.
	Mismatch string `json:"mismatch,omitempty"`

	// Unmade says why there is no instance of the new code: then its Descriptor alone was looked at. It is empty if there is one.
	Unmade string `json:"unmade,omitempty"`
}

// compare compares the states that two images declare.
func compare(has, wants abi.State) Comparison {
	c := Comparison{Outcome: Unknown, Old: describe(has), New: describe(wants)}
	from, to := reflect.TypeOf(has.Value), reflect.TypeOf(wants.Value)
	if to == nil {
		c.Uncheckpointable = errNoType.Error()
	} else if err := state.Encodable(to); err != nil {
		c.Uncheckpointable = err.Error()
	}
	if from == nil || to == nil {
		return c
	}
	plan := state.Compare(from, to)
	c.Changes, c.Lost = plan.Changes, plan.Changes.Removed
	switch {
	case plan.Way == state.None:
		c.Outcome, c.Why, c.Changes, c.Lost = Imported, plan.Reasons, state.Changes{}, nil
	case plan.Way == state.ByConversion && len(plan.Emptied) > 0:
		c.Outcome = Emptied
		for _, path := range plan.Emptied {
			c.Why = append(c.Why, state.Reason{Path: path, Text: "no field is left"})
		}
	case has.Schema != wants.Schema || has.Version != wants.Version:
		c.Outcome = Imported
	case plan.Way == state.ByConversion:
		c.Outcome = Converted
	default:
		c.Outcome = Adopted
	}
	return c
}

func describe(s abi.State) string {
	if s.Value == nil {
		return ""
	}
	return fmt.Sprintf("%T, %s version %d", s.Value, s.Schema, s.Version)
}

// comparison is what the child reports.
type comparison struct {
	Comparison Comparison `json:"comparison"`
	Error      string     `json:"error,omitempty"`
}

func compareChild(text string) int {
	os.Unsetenv(compareEnv)
	inside, err := wall.Enter()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var order compareOrder
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		return 1
	}
	var r comparison
	var images []*Image
	for _, file := range []string{order.Old, order.New} {
		image, err := Open(context.Background(), file)
		if err != nil {
			r.Error = fmt.Sprintf("%s: %v", file, err)
			break
		}
		images = append(images, image)
	}
	if r.Error == "" {
		r.Comparison = compare(images[0].Wants(), images[1].Wants())
		if !order.Bare {
			r.Comparison.meet(images[0], images[1])
		}
		r.Comparison = r.Comparison.short()
	}
	if inside.Report(r) != nil {
		return 1
	}
	return 0
}

// mostReported is how many fields a comparison lists of each kind, so that it fits into a message of the wall.
const mostReported = 50

func (c Comparison) short() Comparison {
	for _, list := range []*[]string{&c.Added, &c.Removed, &c.Renamed, &c.Retyped, &c.Lost} {
		if n := len(*list) - mostReported; n > 0 {
			*list = append((*list)[:mostReported:mostReported], fmt.Sprintf("and %d more", n))
		}
	}
	c.Why = c.Why[:min(len(c.Why), mostReported)]
	return c
}

// CompareStates opens two images in a child process of the same program, behind a wall as in a probe, and compares the states that they
// declare. The init functions of both run there, and New of both, and Export of the new one. If New ends the child, a second one only
// opens them. CompareStates blocks until the child has ended, and kills it when ctx ends. The error says why an image can't be opened, or
// how it has ended the child.
func CompareStates(ctx context.Context, old, next string) (Comparison, error) {
	c, ended, err := compareInChild(ctx, compareOrder{Old: old, New: next})
	if ended && ctx.Err() == nil {
		why := err.Error()
		if c, _, err = compareInChild(ctx, compareOrder{Old: old, New: next, Bare: true}); err == nil {
			c.Unmade = why
		}
	}
	return c, err
}

// compareInChild is CompareStates for one child. ended reports whether the plugins' code is the reason for the error.
func compareInChild(ctx context.Context, order compareOrder) (c Comparison, ended bool, err error) {
	text, err := json.Marshal(order)
	if err != nil {
		return Comparison{}, false, err
	}
	var output firstOutput
	var behind wall.Wall
	out, err := behind.Run(ctx, wall.Options{}, func() *exec.Cmd {
		cmd := self.Command(context.Background(), "")
		cmd.Env = append(os.Environ(), compareEnv+"="+string(text))
		cmd.Stdout, cmd.Stderr = &output, &output
		return cmd
	})
	var r comparison
	reported := out.Report != nil && json.Unmarshal(out.Report, &r) == nil
	does := "opening them"
	if !order.Bare {
		does = "opening them and calling New"
	}
	switch {
	case out.Harm != "":
		return Comparison{}, true, fmt.Errorf("%s, they tried to %s", does, out.Harm)
	case err != nil:
		return Comparison{}, false, fmt.Errorf("%s in a child process: %w", does, err)
	case !reported:
		return Comparison{}, true, fmt.Errorf("%s ended the child process that tried: %s%s", does, exitStatus(out.Status), output.String())
	case r.Error != "":
		return Comparison{}, false, errors.New(r.Error)
	}
	return r.Comparison, false, nil
}
