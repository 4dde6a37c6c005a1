// Package dryrun calls a plugin with given input in a process that is thrown away, and tells what came of it: what the plugin
// answered, emitted, logged, cached and asked, and how its state changed.
//
// The process is behind the wall of package wall, like the child of a probe: it reads files, and can neither write nor connect nor
// signal. So nothing of a running server, of its store or of the network is touched. The rows that the plugin emits and the values
// that it caches end with the process, and its queries are answered with given rows or refused.
//
// The process tells what happens as it happens. If the plugin ends it, or hangs, the result has all until then.
package dryrun
