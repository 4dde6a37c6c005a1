package abi

import (
	"context"
	"log/slog"
	"time"
)

// Host is what the server offers to one instance. Its methods may be called from any goroutine, from New until Close has
// returned. (It is not sohost.Host, which is the server's own object that loads and runs all plugins.)
type Host interface {
	// Plugin returns the plugin's name in the server.
	Plugin() string

	// Generation returns the short id of the image that the instance's code comes from: 12 lower-case hexadecimal digits.
	Generation() string

	// Args returns the plugin's arguments from the server's configuration. The caller owns the map.
	Args() map[string]string

	// Logger returns a logger that writes to the server's log, with the plugin and the generation on each line.
	Logger() *slog.Logger

	// Cache returns the plugin's own cache. All its generations have the same one.
	Cache() Cache

	// SharedCache returns the cache that all plugins of the server share.
	SharedCache() Cache

	// Services returns what the program that embeds sohost offers to this plugin: a value of a type that it shares with its
	// plugins, to be got by a type assertion. It is nil if there is none; that is always so with `sohost run`.
	Services() any

	// Go runs fn in a goroutine that belongs to the generation: the ctx that fn gets ends before Stop is called, or before Close
	// if the instance is no Starter, and the host waits for fn to return as it waits for Stop. A panic of fn is logged and counts as one
	// of the plugin; it ends nothing else. Go may be called from Start on, until the ctx ends; earlier and later it runs nothing and
	// returns false.
	Go(fn func(ctx context.Context)) bool

	Storer
}

// Cache keeps small values in the server's memory, where they survive every reload without being moved. It is bounded: when
// it is full, the least recently used values are dropped first. Don't keep anything in it that must not be lost.
type Cache interface {
	// Get returns a copy of the value, and whether there is one that has not expired.
	Get(key string) (value []byte, ok bool)

	// Put stores a copy of value under key, replacing any earlier one, until ttl has passed; 0 means without limit. If the
	// value alone is larger than the cache, it changes nothing and returns an error.
	Put(key string, value []byte, ttl time.Duration) error

	// Delete removes the value, and reports whether there was one.
	Delete(key string) bool
}
