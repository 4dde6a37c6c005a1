package native

import (
	"fmt"
	"strings"
)

// Code is the kind of a Reason. Codes are errors, so that errors.Is(err, native.WrongToolchain) finds a reason in the error of
// Check or Open.
type Code string

// Reasons in the image or in the host program: no process of that program can open the image.
const (
	// NotPlugin: the file is an executable, a C library or something else that isn't a Go plugin.
	NotPlugin Code = "not-a-plugin"

	// MalformedImage: the dynamic loader would believe something in the headers that can't be true.
	MalformedImage Code = "malformed-image"

	// WrongPlatform: the image is for another operating system, architecture or C library.
	WrongPlatform Code = "wrong-platform"

	// WrongToolchain: another Go release built the image.
	WrongToolchain Code = "wrong-toolchain"

	// BadToolchain: the Go release is known to corrupt programs that open plugins.
	BadToolchain Code = "bad-toolchain"

	// WrongFlags: the image was built with flags that change the shared packages.
	WrongFlags Code = "wrong-flags"

	// NoSymbol: the main package doesn't export the required symbol.
	NoSymbol Code = "no-symbol"

	// NoContract: the image doesn't contain a package that host and plugin must share.
	NoContract Code = "no-contract"

	// UnsupportedAPI: the plugin is written for an API, or uses a part of one, that the host doesn't serve.
	UnsupportedAPI Code = "unsupported-api"

	// WrongPackage: the image was built with another version of a package than the host program.
	WrongPackage Code = "wrong-package"

	// HostSymbol: C code of the image would run the host program's function of the same name instead of its own.
	HostSymbol Code = "host-symbol"

	// MissingSymbols: a slim image takes something from the host program that this doesn't have.
	MissingSymbols Code = "missing-symbols"

	// HostCannotLoad: the host program has no plugin support linked in.
	HostCannotLoad Code = "host-cannot-load"
)

// Reasons in what the process has already opened: a new process of the same program can open the image.
const (
	// Duplicate: an image with the same identity is open.
	Duplicate Code = "duplicate"

	// LoadedPackage: an open image has another version of a package.
	LoadedPackage Code = "loaded-package"

	// UnprovenPackage: an open image has a package of the same name and interface, and nothing proves that its code is the
	// same. The runtime would silently use the code and the variables of the first.
	UnprovenPackage Code = "unproven-package"

	// LoadedSymbol: C code of the image would run an open image's function of the same name instead of its own.
	LoadedSymbol Code = "loaded-symbol"

	// BrokenPackage: the image needs a package that was first loaded with an image that could not be opened. The package's
	// init began and never ended, or never will, and the runtime ends the process when it needs the package again.
	BrokenPackage Code = "broken-package"
)

// Error describes the kind of reason.
func (c Code) Error() string {
	return strings.ReplaceAll(string(c), "-", " ")
}

// A Reason is one thing that prevents opening an image.
type Reason struct {
	Code Code `json:"code"`

	// Subject is the package, symbol or flag that the reason is about, or empty for the image as a whole.
	Subject string `json:"subject,omitempty"`

	Want  string `json:"want"`  // what the host needs
	Found string `json:"found"` // what the image has

	// Remedy is what the author or the operator can do about it.
	Remedy string `json:"remedy"`

	// NeedsNewProcess reports that this reason doesn't hold in a new process of the same host program.
	NeedsNewProcess bool `json:"needs_new_process"`
}

// Error returns the reason and the remedy in one line.
func (r Reason) Error() string {
	var b strings.Builder
	b.WriteString(r.Code.Error())
	if r.Subject != "" {
		fmt.Fprintf(&b, ": %s", r.Subject)
	}
	if r.Want != "" || r.Found != "" {
		fmt.Fprintf(&b, ": want %s, found %s", r.Want, r.Found)
	}
	if r.Remedy != "" {
		fmt.Fprintf(&b, "; %s", r.Remedy)
	}
	return b.String()
}

// Is reports whether target is the reason's code.
func (r Reason) Is(target error) bool {
	return target == r.Code
}

// A Rejection holds every reason that prevents opening an image. There is at least one.
type Rejection struct {
	Reasons []Reason `json:"reasons"`
}

// Error returns all reasons, each on its own line.
func (r *Rejection) Error() string {
	var b strings.Builder
	b.WriteString("image is rejected:")
	for _, reason := range r.Reasons {
		b.WriteString("\n  ")
		b.WriteString(reason.Error())
	}
	return b.String()
}

// Unwrap returns the reasons, for errors.Is and errors.As.
func (r *Rejection) Unwrap() []error {
	errs := make([]error, len(r.Reasons))
	for i, reason := range r.Reasons {
		errs[i] = reason
	}
	return errs
}

// NeedsNewProcess reports whether a new process of the same host program could open the image, because no reason is in the
// image itself or in the program.
func (r *Rejection) NeedsNewProcess() bool {
	for _, reason := range r.Reasons {
		if !reason.NeedsNewProcess {
			return false
		}
	}
	return len(r.Reasons) > 0
}
