package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/internal/terminal"
	"github.com/spf13/cobra"
)

// checkStateLimit is how long opening two images may take.
const checkStateLimit = time.Minute

// checkedState is what `sohost check --state` reports.
type checkedState struct {
	From string `json:"from"` // the files
	To   string `json:"to"`
	instance.Comparison
}

// checkState says what a deploy of the second image would do to the state of the first.
func checkState(cmd *cobra.Command, files []string, asJSON bool) error {
	if len(files) != 2 {
		return usageError{errors.New("--state: name two images, the one that serves and the one that is to be deployed")}
	}
	process, err := hostProcess("")
	if err != nil {
		return err
	}
	for i, file := range files {
		if r := checkImage(file, "", process); !r.OK {
			return fmt.Errorf("%s can't be loaded: %s", file, r.Message)
		}
		if files[i], err = filepath.Abs(file); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), checkStateLimit)
	defer cancel()
	c, err := instance.CompareStates(ctx, files[0], files[1])
	if err != nil {
		return err
	}
	r := checkedState{files[0], files[1], c}
	if asJSON {
		err = printJSON(cmd.OutOrStdout(), r)
	} else {
		err = r.print(cmd.OutOrStdout())
	}
	if err == nil && c.Outcome == instance.Emptied {
		err = errors.New("the image would be refused, unless it is deployed with --lose-state")
	}
	return err
}

// unnamed says which of the images doesn't name the type of its state.
func (r checkedState) unnamed() string {
	switch {
	case r.Old == "" && r.New == "":
		return "neither image names the type of a state"
	case r.New == "":
		return "the new image names no type of a state"
	}
	return "the old image names no type of a state"
}

func (r checkedState) print(w io.Writer) error {
	says := map[instance.Outcome]string{
		instance.Adopted:   "adopt: the state is passed on as it is",
		instance.Converted: "convert: the state is copied, field by field",
		instance.Imported:  "import: the new code's Import decides; code that takes only its own type, such as with abi/keep, refuses",
		instance.Unknown:   "unknown: " + r.unnamed() + " in Descriptor.State; only a deploy can tell",
		instance.Stateless: "none: the old code has no state",
		instance.Emptied:   "refuse: state would be lost",
	}
	styles := map[instance.Outcome]terminal.Style{
		instance.Adopted: terminal.Good, instance.Converted: terminal.Good, instance.Imported: terminal.Notice, instance.Unknown: terminal.Notice,
		instance.Emptied: terminal.Bad,
	}
	verdict, about, _ := strings.Cut(says[r.Outcome], ":")
	lines := []string{terminal.LookOf(w).Paint(styles[r.Outcome], verdict) + ":" + about}
	list := func(label string, items []string) {
		if len(items) > 0 {
			lines = append(lines, label+": "+strings.Join(items, ", "))
		}
	}
	list("lost", r.Lost)
	list("added", r.Added)
	list("renamed", r.Renamed)
	list("retyped", r.Retyped)
	var why []string
	for _, reason := range r.Why {
		why = append(why, reason.String())
	}
	list("why", why)
	if r.Uncheckpointable != "" {
		lines = append(lines, "a state of the new code gets no checkpoints, so a restart loses it: "+r.Uncheckpointable)
	}
	if r.Mismatch != "" {
		lines = append(lines, r.Mismatch)
	}
	if r.Unmade != "" {
		lines = append(lines, "only what the images declare was compared: "+r.Unmade)
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
