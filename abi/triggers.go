package abi

import (
	"context"
	"time"
)

// Trigger is one reason for which the server calls a plugin. The server's configuration lists them. It is never changed, and a plugin
// mustn't change it.
type Trigger struct {
	// Name is the trigger's name, which no other trigger of the plugin has.
	Name string

	// Spec says when the trigger fires: "request:PATH", "write:TABLE", "write:*", "every:DURATION" or "cron:EXPRESSION".
	Spec string

	// Args has the plugin's arguments, and over them those of the trigger.
	Args map[string]string
}

// TriggerKey is the key of a request's context under which a handler finds its trigger, a *Trigger. A request that came by one of the
// plugin's routes has none.
type TriggerKey struct{}

// BatchHandler is implemented by an instance that receives rows as they are written.
//
// What the server does after an error is the trigger's error policy:
//
//   - log: the error is logged and counted, and the batch counts as handled.
//   - retry: the same batch is delivered again, after growing pauses; when all attempts have failed, it is put into a file from which
//     `sohost` can deliver it again. Meanwhile later batches of the trigger wait.
//   - disable: the trigger is disabled until it is enabled by command. The batch stays the first that is delivered then.
//
// An error with a method `Permanent() bool` that returns true isn't retried. A panic is an error.
//
// A batch whose call ended with a crash of the process is delivered again if the server keeps a spool. A handler that must not count
// a row twice keeps the batch's Seq in its state.
type BatchHandler interface {
	// HandleBatch processes one batch. The batch is shared with other plugins and valid only until the call returns, so it must be
	// neither changed nor kept. Calls for one trigger don't overlap and come in the order of the writes; those of several triggers may
	// overlap.
	HandleBatch(ctx context.Context, b *Batch) error
}

// ScheduleHandler is implemented by an instance that is called at set times. Errors are handled as those of a BatchHandler.
type ScheduleHandler interface {
	// HandleSchedule does the work due at one time. Calls for one trigger don't overlap: times that pass during a call are
	// skipped.
	HandleSchedule(ctx context.Context, t Tick) error
}

// Tick is one due time of a schedule.
type Tick struct {
	Trigger *Trigger

	// Due is the time the call was meant for, which may lie before the present.
	Due time.Time

	// Skipped counts the times since the last call that were skipped, because that call was still running or because no server ran.
	Skipped int

	// Attempt is 1, or more if the call is repeated after an error.
	Attempt int
}

// Batch holds rows that were written together, by table. Rows of one table are in the order in which they were written.
type Batch struct {
	Trigger *Trigger

	// Database names the database that the rows were written to.
	Database string

	// Seq grows with each write that the server has acknowledged, also over restarts if it keeps a spool, and is 0 if it keeps none. A
	// batch that is delivered again has the same Seq.
	Seq uint64

	// Attempt is 1, or more if the batch is delivered again.
	Attempt int

	Tables []Table
}
