package native

import "errors"

// Errors of Inspect and InspectFile.
var (
	// ErrNotRegular is returned when the path names a directory, a pipe, a socket or a device.
	ErrNotRegular = errors.New("not a regular file")

	// ErrEmpty is returned when the file has no bytes: often a build is just writing it.
	ErrEmpty = errors.New("empty file")

	// ErrNotELF is returned when the file doesn't begin as an ELF file does.
	ErrNotELF = errors.New("not an ELF file")

	// ErrTruncated is returned when the file ends before something that its headers point to. The dynamic loader would map
	// it all the same, and the process would die of SIGBUS at the first access.
	ErrTruncated = errors.New("truncated ELF file")

	// ErrMalformed is returned when the headers or symbol tables contradict themselves or are larger than those of any real image.
	ErrMalformed = errors.New("malformed ELF file")
)

// Errors of Open.
var (
	// ErrPending is returned, with the context's error, when the context ended before Open did. If the attempt had begun it
	// goes on, and a later Open of the path gets its result.
	ErrPending = errors.New("image is still being opened")

	// ErrReplaced is returned when another file now stands at a path that was opened before. The runtime knows an image by
	// its path and would answer with the code of the first.
	ErrReplaced = errors.New("path was opened before with another file")

	// ErrRefused is returned when the dynamic loader or the Go runtime refused the image.
	ErrRefused = errors.New("runtime refused the image")

	// ErrInit is returned when an init function of the image panicked or ended its goroutine. The error is an *InitError.
	ErrInit = errors.New("init did not return")
)

// Errors of Lookup.
var (
	// ErrNoSymbol is returned when the image exports no such variable or function.
	ErrNoSymbol = errors.New("no such symbol")

	// ErrSymbolType is returned when the symbol has another type than wanted. The error is a *TypeError.
	ErrSymbolType = errors.New("symbol has another type")
)

// ErrNotMapped is returned by Memory and Cool when the process has no mapping of the image.
var ErrNotMapped = errors.New("image is not mapped")
