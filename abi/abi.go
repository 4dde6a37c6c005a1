// Package abi is the contract between a sohost server and the plugins it loads. It is the one package besides the
// standard library that both share, so its types, and only its types, are the same on both sides.
//
// The package is frozen. The Go linker compares a hash of it that covers even the positions of its declarations: any edit,
// a comment included, makes every plugin built before it unloadable until it is rebuilt. It holds types and constants only,
// and imports only the standard library.
//
// # A plugin
//
// A plugin is a package main that exports one variable called Plugin:
//
//	package main
//
//	import (
//		"context"
//		"fmt"
//		"net/http"
//
//		"github.com/sohost/sohost/abi"
//	)
//
//	var Plugin = abi.Descriptor{
//		ABI: abi.Version,
//		New: func(context.Context, abi.Host) (abi.Instance, error) {
//			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//				fmt.Fprintln(w, "hello")
//			}), nil
//		},
//	}
//
//	func main() {}
//
// # The life of an instance
//
// Each generation of a plugin gets one instance. The host calls, in this order:
//
//	New                          the previous generation still serves
//	Import        (Stateful)     callers wait; the previous generation has been stopped and has no call running
//	Start         (Starter)      background work begins
//	ServeHTTP, HandleBatch, …    any number at once, from many goroutines
//	Stop          (Starter)      background work ends; the calls have already ended
//	Export        (Stateful)     the next generation, or a checkpoint, takes the state
//	Close         (io.Closer)    the instance is never used again
//
// When a step fails, whatever has begun is undone and the previous generation goes on: after a failed Import or Start the
// previous instance is started again and its callers proceed. An instance whose Start was never called gets no Stop, but
// always its Close. Every method but the handlers is called from one goroutine at a time; a panic in any of them counts as
// an error.
//
// # What must not leave an instance
//
// The code of a generation is never unmapped, so nothing crashes when it is still referred to; but what a plugin registers
// in the standard library (sql.Register, expvar.Publish, http.DefaultServeMux, flag, gob) is shared by all generations and
// can't be registered twice, and a goroutine that outlives Stop runs old code for ever. Keep what you need in the instance.
//
// The init functions of an image run once in a throwaway process, where the server tries it, before they run in the server:
// leave what takes ports, files or time to New and Start.
package abi

import "context"

// Version is the version of this contract. A plugin states the version it was written for in its Descriptor.
const Version = 1

// Symbol is the name of the variable of type Descriptor that every plugin exports.
const Symbol = "Plugin"

// Descriptor is what a plugin exports, as a package-level variable named Plugin. The host reads it once, right after the
// image is opened, and never writes to it.
type Descriptor struct {
	// ABI must be Version.
	ABI int

	// Version is the plugin's own version, in any form. It is shown beside the generation and has no other effect.
	Version string

	// New makes the instance of one generation. It must not block for long: ctx ends when the host gives up waiting,
	// by default after 10 seconds. After an error the previous generation goes on serving.
	New func(ctx context.Context, host Host) (Instance, error)

	// State says what state the instances have: the Schema and Version that Export gives and Import takes, and in Value
	// a zero value of that type, such as (*state)(nil) or map[string]int(nil). It lets the host judge before a move
	// whether and how a state fits. The zero State says that nothing is known before Export is called.
	State State

	// ConcurrentExport declares that Export may run beside the handlers, and that calls which change the state between
	// Export and the end of the move may be lost. The host then doesn't make callers wait while the state moves.
	ConcurrentExport bool
}

// Instance is one generation's instance of a plugin: any value. What it can do is told by what it implements, and it must
// implement at least one handler.
//
// Handlers:
//   - net/http.Handler answers the requests of the plugin's routes; the path is not stripped of the route's prefix
//   - BatchHandler takes batches of points
//   - ScheduleHandler is called at set times
//
// Lifecycle, each optional:
//   - Starter has background work
//   - Stateful has state that moves to the next generation
//   - io.Closer has something to release at the very end
type Instance any

// Starter is implemented by an instance with background work: goroutines, timers, connections.
type Starter interface {
	// Start begins the background work and returns once it runs. ctx bounds the call, not the work. After an error the
	// instance is closed and the previous generation goes on.
	Start(ctx context.Context) error

	// Stop ends the background work and returns once none is left, so that the state no longer changes. Start may be
	// called again afterwards: it is, when the move to the next generation fails.
	Stop(ctx context.Context) error
}
