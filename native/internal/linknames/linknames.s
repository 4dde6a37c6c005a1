// Package linknames declares functions without bodies, which the compiler permits if there is assembly.
