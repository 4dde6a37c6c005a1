package native

import (
	"fmt"
	"strings"
)

// Code says what kind of reason stands against opening an image. Codes are errors, so that errors.Is(err, native.WrongToolchain)
// finds a reason in the error of Check or Open.
type Code string

// Reasons that lie in the image or in the host program: no process of that program will open it.
const (
	// NotPlugin: the file is an executable, a C library or something else that isn't a Go plugin.
	NotPlugin Code = "not-a-plugin"

	// WrongPlatform: the image is for another operating system, architecture or C library.
	WrongPlatform Code = "wrong-platform"

	// WrongToolchain: another Go release built the image.
	WrongToolchain Code = "wrong-toolchain"

	// BadToolchain: the Go release is known to corrupt programs that open plugins.
	BadToolchain Code = "bad-toolchain"

	// WrongFlags: the image was built with flags that change the shared packages.
	WrongFlags Code = "wrong-flags"

	// NoSymbol: the main package doesn't export the symbol that is required.
	NoSymbol Code = "no-symbol"

	// NoContract: the image doesn't contain a package that host and plugin must share.
	NoContract Code = "no-contract"

	// WrongPackage: the image was built with another version of a package than the host program.
	WrongPackage Code = "wrong-package"

	// HostSymbol: C code of the image would run the host program's function of the same name instead of its own.
	HostSymbol Code = "host-symbol"

	// HostCannotLoad: the host program has no plugin support linked in.
	HostCannotLoad Code = "host-cannot-load"
)

// Reasons that lie in what the process has already opened: a fresh process of the same program opens the image.
const (
	// Duplicate: an image with the same identity is open.
	Duplicate Code = "duplicate"

	// LoadedPackage: another version of a package came with an image that is open.
	LoadedPackage Code = "loaded-package"

	// UnprovenPackage: an open image brought a package of the same name and interface, and nothing proves that its code is the
	// same. The runtime would silently use the code and the variables of the first.
	UnprovenPackage Code = "unproven-package"

	// LoadedSymbol: C code of the image would run an open image's function of the same name instead of its own.
	LoadedSymbol Code = "loaded-symbol"

	// BrokenPackage: the image needs a package that came first with an image whose opening failed. Its init was begun and
	// never ended, or never will be, and the runtime ends the process when it is needed again.
	BrokenPackage Code = "broken-package"
)

// Error describes the kind of reason.
func (c Code) Error() string {
	return strings.ReplaceAll(string(c), "-", " ")
}

// Reason is one thing that stands against opening an image.
type Reason struct {
	Code Code `json:"code"`

	// Subject is what the reason is about: a package, a symbol, a flag, or empty for the image as a whole.
	Subject string `json:"subject,omitempty"`

	Want  string `json:"want"`  // what would be right
	Found string `json:"found"` // what there is

	// Remedy says what the author or the operator can do about it.
	Remedy string `json:"remedy"`

	// NeedsFreshProcess says that this reason doesn't hold in a fresh process of the same host program.
	NeedsFreshProcess bool `json:"needs_fresh_process"`
}

// Error tells the reason and the remedy in one line.
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

// Is says whether target is the code of the reason.
func (r Reason) Is(target error) bool {
	return target == r.Code
}

// Rejection holds every reason against opening an image; there is at least one.
type Rejection struct {
	Reasons []Reason `json:"reasons"`
}

// Error tells each reason on a line of its own.
func (r *Rejection) Error() string {
	var b strings.Builder
	b.WriteString("image is rejected:")
	for _, reason := range r.Reasons {
		b.WriteString("\n  ")
		b.WriteString(reason.Error())
	}
	return b.String()
}

// Unwrap gives each reason to errors.Is and errors.As.
func (r *Rejection) Unwrap() []error {
	errs := make([]error, len(r.Reasons))
	for i, reason := range r.Reasons {
		errs[i] = reason
	}
	return errs
}

// NeedsFreshProcess says whether a fresh process of the same host program would open the image: no reason lies in the
// image itself or in the program.
func (r *Rejection) NeedsFreshProcess() bool {
	for _, reason := range r.Reasons {
		if !reason.NeedsFreshProcess {
			return false
		}
	}
	return len(r.Reasons) > 0
}
