package cache

import (
	"errors"
	"fmt"
)

// ErrTooLarge is returned when a value can't be stored because it is larger than the whole cache.
var ErrTooLarge = errors.New("value is larger than the cache")

// TooLargeError reports the size of a value that doesn't fit. It matches ErrTooLarge.
type TooLargeError struct {
	Size  int64 // bytes that the value would take, including its key and overhead
	Limit int64 // bytes that the cache may hold
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("%v: needs %d bytes of %d", ErrTooLarge, e.Size, e.Limit)
}

// Is reports whether target is ErrTooLarge.
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }
