package build

import (
	"maps"
	"slices"
	"time"

	"github.com/sohost/sohost/native"
)

// Result describes what was built.
type Result struct {
	Package    string        `json:"package"`     // import path
	Output     string        `json:"output"`      // absolute name of the file
	Image      string        `json:"image"`       // SHA-256 of the file, in hexadecimal
	PluginPath string        `json:"plugin_path"` // the name under which a process knows the image
	Toolchain  string        `json:"toolchain"`
	Size       int64         `json:"size"`       // in bytes
	Elapsed    time.Duration `json:"elapsed_ns"` // in nanoseconds
	Phases     []Phase       `json:"phases"`     // in order
	Changed    bool          `json:"changed"`    // false: Output already held the same bytes and was not written
	Contracts  []string      `json:"contracts"`  // packages that are the host's, besides abi and the standard library
	Fresh      []string      `json:"fresh"`      // packages that are new in each generation
	Private    []string      `json:"private"`    // packages that generations share while their content is the same

	// Slim says that the image takes packages from the host. Along lists the shared packages that it brings nevertheless; WhyFull says
	// why an image isn't slim, if that wasn't asked for.
	Slim  bool     `json:"slim"`
	Along []string `json:"along,omitempty"`

	// WhyAlong says what the host lacks of packages in Along.
	WhyAlong map[string]string `json:"why_along,omitempty"`

	// Packages says of each package where it comes from, if Options.Explain is set.
	Packages []PackageOrigin `json:"packages,omitempty"`

	WhyFull string `json:"why_full,omitempty"`
}

// newResult returns what the image and the plan determine of a result.
func newResult(info *native.Info, p *plan) *Result {
	r := &Result{Package: p.Main, PluginPath: info.PluginPath, Toolchain: info.Toolchain,
		Contracts: slices.AppendSeq([]string{}, maps.Keys(p.Contracts)), Fresh: []string{}, Private: []string{}}
	if s := info.Seal; s != nil {
		r.Slim, r.Along, r.WhyAlong, r.WhyFull = s.Slim, s.Along, s.WhyAlong, s.WhyFull
	}
	for path, role := range p.Roles {
		switch role {
		case roleFresh:
			r.Fresh = append(r.Fresh, path)
		case rolePrivate:
			r.Private = append(r.Private, path)
		}
	}
	slices.Sort(r.Contracts)
	slices.Sort(r.Fresh)
	slices.Sort(r.Private)
	return r
}
