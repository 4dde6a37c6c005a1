package generations

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/sohost/sohost/internal/regular"
)

// Errors of opening a store.
var (
	// ErrLocked is returned when another process, or another Store of this one, has the store open for writing.
	ErrLocked = errors.New("store is locked")
	// ErrWrongLock is returned when the Lock given for a store is not the lock of that store.
	ErrWrongLock = errors.New("lock belongs to another store")
	// ErrReadOnly is returned when a Store from ReadStore is asked to change something.
	ErrReadOnly = errors.New("store is read-only")
	// ErrStoreClosed is returned when a Store is used after Close.
	ErrStoreClosed = errors.New("store is closed")
)

// Errors of adding an image.
var (
	// ErrNotRegular is returned when the path to add is a directory, FIFO, socket or device, or a file whose size isn't that of its
	// content, as in /proc.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge is returned when the file to add is larger than the store's limit.
	ErrTooLarge = errors.New("file is too large")
	// ErrChanged is returned when the file to add was written or replaced while it was read. Wait for it to settle and
	// try again.
	ErrChanged = errors.New("file changed while it was read")
)

// Errors of using what is stored.
var (
	// ErrNotStored is returned when the store does not have the image.
	ErrNotStored = errors.New("image is not in the store")
	// ErrDamaged is returned when an object's bytes no longer have the hash that names it.
	ErrDamaged = errors.New("stored image is damaged")
	// ErrName is returned when a plugin's name is not one that ValidName accepts.
	ErrName = errors.New("invalid plugin name")
	// ErrNoRelease is returned when the release does not exist; by Current, before the first Publish.
	ErrNoRelease = errors.New("no such release")
	// ErrBroken is returned when a release exists but can't be used: its manifest, a link or an object is missing or wrong.
	ErrBroken = errors.New("release is broken")
	// ErrNotQuarantined is returned when LiftQuarantine finds no image in quarantine that it could mean.
	ErrNotQuarantined = errors.New("image is not in quarantine")
	// ErrAmbiguous is returned when several images in quarantine have ids that begin with the given digits.
	ErrAmbiguous = errors.New("several images begin with these digits")
)

// Errors of slots and generations.
var (
	// ErrEmpty is returned when a lease is asked of a slot without a generation.
	ErrEmpty = errors.New("slot is empty")
	// ErrGated is returned when a slot whose gate is shut is to be swapped, or gated again.
	ErrGated = errors.New("slot is gated")
	// ErrGateOpen is returned when a gate is opened a second time.
	ErrGateOpen = errors.New("gate is already open")
	// ErrGateTimeout is returned when a caller has waited at a gate for as long as the slot allows.
	ErrGateTimeout = errors.New("waited too long at the gate")
	// ErrLive is returned when a generation that is in a slot is to be put into a slot, or drained.
	ErrLive = errors.New("generation is live")
	// ErrDraining is returned when a second goroutine drains a generation.
	ErrDraining = errors.New("generation is already being drained")
	// ErrLeased is returned when a generation still has leases at the end of the wait for them.
	ErrLeased = errors.New("generation still has leases")
)

// LockedError reports which process holds a store. It matches ErrLocked, and wraps the cause that ended a wait for the lock.
type LockedError struct {
	Dir string
	PID int   // of the process that took the lock; 0 if unknown
	Err error // what ended the wait for processes that outlived that one; nil if there was no wait
}

func (e *LockedError) Error() string {
	switch {
	case e.Err != nil && e.PID == 0:
		return fmt.Sprintf("open store %s: %v by processes left over from a dead server: %v", e.Dir, ErrLocked, e.Err)
	case e.Err != nil:
		return fmt.Sprintf("open store %s: %v by processes left over from a dead server, process %d: %v", e.Dir, ErrLocked, e.PID, e.Err)
	case e.PID == 0:
		return fmt.Sprintf("open store %s: %v by another process", e.Dir, ErrLocked)
	}
	return fmt.Sprintf("open store %s: %v by process %d", e.Dir, ErrLocked, e.PID)
}

func (e *LockedError) Is(target error) bool { return target == ErrLocked }

