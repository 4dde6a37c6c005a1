// Package shared is what both plugins import. The dot in its path is escaped in the names of its functions.
package shared

// Call calls f.
//
//go:noinline
func Call(f func()) { f() }

// Fail panics.
//
//go:noinline
func Fail() { panic("shared") }

// Go calls Fail in a goroutine.
//
//go:noinline
func Go() { go Fail() }

// Grow is a recursion without end.
func Grow(n int) int { return Grow(n+1) + 1 }

// List is a list of anything.
type List[T any] struct{ Items []T }

// Each calls f with each item.
//
//go:noinline
func (l *List[T]) Each(f func(T)) {
	for _, item := range l.Items {
		f(item)
	}
}
