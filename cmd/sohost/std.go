//go:build !sohost_thin

package main

// Plugins that use other packages than the server does find them here: see package std. The tag sohost_thin leaves them out, for tests
// of what a server without them does.
import _ "github.com/sohost/sohost/native/std"
