package abi

import (
	"context"
	"log/slog"
	"time"
)

// Host is what the server offers to one instance. Its methods may be called from any goroutine, from New until Close
// has returned.
type Host interface {
	// Plugin is the name under which the server knows the plugin.
	Plugin() string

	// Generation is the id of the image that the instance's code comes from: 12 lower-case hexadecimal digits.
	Generation() string

	// Args are the plugin's arguments from the server's configuration. The caller owns the map.
	Args() map[string]string

	// Logger writes to the server's log, with the plugin and the generation on each line.
	Logger() *slog.Logger

	// Cache is the plugin's own cache, the same one for all its generations.
	Cache() Cache

	// SharedCache is one cache for all plugins of the server.
	SharedCache() Cache

	// Emit hands points to the server for storing. It blocks until the server has taken them or ctx ends. It returns an
	// error, and takes none of them, when the server has nowhere to put them. The caller keeps the slice.
	Emit(ctx context.Context, points []Point) error
}

// Cache keeps small values in the server's memory, where they survive every reload without being moved. It is bounded: when
// it is full, the values that were not used for the longest time go first. Don't keep in it what must not be lost.
type Cache interface {
	// Get returns a copy of the value, and whether there is one that has not expired.
	Get(key string) (value []byte, ok bool)

	// Put stores a copy of value under key, in place of any earlier one, until ttl has passed; 0 means for ever. It
	// returns an error, and changes nothing, when the value alone is larger than the cache.
	Put(key string, value []byte, ttl time.Duration) error

	// Delete removes the value, and says whether there was one.
	Delete(key string) bool
}
