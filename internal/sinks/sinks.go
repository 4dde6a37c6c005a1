// Package sinks stores the rows that plugins emit: in an InfluxDB or whatever takes its writes, in files, or in the log; or writes them to other
// plugins.
package sinks

import (
	"context"
	"errors"
	"time"

	"github.com/sohost/sohost/abi"
)

// Sink is a place for rows. Its methods may be called from any goroutine.
type Sink interface {
	// Write accepts rows, all or none. Accepted rows survive the death of the process if the sink says so.
	Write(ctx context.Context, tables []abi.Table) error

	// Status returns what has become of the rows so far.
	Status() Status

	// Close ends the sink. Rows that are accepted but not stored yet stay where the next process finds them. ctx bounds how long a write
	// that runs is waited for.
	Close(ctx context.Context) error
}

// Status is what has become of rows.
type Status struct {
	Name     string    `json:"name"`
	Kind     string    `json:"kind"`   // influx, file, log or plugins
	Target   string    `json:"target"` // an URL without its password, a path, or tables
	Accepted uint64    `json:"accepted"`
	Stored   uint64    `json:"stored"`
	Refused  uint64    `json:"refused"`            // rows that the target doesn't take
	Lacking  uint64    `json:"lacking"`            // rows without some or all values, because line protocol can't express them
	Spooled  int64     `json:"spooled,omitempty"`  // bytes on disk
	Failing  time.Time `json:"failing,omitzero"`   // since when writes fail
	Error    string    `json:"error,omitempty"`    // why they do
	Attempts int       `json:"attempts,omitempty"` // since then
}

// ErrFull is wrapped by the error of a Write for which there is no room. Nothing of it is accepted.
var ErrFull = errors.New("the sink has no room for more rows now")
