// Package generations keeps the generations of plugins: on disk as a store of immutable objects and numbered releases,
// and in memory as slots whose callers are counted, so that an old generation is let go only when its last call has
// returned. It knows nothing of plugins: it stores bytes and counts references of any type.
//
// A generation that has drained is drained and no more than that: no code is ever unloaded from a process, and no object
// leaves the disk but through [Store.Prune].
//
// # On disk
//
//	STORE/objects/<sha256>.so                       immutable, 0555
//	STORE/releases/000042/<plugin>.so               -> ../../objects/<sha256>.so
//	STORE/releases/000042/manifest.json             what the release is, and why
//	STORE/current                                   -> releases/000042, flipped by rename, never removed
//	STORE/confirmed                                 -> releases/000041, what a crash falls back to
//	STORE/quarantine/<sha256>.json                  an image never to be tried again, stored or not, until it is lifted
//	STORE/history.jsonl, STORE/history.1.jsonl      what happened, one JSON object a line; the older half
//	STORE/lock                                      flock of whoever may write, and the pid of the process that took it
//
// Names that begin with a dot are temporary. Whatever a crash leaves under such a name is removed by the next [OpenStore].
// At any moment, and so after a crash at any moment, current names a whole release or does not exist yet: objects are
// durable before a release that names them, a release is durable before current names it, and a release is gone durably
// before its objects are removed.
//
// The lock is taken by [OpenStore], and lasts as long as the [Store] and the process; or by [AcquireLock], and lasts as long
// as any process that its open file was passed to. Only one of those may have the store open for writing at a time.
//
// # In memory
//
// A [Slot] holds the current [Generation]. Callers take a [Lease] on it, call, and release it. A swapper puts the next
// generation in with one atomic pointer swap and waits in [Generation.Drain] for the leases of the old one. Where state
// has to move in between, a [Gate] makes callers wait meanwhile.
//
// To read the source, begin with store.go, lock.go, add.go and publish.go for the disk, slot.go and drain.go for the memory.
package generations
