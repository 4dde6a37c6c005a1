package sohost

import (
	"context"
	"errors"
	"fmt"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/instance"
	"github.com/sohost/sohost/native"
)

// fitProgram makes every image of the plan fit the program that the taker runs. A plugin whose image doesn't fit gets
// its configured file instead, which may have been rebuilt for that program. The error has every reason of every
// plugin.
func (g *giver) fitProgram(ctx context.Context, p *plan) error {
	if g.opts.Program == "" {
		return nil
	}
	process, err := native.ProcessOf(g.opts.Program)
	if err != nil {
		return fmt.Errorf("program %s: %w", g.opts.Program, err)
	}
	var errs []error
	there := &fitting{process: process, opened: map[generations.ID]bool{}}
	for i := range p.Plugins {
		err := g.fitPlugin(ctx, p, there, &p.Plugins[i])
		if errors.Is(err, native.HostCannotLoad) {
			return fmt.Errorf("program %s: it can't load plugins; name a sohost that was built with cgo", g.opts.Program)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%w\nbuild the plugins for that program with `sohost build --host %s`, and name their images",
			err, g.opts.Program)
	}
	return nil
}

// fitting is the process of a program as it will be with the images that fit it.
type fitting struct {
	process *native.Process
	opened  map[generations.ID]bool // plugins may share one
}

// fitPlugin makes one plugin's image fit. Images are checked one after the other because each must fit the ones before it, too.
func (g *giver) fitPlugin(ctx context.Context, p *plan, there *fitting, e *planEntry) error {
	err := g.fits(there, e)
	if err == nil || errors.Is(err, native.HostCannotLoad) || e.Cause != "" { // with a cause, someone has asked for this very image
		return err
	}
	owner, unknown := g.host.plugin(e.Plugin.Name)
	if unknown != nil {
		owner = g.host.newPlugin(e.Plugin) // the configuration adds it
	}
	before := *e
	fileErr := g.addImage(ctx, p, owner, e.Plugin.Image)
	if fileErr == nil {
		fileErr = g.fits(there, e)
	}
	switch {
	case fileErr == nil:
		return nil
	case before.Next.Image == e.Next.Image: // the file has the same image: one reason is enough
		return err
	case before.Next.Image.IsZero(): // nothing serves here, and nothing need serve there
		*e = before
		return nil
	}
	return errors.Join(err, fileErr)
}

// fits adds the plugin's next image to what is there, or says why it doesn't fit.
func (g *giver) fits(there *fitting, e *planEntry) error {
	if e.Next.Image.IsZero() {
		return e.refusal(errors.New("nothing serves"))
	}
	if there.opened[e.Next.Image] {
		return nil
	}
	object, err := g.host.store.Object(e.Next.Image)
	if err != nil {
		return e.refusal(err)
	}
	info, err := instance.CheckFor(object.Path, e.Plugin.API, there.process)
	if err != nil {
		return e.refusal(err)
	}
	there.process, there.opened[e.Next.Image] = there.process.With(object.Path, info), true
	return nil
}
