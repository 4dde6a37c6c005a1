package abi

import (
	"context"
	"time"
)

// BatchHandler is implemented by an instance that takes points as they are written.
type BatchHandler interface {
	// HandleBatch works on one batch. The batch is shared with other plugins and valid only until the call returns:
	// it must be neither changed nor kept. An error is reported; the batch is not delivered again.
	HandleBatch(ctx context.Context, b *Batch) error
}

// ScheduleHandler is implemented by an instance that is called at set times.
type ScheduleHandler interface {
	// HandleSchedule does the work due at one time. Calls of one trigger don't overlap: times that pass while a call
	// runs are skipped.
	HandleSchedule(ctx context.Context, t Tick) error
}

// Tick is one due time of a schedule.
type Tick struct {
	// Trigger names the schedule in the server's configuration.
	Trigger string

	// Due is the time the call was meant for, which may lie before the present.
	Due time.Time
}

// Batch is a number of points that were written together, in the order in which they came.
type Batch struct {
	// Trigger names the subscription in the server's configuration.
	Trigger string

	// Database names where the points were written.
	Database string

	Points []Point
}

// Point is one row of a time series.
type Point struct {
	Table  string
	Tags   []Tag
	Fields []Field

	// Time is the point's own time. The zero Time stands for the time of arrival.
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
