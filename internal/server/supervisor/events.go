package supervisor

import (
	"time"

	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
	"github.com/sohost/sohost/internal/server/hooks"
)

// happened adds an event of the supervisor's own.
func (s *Supervisor) happened(kind generations.Kind, detail string) {
	s.events.Add(0, generations.Event{Kind: kind, Detail: detail})
}

// Events returns what happens in the server, in all its processes.
func (s *Supervisor) Events() *events.Log { return s.events }

const (
	// hookPause is how long the first attempt of a hook that failed is followed by nothing.
	hookPause = time.Second

	// lastHooks is how long the end of the server waits until hooks were told of what has happened.
	lastHooks = 5 * time.Second

	// killedHooks is how long it then waits for their commands, which are killed.
	killedHooks = 3 * time.Second
)

// keepEvents makes a log the one that gets what happens, and that hooks are told of once Run begins.
func (s *Supervisor) keepEvents(log *events.Log) {
	s.events = log
	s.hooks = hooks.NewRunner(hooks.Options{
		Events: log, Log: s.log, Start: s.children.start, Ended: s.children.forget, Pause: hookPause, Grace: killedHooks,
	})
}
