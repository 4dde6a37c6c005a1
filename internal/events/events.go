// Package events keeps what has happened in a server lately, in order, for readers who come late or read slowly. Who tells of an event
// never waits for a reader: the oldest events make room for new ones, and a reader is told how many it has missed.
//
// A worker tells its supervisor through a Queue; the supervisor's Log has the events of all workers and its own.
package events

import "github.com/sohost/sohost/generations"

// Event is something that happened, with its number in the Log.
type Event struct {
	// Seq is one more than that of the event before. An event that a worker could not tell of has a number, too.
	Seq uint64 `json:"seq"`

	// Worker is the process that tells of it; 0: the supervisor.
	Worker int `json:"worker,omitempty"`

	generations.Event
}
