package native

import "errors"

// Errors of Inspect and InspectFile.
var (
	// ErrNotRegular is returned when the path names a directory, a pipe, a socket or a device.
	ErrNotRegular = errors.New("not a regular file")

	// ErrEmpty is returned when the file has no bytes. Often a build is about to write it.
	ErrEmpty = errors.New("empty file")

	// ErrNotELF is returned when the file doesn't begin like an ELF file.
	ErrNotELF = errors.New("not an ELF file")

	// ErrTruncated is returned when the file ends before something that its headers point to. The dynamic loader would still
	// map it, and the process would die of SIGBUS at the first access.
	ErrTruncated = errors.New("truncated ELF file")

	// ErrDamaged is returned when a sealed image isn't, byte for byte, what `sohost build` has sealed.
	ErrDamaged = errors.New("damaged image")

	// ErrMalformed is returned when the headers or symbol tables contradict themselves or are larger than in any real image.
	ErrMalformed = errors.New("malformed ELF file")
)

// FileError is what is wrong with the content of a file, or that it is no regular one. It wraps one of the errors above.
type FileError struct {
	Path string
	Err  error
}

func (e *FileError) Error() string { return "inspect " + e.Path + ": " + e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// Errors of Open.
var (
	// ErrPending is returned, with the context's error, when the context ends before Open does. If the attempt has begun, it
	// continues, and a later Open of the path gets its result.
	ErrPending = errors.New("image is still being opened")

	// ErrReplaced is returned when a path that was opened before now has another file. The runtime identifies an image by its
	// path and would return the code of the first file.
	ErrReplaced = errors.New("another file was opened at this path before")

	// ErrRefused is returned when the dynamic loader or the Go runtime refuses the image.
	ErrRefused = errors.New("runtime refused the image")

	// ErrInit is returned when an init function of the image panics or ends its goroutine. The error is an *InitError.
	ErrInit = errors.New("init did not return")
)

// Errors of Lookup.
var (
	// ErrNoSymbol is returned when the image exports no such variable or function.
	ErrNoSymbol = errors.New("no such symbol")

	// ErrSymbolType is returned when the symbol doesn't have the wanted type. The error is a *TypeError.
	ErrSymbolType = errors.New("symbol has another type")
)

// ErrNotMapped is returned by Memory and Cool when the process has no mapping of the image.
var ErrNotMapped = errors.New("image is not mapped")
