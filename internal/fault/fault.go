// Package fault is where tests let operations between processes fail: messages, files, sockets, and processes that are started.
// Every such operation asks At first. In a server nothing is ever set, and At costs one load.
//
// A test that goes through all operations records their names in a first run and lets one fail in each further run, so an operation
// that is added later is covered without a change of the test.
package fault

import (
	"errors"
	"sync/atomic"
	"time"
)

// Action is what becomes of an operation.
type Action int

// The actions. Not every operation knows all of them: one that doesn't know an action fails.
const (
	None    Action = iota
	Fail           // it returns Err, and has done nothing
	Lose           // it reports success and has done nothing: what is sent never arrives, what is received is as if it hadn't
	NoFiles        // a message is without its files
	Stall          // it does nothing for as long as the peer waits, then it fails
	Die            // the process is killed
)

// Err is the error of an operation that fails.
var Err = errors.New("a test lets this fail")

// Hook decides about an operation: its kind, such as "send", and what it is about, such as the name of the message. The duration is how
// long a Stall lasts. It may be called from any goroutine.
type Hook func(kind, what string) (Action, time.Duration)

var hook atomic.Pointer[Hook]

// Set makes h decide about all operations of this process, until restore is called. It is for tests only.
func Set(h Hook) (restore func()) {
	before := hook.Swap(&h)
	return func() { hook.Store(before) }
}

// On reports whether a hook is set: what an operation is about need only be found out then.
func On() bool { return hook.Load() != nil }

// At asks what is to become of an operation.
func At(kind, what string) (Action, time.Duration) {
	if h := hook.Load(); h != nil {
		return (*h)(kind, what)
	}
	return None, 0
}

// Error returns Err if the operation is not to be done, for those that can only fail. It kills the process for Die.
func Error(kind, what string) error {
	switch action, stall := At(kind, what); action {
	case None:
		return nil
	case Die:
		Kill()
	case Stall:
		time.Sleep(stall)
	}
	return Err
}
