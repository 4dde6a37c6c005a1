package abi

import (
	"context"
	"time"
)

// BatchHandler is implemented by an instance that receives points as they are written. It is reserved: no host calls it yet.
type BatchHandler interface {
	// HandleBatch processes one batch. The batch is shared with other plugins and valid only until the call returns, so it
	// must be neither changed nor kept. An error is reported; the batch is not delivered again.
	HandleBatch(ctx context.Context, b *Batch) error
}

// ScheduleHandler is implemented by an instance that is called at set times. It is reserved: no host calls it yet.
type ScheduleHandler interface {
	// HandleSchedule does the work due at one time. Calls for one trigger don't overlap: times that pass during a call are
	// skipped.
	HandleSchedule(ctx context.Context, t Tick) error
}

// Tick is one due time of a schedule.
type Tick struct {
	// Trigger names the schedule in the server's configuration.
	Trigger string

	// Due is the time the call was meant for, which may lie before the present.
	Due time.Time
}

// Batch holds points that were written together, in the order in which they arrived.
type Batch struct {
	// Trigger names the subscription in the server's configuration.
	Trigger string

	// Database names the database that the points were written to.
	Database string

	Points []Point
}

// Point is one row of a time series.
type Point struct {
	Table  string
	Tags   []Tag
	Fields []Field

	// Time is the point's own time. The zero Time means the time of arrival.
	Time time.Time
}

// Tag is a dimension of a Point.
type Tag struct {
	Key, Value string
}

// Field is a measured value of a Point.
type Field struct {
	Key string

	// Value is an int64, uint64, float64, bool or string.
	Value any
}
