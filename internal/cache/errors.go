package cache

import (
	"errors"
	"fmt"
)

// ErrTooLarge is returned when a value can't be stored because it is larger than the whole cache.
var ErrTooLarge = errors.New("value larger than the cache")

// TooLargeError is the ErrTooLarge of one value.
type TooLargeError struct {
	Size  int64 // what the value would take, with its key and bookkeeping, in bytes
	Limit int64 // what the cache may hold, in bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%v: needs %d bytes of %d", ErrTooLarge, e.Size, e.Limit)
}

// Is reports whether target is ErrTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }
