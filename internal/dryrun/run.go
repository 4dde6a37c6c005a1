package dryrun

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/self"
	"github.com/sohost/sohost/internal/state"
	"github.com/sohost/sohost/internal/wall"
)

// Run carries out an order in a child process of the same program. It blocks until the child has ended, and kills it when ctx ends
// or its time is up.
//
// What the plugin does wrong is in the result, and if ctx's deadline has passed, that and all until then. The error says why there is no
// result: ErrOrder if the order can't be carried out, or the cause of ctx's end if it was cancelled.
func Run(ctx context.Context, o Order) (Result, error) {
	o, err := o.resolved()
	if err != nil {
		return Result{}, err
	}
	if !filepath.IsAbs(o.Image) {
		return Result{}, fmt.Errorf("%w: image %s: want an absolute path", ErrOrder, o.Image)
	}
	id, err := hash(o.Image)
	if err != nil {
		return Result{}, fmt.Errorf("dry run: %w", err)
	}
	order, err := json.Marshal(task{o, id.Short()})
	if err != nil {
		return Result{}, fmt.Errorf("dry run: %w", err)
	}
	c := newCollector(o)
	c.Image = id
	var printed beginning
	var behind wall.Wall
	started, err := behind.Start(wall.Options{Limit: o.limit()}, func() *exec.Cmd {
		cmd := self.Command(context.Background(), "")
		cmd.Env = append(os.Environ(), dryRunEnv+"=1")
		cmd.Stdout, cmd.Stderr = c, &printed
		return cmd
	})
	if err != nil {
		return Result{}, fmt.Errorf("dry run: start a child: %w", err)
	}
	out, err := started.Wait(ctx, o.limit(), order)
	if errors.Is(ctx.Err(), context.Canceled) {
		return Result{}, context.Cause(ctx)
	}
	c.Printed, c.Tried = printed.b.String(), out.Tried
	c.Lacking = lacking(out.Layers)
	if !c.ended {
		c.died(ended(out, err))
	}
	c.compare()
	return c.finish(), nil
}

// task is what a child is told.
type task struct {
	Order
	Generation string `json:"generation"` // the image's short id
}

// hash returns the id of an image.
func hash(file string) (id generations.ID, err error) {
	info, err := os.Stat(file)
	if err == nil && !info.Mode().IsRegular() { // opening a pipe would block
		err = fmt.Errorf("%s is no regular file", file)
	}
	if err != nil {
		return id, err
	}
	f, err := os.Open(file)
	if err != nil {
		return id, err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	sum.Sum(id[:0])
	return id, err
}

// ended says how a child has ended that has not told its end.
func ended(out wall.Outcome, err error) string {
	switch {
	case out.Harm != "":
		return "it tried to " + out.Harm + ", and its process was ended for that"
	case errors.Is(err, wall.ErrLimit):
		return fmt.Sprintf("it has not returned, and its process was ended: %v", err)
	case err != nil:
		return err.Error()
	case out.Status == nil:
		return "it has ended its process, with exit status 0; in a server that would end the worker"
	}
	return fmt.Sprintf("it has ended its process: %v; in a server that would end the worker", out.Status)
}

// lacking names the layers of the wall that aren't in force, with the reasons, if the child could do what only they prevent. What the filter
// of system calls is there for, it does alone.
func lacking(layers []wall.Layer) (missing []string) {
	for _, l := range layers {
		if l.Name == wall.Calls && l.InForce {
			return nil
		}
		if !l.InForce {
			missing = append(missing, fmt.Sprintf("%s: %s; %s", l.Name, l.Why, l.Remedy))
		}
	}
	return missing
}

// maxStateJSON bounds what a state's JSON may take, in bytes.
const maxStateJSON = 4 << 20

// compare reads the two states.
func (c *collector) compare() {
	if c.before == nil && c.after == nil {
		return
	}
	var change StateChange
	change.Before, change.Why = stateJSON(c.before)
	after, why := stateJSON(c.after)
	if change.After = after; change.Why == "" {
		change.Why = why
	}
	c.State = &change
}

// stateJSON returns a state as JSON, or why there is none.
func stateJSON(s *takenState) (json.RawMessage, string) {
	if s == nil {
		return nil, "the plugin has not come so far"
	}
	if s.Why != "" {
		return nil, s.Why
	}
	tree, err := state.ReadTree(bytes.NewReader(s.Bytes), state.DecodeOptions{})
	var b bytes.Buffer
	if err == nil {
		err = tree.WriteJSON(&b)
	}
	switch {
	case err != nil:
		return nil, err.Error()
	case b.Len() > maxStateJSON:
		return nil, fmt.Sprintf("its JSON would take %d bytes, more than %d", b.Len(), maxStateJSON)
	}
	return bytes.TrimSpace(b.Bytes()), ""
}

// beginning keeps the beginning of what is written to it. The buffer isn't embedded: its ReadFrom would take all there is.
type beginning struct{ b bytes.Buffer }

// maxPrinted is how much of a child's output is kept, in bytes.
const maxPrinted = 16 << 10

func (b *beginning) Write(p []byte) (int, error) {
	b.b.Write(p[:min(len(p), maxPrinted-b.b.Len())])
	return len(p), nil
}
