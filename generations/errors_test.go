package generations

import (
	"errors"
	"io/fs"
	"testing"
	"time"
)

// Every typed error matches its sentinel and no other, wraps its cause, and says what its reader needs.
func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	for _, test := range []struct {
		err      error
		sentinel error
		wraps    error
		text     string
	}{
		{&LockedError{Dir: "d"}, ErrLocked, nil, "open store d: store is locked by another process"},
		{&LockedError{Dir: "d", PID: 7}, ErrLocked, nil, "open store d: store is locked by process 7"},
		{
			&LockedError{Dir: "d", Err: cause}, ErrLocked, cause,
			"open store d: store is locked by processes left over from a dead server: cause",
		},
		{
			&LockedError{Dir: "d", PID: 7, Err: cause}, ErrLocked, cause,
			"open store d: store is locked by processes left over from a dead server, process 7: cause",
		},
		{
			&WrongLockError{Dir: "d", File: "f"}, ErrWrongLock, nil,
			"open store d: lock belongs to another store: want the file lock in d, have f",
		},
		{&NotRegularError{Path: "p", Mode: fs.ModeDir}, ErrNotRegular, nil, "add p: want a regular file, found a directory"},
		{&NotRegularError{Path: "p", Mode: fs.ModeNamedPipe}, ErrNotRegular, nil, "add p: want a regular file, found a FIFO"},
		{&NotRegularError{Path: "p", Mode: fs.ModeSocket}, ErrNotRegular, nil, "add p: want a regular file, found a socket"},
		{
			&NotRegularError{Path: "p", Mode: fs.ModeDevice | fs.ModeCharDevice}, ErrNotRegular, nil,
			"add p: want a regular file, found a device",
		},
		{&NotRegularError{Path: "p", Mode: fs.ModeSymlink}, ErrNotRegular, nil, "add p: want a regular file, found L---------"},
		{&TooLargeError{Path: "p", Size: 2, Limit: 1}, ErrTooLarge, nil, "add p: file is too large: 2 bytes, the limit is 1"},
		{&ChangedError{Path: "p", How: "how"}, ErrChanged, nil, "add p: file changed while it was read: how"},
		{
			&DamagedError{Path: "p", Want: idOf("a"), Found: idOf("b")}, ErrDamaged, nil,
			"verify p: stored image is damaged: its hash is " + idOf("b").Short(),
		},
		{&NotStoredError{Image: idOf("a")}, ErrNotStored, nil, "image " + idOf("a").Short() + ": image is not in the store"},
		{
			&NotStoredError{Plugin: "x", Image: idOf("a")}, ErrNotStored, nil,
			"plugin x, image " + idOf("a").Short() + ": image is not in the store",
		},
		{&BrokenError{Err: cause}, ErrBroken, cause, "release is broken: cause"},
		{&BrokenError{Number: 3, Err: cause}, ErrBroken, cause, "release 3 is broken: cause"},
		{&GateTimeoutError{Limit: time.Second}, ErrGateTimeout, nil, "acquire: waited too long at the gate: the limit is 1s"},
		{
			&DrainError{ID: idOf("a"), Leases: 2, Err: cause}, ErrLeased, cause,
			"drain generation " + idOf("a").Short() + ": 2 leases still held: cause",
		},
	} {
		if got := test.err.Error(); got != test.text {
			t.Errorf("%T says %q, want %q", test.err, got, test.text)
		}
		if !errors.Is(test.err, test.sentinel) || errors.Is(test.err, ErrEmpty) {
			t.Errorf("%T matches %v: %v", test.err, test.sentinel, errors.Is(test.err, test.sentinel))
		}
		if got := errors.Unwrap(test.err); got != test.wraps {
			t.Errorf("%T wraps %v, want %v", test.err, got, test.wraps)
		}
	}
	var timeout interface{ Timeout() bool }
	if !errors.As(&GateTimeoutError{}, &timeout) || !timeout.Timeout() {
		t.Error("a GateTimeoutError is no timeout to package net")
	}
}
