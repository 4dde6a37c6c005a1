// Package abi is the contract between a sohost server and the plugins that it loads. Besides the standard library it is the
// only package that every server shares with its plugins, so its types are the same on both sides. A program that embeds
// sohost can share packages of its own.
//
// The package is frozen. The Go linker compares a hash of it that covers even the positions of its declarations. After any
// edit, even of a comment, plugins built before can't be loaded until they are rebuilt. The package holds only types and
// constants, and imports only the standard library.
//
// # A plugin
//
// A plugin is a package main that exports a variable named Plugin:
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
//	Import        (Stateful)     callers wait; the previous generation has stopped and has no calls running
//	Start         (Starter)      background work begins
//	ServeHTTP, HandleBatch, …    any number of calls at once, from many goroutines
//	Stop          (Starter)      background work ends; all calls have returned
//	Export        (Stateful)     the next generation, or a checkpoint, takes the state
//	Close         (io.Closer)    the instance is never used again
//
// If a step fails, the host undoes what was begun and the previous generation continues: after a failed Import or Start, the
// previous instance is started again and its callers proceed. An instance whose Start was never called gets no Stop, but
// always gets its Close. A panic in any method counts as an error.
//
// The host calls one method at a time, except for handlers. It makes the next call once the previous one has returned or its
// time is up. It can't stop a method that ignores the end of its ctx: it goes on without it, and then, for example, Start or
// Close may run while an earlier Export is still running. So return soon after ctx ends.
//
// # What must not leave an instance
//
// The code of a generation is never unmapped, so leftover references to it crash nothing. But registrations in the standard
// library (sql.Register, expvar.Publish, http.DefaultServeMux, flag, gob) are shared by all generations and can't be made
// twice, and a goroutine that outlives Stop runs old code forever. Keep what you need in the instance.
//
// The server first tries an image in a throwaway process, and its init functions run there before they run in the server.
// Leave anything that takes ports, files or time to New and Start.
package abi

import "context"

// Version is the version of this contract. A plugin's Descriptor states the version that the plugin was written for.
const Version = 1

// Symbol is the name of the Descriptor variable that every plugin exports.
const Symbol = "Plugin"

// Descriptor describes a plugin. The plugin exports it as a package-level variable named Plugin. The host reads it once,
// right after it has opened the image, and never writes to it.
type Descriptor struct {
	// ABI must be Version.
	ABI int

	// Version is the plugin's own version, in any form. It is displayed with the generation and has no other effect.
	Version string

	// New makes the instance of one generation. It must not block for long: ctx ends when the host stops waiting, by
	// default after 10 seconds. After an error the previous generation continues to serve.
	New func(ctx context.Context, host Host) (Instance, error)

	// State describes the state of the instances: the Schema and Version that Export returns and Import accepts, and in
	// Value a zero value of the state's type, such as (*state)(nil) or map[string]int(nil). From it the host knows before
	// a move whether a state fits, and how. The zero State means that nothing is known before Export is called.
	State State

	// ConcurrentExport declares that Export may run while handlers run, and that changes which calls make to the state
	// between Export and the end of the move may be lost. In return the host doesn't make callers wait during the move.
	ConcurrentExport bool

	// Exclusive declares that only one instance can do its work at a time, because it owns a port, a file or a lock. The host
	// stops the old instance before the new one's Start, also in a handover to another process, and callers wait meanwhile. If
	// that fails the old one is started again. Take what is owned in Start and release it in Stop, and so that Start can take it
	// again; New must not take it. A Start that fails must release what it has taken. A Stop that fails is called again before
	// another instance's Start. Without a Start the plugin is refused.
	Exclusive bool

	// Args describes the arguments that the plugin takes. With it the host refuses a configuration that has others, lacks a required
	// one or has one of another type. Nil says nothing.
	Args []Arg
}

// Instance is one generation's instance of a plugin. It may be any value that implements at least one handler, or what a program
// that embeds sohost requires instead; the interfaces it implements define what it can do.
//
// Handlers:
//   - net/http.Handler answers requests for the plugin's routes; the path still has the route's prefix
//   - Middleware stands before others on a route
//   - BatchHandler receives rows as they are written
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
	// instance is closed and the previous generation continues.
	Start(ctx context.Context) error

	// Stop ends the background work and returns once none is left, so that the state no longer changes. Start is called
	// again afterwards if the move to the next generation fails.
	Stop(ctx context.Context) error
}