func (e *LockedError) Unwrap() error { return e.Err }

// WrongLockError reports the store that a Lock does not belong to, or no longer. It matches ErrWrongLock.
type WrongLockError struct {
	Dir  string // of the store
	File string // the name of the Lock's file, as it was opened or passed on
}

func (e *WrongLockError) Error() string {
	return fmt.Sprintf("open store %s: %v: want the file %s in %s, have %s", e.Dir, ErrWrongLock, lockFile, e.Dir, e.File)
}

func (e *WrongLockError) Is(target error) bool { return target == ErrWrongLock }

// NotRegularError reports what is at a path where a file was wanted. It matches ErrNotRegular.
type NotRegularError struct {
	Path  string // empty if whoever reports the error has named it
	Mode  fs.FileMode
	Found string // what is there, if the mode doesn't say it
}

func (e *NotRegularError) Error() string {
	text := "want a regular file, found " + cmp.Or(e.Found, regular.Kind(e.Mode))
	if e.Path == "" {
		return text
	}
	return "add " + e.Path + ": " + text
}

func (e *NotRegularError) Is(target error) bool { return target == ErrNotRegular }

// TooLargeError reports by how much a file exceeds the limit. It matches ErrTooLarge.
type TooLargeError struct {
	Path        string
	Size, Limit int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("add %s: %v: %d bytes, the limit is %d", e.Path, ErrTooLarge, e.Size, e.Limit)
}

func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// ChangedError reports how a file changed under its reader. It matches ErrChanged.
type ChangedError struct {
	Path string
	How  string
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("add %s: %v: %s", e.Path, ErrChanged, e.How)
}

func (e *ChangedError) Is(target error) bool { return target == ErrChanged }

// DamagedError reports which bytes an object holds instead of its own. It matches ErrDamaged.
type DamagedError struct {
	Path        string
	Want, Found ID
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("verify %s: %v: its hash is %s", e.Path, ErrDamaged, e.Found.Short())
}

func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

// NotStoredError names an image that the store does not have, and the plugin that needs it, if any. It matches
// ErrNotStored.
type NotStoredError struct {
	Plugin string
	Image  ID
}

func (e *NotStoredError) Error() string {
	if e.Plugin == "" {
		return fmt.Sprintf("image %s: %v", e.Image.Short(), ErrNotStored)
	}
	return fmt.Sprintf("plugin %s, image %s: %v", e.Plugin, e.Image.Short(), ErrNotStored)
}

func (e *NotStoredError) Is(target error) bool { return target == ErrNotStored }

// BrokenError reports what is wrong with a release. It matches ErrBroken.
type BrokenError struct {
	Number int // 0 if the link to the release is what is wrong
	Err    error
}

func (e *BrokenError) Error() string {
	if e.Number == 0 {
		return fmt.Sprintf("%v: %v", ErrBroken, e.Err)
	}
	return fmt.Sprintf("release %d is broken: %v", e.Number, e.Err)
}

func (e *BrokenError) Is(target error) bool { return target == ErrBroken }

func (e *BrokenError) Unwrap() error { return e.Err }

// GateTimeoutError reports how long a caller waited at a gate. It matches ErrGateTimeout.
type GateTimeoutError struct {
	Limit time.Duration
}

func (e *GateTimeoutError) Error() string {
	return fmt.Sprintf("acquire: %v: the limit is %s", ErrGateTimeout, e.Limit)
}

func (e *GateTimeoutError) Is(target error) bool { return target == ErrGateTimeout }

// Timeout returns true, which makes the error a timeout in the sense of net.Error.
func (e *GateTimeoutError) Timeout() bool { return true }

// DrainError reports how many leases a generation had at the end of the wait for them. It matches ErrLeased, and wraps the
// cause that ended the wait.
type DrainError struct {
	ID     ID
	Leases int64
	Err    error
}

func (e *DrainError) Error() string {
	return fmt.Sprintf("drain generation %s: %d leases still held: %v", e.ID.Short(), e.Leases, e.Err)
}

func (e *DrainError) Is(target error) bool { return target == ErrLeased }

func (e *DrainError) Unwrap() error { return e.Err }
