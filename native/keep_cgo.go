//go:build cgo

package native

import "runtime/cgo"

// What cgo makes of C types that are declared and not defined. It exists with cgo alone.
func init() { hold((*cgo.Incomplete)(nil)) }
