package supervisor

import (
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/internal/events"
)

// happened adds an event of the supervisor's own.
func (s *Supervisor) happened(kind generations.Kind, detail string) {
	s.events.Add(0, generations.Event{Kind: kind, Detail: detail})
}

// Events returns what happens in the server, in all its processes.
func (s *Supervisor) Events() *events.Log { return s.events }
