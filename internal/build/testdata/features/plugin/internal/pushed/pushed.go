package pushed

import _ "unsafe"

//go:linkname impl features/internal/pulled.Pushed
func impl() string { return "pushed" }

// A name without a package, which would be one for the whole process.
//
//go:linkname bare features_bare
func bare() string { return "bare" }
