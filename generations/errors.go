package generations

import (
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Opening a store.
var (
	// ErrLocked is returned when another process, or another Store of this one, holds the store.
	ErrLocked = errors.New("store is locked")
	// ErrWrongLock is returned when the Lock given for a store is not the lock of that store.
	ErrWrongLock = errors.New("lock is not that of the store")
	// ErrReadOnly is returned when a Store from ReadStore is asked to change something.
	ErrReadOnly = errors.New("store is open for reading only")
	// ErrStoreClosed is returned when a Store is used after Close.
	ErrStoreClosed = errors.New("store is closed")
)

// Adding an image.
var (
	// ErrNotRegular is returned when the path to add is a directory, FIFO, socket or device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrTooLarge is returned when the file to add is larger than the store's limit.
	ErrTooLarge = errors.New("file is too large")
	// ErrChanged is returned when the file to add was written or replaced while it was read. Settle and try again.
	ErrChanged = errors.New("file changed while it was read")
)

// Using what is stored.
var (
	// ErrNotStored is returned when an image is asked for that the store doesn't have.
	ErrNotStored = errors.New("image is not in the store")
	// ErrDamaged is returned when an object's bytes no longer have the hash that names it.
	ErrDamaged = errors.New("stored image is damaged")
	// ErrAmbiguous is returned when the digits given begin the ids of several images.
	ErrAmbiguous = errors.New("several images begin with these digits")
	// ErrName is returned when a plugin's name is not one that ValidName accepts.
	ErrName = errors.New("invalid plugin name")
	// ErrNoRelease is returned when the release asked for doesn't exist; for Current, before the first Publish.
	ErrNoRelease = errors.New("no such release")
	// ErrNotQuarantined is returned when an image's quarantine is to be lifted that isn't in quarantine.
	ErrNotQuarantined = errors.New("image is not in quarantine")
	// ErrBroken is returned when a release is there but can't be used: its manifest, a link or an object is missing or wrong.
	ErrBroken = errors.New("release is broken")
)

// Slots and generations.
var (
	// ErrEmpty is returned when a slot without a generation is asked for a lease.
	ErrEmpty = errors.New("slot is empty")
	// ErrGated is returned when a slot whose gate is shut is to be swapped or gated once more.
	ErrGated = errors.New("slot is gated")
	// ErrGateOpen is returned when a gate is opened a second time.
	ErrGateOpen = errors.New("gate is open already")
	// ErrGateTimeout is returned when a caller has waited at a gate for as long as the slot lets it.
	ErrGateTimeout = errors.New("waited too long at the gate")
	// ErrLive is returned when a generation that is in a slot is to be put into one or drained.
	ErrLive = errors.New("generation is live")
	// ErrDraining is returned when a generation is drained from two goroutines at once.
	ErrDraining = errors.New("generation is being drained already")
	// ErrLeased is returned when leases were still held as the wait for them ended.
	ErrLeased = errors.New("generation is still held")
)

// LockedError says who holds a store. It matches ErrLocked, and wraps the cause that ended a wait for the lock.
type LockedError struct {
	Dir string
	PID int   // of the process that took the lock, 0 when it could not be told
	Err error // what ended the wait for processes that outlive that one, nil when there was no wait
}

func (e *LockedError) Error() string {
	switch {
	case e.Err != nil && e.PID == 0:
		return fmt.Sprintf("open store %s: %v by processes of a server that has ended: %v", e.Dir, ErrLocked, e.Err)
	case e.Err != nil:
		return fmt.Sprintf("open store %s: %v by processes of a server that died, process %d: %v", e.Dir, ErrLocked, e.PID, e.Err)
	case e.PID == 0:
		return fmt.Sprintf("open store %s: %v by another process", e.Dir, ErrLocked)
	}
	return fmt.Sprintf("open store %s: %v by process %d", e.Dir, ErrLocked, e.PID)
}

func (e *LockedError) Is(target error) bool { return target == ErrLocked }

func (e *LockedError) Unwrap() error { return e.Err }

// WrongLockError says which store a Lock is not the lock of. It matches ErrWrongLock.
type WrongLockError struct {
	Dir  string // of the store
	File string // the name of the Lock's file, as it was opened or passed on
}

func (e *WrongLockError) Error() string {
	return fmt.Sprintf("open store %s: %v: want the file %s in it, have another: %s", e.Dir, ErrWrongLock, lockFile, e.File)
}

func (e *WrongLockError) Is(target error) bool { return target == ErrWrongLock }

// NotRegularError says what stands at a path where a file was wanted. It matches ErrNotRegular.
type NotRegularError struct {
	Path string
	Mode fs.FileMode
}

func (e *NotRegularError) Error() string {
	return fmt.Sprintf("add %s: want a regular file, found %s", e.Path, kindOf(e.Mode))
}

func (e *NotRegularError) Is(target error) bool { return target == ErrNotRegular }

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return mode.Type().String()
}

// TooLargeError says by how much a file passes the limit. It matches ErrTooLarge.
type TooLargeError struct {
	Path        string
	Size, Limit int64 // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("add %s: %v: %d bytes, the limit is %d", e.Path, ErrTooLarge, e.Size, e.Limit)
}

func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// ChangedError says how a file changed under the reader. It matches ErrChanged.
type ChangedError struct {
	Path string
	How  string
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("add %s: %v: %s", e.Path, ErrChanged, e.How)
}

func (e *ChangedError) Is(target error) bool { return target == ErrChanged }

// DamagedError says what an object holds in place of its bytes. It matches ErrDamaged.
type DamagedError struct {
	Path        string
	Want, Found ID
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("verify %s: %v: its hash is %s", e.Path, ErrDamaged, e.Found.Short())
}

func (e *DamagedError) Is(target error) bool { return target == ErrDamaged }

// NotStoredError names an image that the store doesn't have, and the plugin that wants it, if any. It matches ErrNotStored.
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

// BrokenError says what is wrong with a release. It matches ErrBroken.
type BrokenError struct {
	Number int // 0 when the link to the release is what is wrong
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

// GateTimeoutError says how long a caller waited at a gate. It matches ErrGateTimeout.
type GateTimeoutError struct {
	Limit time.Duration
}

func (e *GateTimeoutError) Error() string {
	return fmt.Sprintf("acquire: %v: the limit is %s", ErrGateTimeout, e.Limit)
}

func (e *GateTimeoutError) Is(target error) bool { return target == ErrGateTimeout }

// Timeout makes the error a timeout to those who ask as package net does.
func (e *GateTimeoutError) Timeout() bool { return true }

// DrainError says how many leases were held when the wait for them ended. It matches ErrLeased, and wraps the cause that
// ended the wait.
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
