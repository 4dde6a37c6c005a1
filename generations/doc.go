// Package generations stores the generations of plugins. On disk it keeps them as immutable objects and numbered
// releases. In memory it keeps them in slots that count their callers, so that an old generation is released only when
// its last call has returned. The package knows nothing about plugins: it stores bytes, and counts references to values of
// any type.
//
// A drained generation is only drained: no code is ever unloaded from a process, and no object leaves the disk except
// through [Store.Prune].
//
// # On disk
//
//	STORE/objects/<sha256>.so                       immutable, mode 0400
//	STORE/releases/000042/<plugin>.so               -> ../../objects/<sha256>.so
//	STORE/releases/000042/manifest.json             which image each plugin has, and why there is this release
//	STORE/current                                   -> releases/000042, flipped by rename, never removed
//	STORE/confirmed                                 -> releases/000041, what a crash falls back to
//	STORE/quarantine/<sha256>.json                  an image, stored or not, that is never tried again until lifted
//	STORE/history.jsonl, STORE/history.1.jsonl      what happened, one JSON object per line; the second is the older half
//	STORE/lock                                      flock of the writer, and the pid of the process that took it
//
// These names belong to this package. Any other file or folder in STORE belongs to the user of the store; the package
// leaves it alone.
//
// Everything is written under a temporary name first: .NAME.sohost-tmp-DIGITS, beside its place. [WriteFile] makes a folder
// of that name and writes the file in it. [OpenStore] removes what a crash left under such names in STORE, in the folders
// above, and in STORE/state, which the store's user writes through [WriteFile] while it has the store open. It removes
// nothing else, so other dot files are safe.
//
// At any moment, and therefore after a crash at any moment, current names a complete release or does not exist yet.
// Objects are durable before a release names them, a release is durable before current names it, and the removal of a
// release is durable before its objects are removed.
//
// The lock is taken by [OpenStore] and lasts as long as the [Store] and the process; or by [AcquireLock], and lasts as long
// as any process that its open file was passed to. Only one of those processes may have the store open for writing at a
// time.
//
// # In memory
//
// A [Slot] holds the current [Generation]. Callers take a [Lease] on it, call, and release it. Whoever replaces the
// generation swaps in the next one with one atomic pointer swap, then waits in [Generation.Drain] for the leases on the old
// one. If state has to move in between, a [Gate] makes callers wait until it has.
//
// To read the source, begin with store.go, lock.go, add.go and publish.go for the disk, slot.go and drain.go for the
// memory.
package generations
