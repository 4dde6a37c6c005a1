package native

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Requirements are what a host demands of an image beyond what the runtime demands. The zero value demands nothing.
type Requirements struct {
	// Symbol is the variable or function that the main package must export.
	Symbol string

	// Shared lists the import paths of the packages that image and host must have in common, in the same version: the contract.
	Shared []string
}

// Check compares an image with a host process. It returns nil if the process can open the image, and otherwise a *Rejection
// with every reason why not. It leaves out differences that another one explains: with another toolchain every package differs.
func Check(img *Info, host *Process, want Requirements) error {
	c := &checker{img: img, exe: host.Executable, program: host.program, loaded: host.Loaded, want: want}
	if c.host() && c.plugin() {
		c.symbol()
		c.faults()
		c.identity()
		if c.platform() && c.toolchain() && c.flags() {
			if c.exe.CanLoadPlugins() {
				c.programPackages()
				c.programSymbols()
				c.supplied()
			}
			c.loadedPackages()
			c.loadedSymbols()
		}
	}
	if len(c.reasons) == 0 {
		return nil
	}
	return &Rejection{Reasons: c.reasons}
}

// checker collects the reasons against one image. Methods that later ones depend on report whether they found nothing.
type checker struct {
	img, exe *Info
	program  *program
	loaded   []Loaded
	want     Requirements
	reasons  []Reason
}

func (c *checker) add(r Reason) {
	c.reasons = append(c.reasons, r)
}

func (c *checker) plugin() bool {
	if c.img.Kind == KindPlugin {
		return true
	}
	r := notPlugin(c.img.Kind)
	if c.img.Kind == KindGoShared && c.img.Settings["-buildmode"] == "plugin" {
		if r.Remedy = "build it again without stripping the dynamic symbols"; len(c.img.Packages) > 0 {
			// The linker calls the main package otherwise than its symbols, and the runtime would find none of them.
			r.Remedy = "build it again without -ldflags=-pluginpath, or with `sohost build`, which gives each build its own path"
		}
	}
	c.add(r)
	return false
}

// faults adds what is wrong with the image's headers.
func (c *checker) faults() {
	for _, f := range c.img.Faults {
		c.add(Reason{Code: MalformedImage, Subject: f.Rule, Want: f.Want, Found: f.Found,
			Remedy: "build or copy it again; if it is as the linker has made it, use the linker of the C compiler that the host was built with"})
	}
}

// host reports whether there is a Go program to compare with.
func (c *checker) host() bool {
	r := Reason{Code: HostCannotLoad, Want: "a Go executable that can load plugins"}
	switch exe := c.exe; {
	case exe.CanLoadPlugins():
		return true
	case exe.Kind != KindGoExecutable:
		r.Found = exe.Kind.describe()
		r.Remedy = "name the host program itself"
	case exe.Settings["CGO_ENABLED"] == "0":
		r.Found = "a host built with CGO_ENABLED=0"
		r.Remedy = "build the host with CGO_ENABLED=1 and a C compiler; package plugin works only with cgo"
	default:
		r.Found = "a host without the package plugin"
		r.Remedy = "build the host with cgo and with the package plugin imported, as the sohost library does"
	}
	c.add(r)
	return c.exe.Kind == KindGoExecutable
}

func (c *checker) platform() bool {
	platform := func(i *Info) string { return i.OS + "/" + i.Arch }
	if w, f := platform(c.exe), platform(c.img); w != f {
		c.add(Reason{Code: WrongPlatform, Want: w, Found: f,
			Remedy: fmt.Sprintf("build the plugin with GOOS=%s GOARCH=%s and a C compiler for it", c.exe.OS, c.exe.Arch)})
		return false
	}
	if w, f := c.exe.libc(), c.img.libc(); w != "" && f != "" && w != f {
		c.add(Reason{Code: WrongPlatform, Subject: "C library", Want: w, Found: f,
			Remedy: "build host and plugin on the same distribution"})
	}
	return true
}

// libc returns the C library that the file was linked with, or "" if it is unknown.
func (i *Info) libc() string {
	for _, l := range i.Libraries {
		switch {
		case strings.HasPrefix(l, "libc.musl"):
			return "musl"
		case l == "libc.so.6":
			return "glibc"
		}
	}
	return ""
}

// badToolchains lists the releases that corrupt types of the standard library when several plugins are open: golang/go#81303.
var badToolchains = []string{"go1.27.0", "go1.27.1"}

func (c *checker) toolchain() bool {
	w, f := c.exe.Toolchain, c.img.Toolchain
	release, _, _ := strings.Cut(f, "-") // distributions append their own suffix
	if slices.Contains(badToolchains, release) {
		c.add(Reason{Code: BadToolchain, Subject: release, Want: "another release than " + strings.Join(badToolchains, " and "), Found: f,
			Remedy: "build host and plugin with another Go release; these corrupt programs with several plugins (golang/go#81303)"})
	}
	if w != f {
		c.add(Reason{Code: WrongToolchain, Want: w, Found: f,
			Remedy: fmt.Sprintf("build the plugin with the host's release: GOTOOLCHAIN=%s go build …", w)})
		return false
	}
	return true
}

// These settings change what is compiled into every package. The maybeSettings do so only if they apply to a shared package,
// which their text doesn't reveal, so they count only if packages differ.
var (
	hardSettings  = []string{"-compiler", "-race", "-msan", "-asan", "GOEXPERIMENT"}
	maybeSettings = []string{"-trimpath", "-gcflags", "-asmflags", "-pgo", "GOFIPS140", "-linkshared"}
)

// flags adds the build settings that make the shared packages differ. It reports whether there were none.
func (c *checker) flags() bool {
	settings := hardSettings
	if c.standardDiffers() > 0 {
		settings = append(slices.Clone(hardSettings), maybeSettings...)
	}
	same := true
	for _, s := range settings {
		w, f := c.exe.setting(s), c.img.setting(s)
		if w == f || len(c.exe.Settings) == 0 || len(c.img.Settings) == 0 {
			continue
		}
		same = false
		c.add(Reason{Code: WrongFlags, Subject: s, Want: cmp.Or(w, "not set"), Found: cmp.Or(f, "not set"), Remedy: flagRemedy(s, w)})
	}
	return same
}

// setting returns a build setting, or "" for flags that apply only to some packages, those of the plugin's own tree.
func (i *Info) setting(name string) string {
	v := i.Settings[name]
	if (name == "-gcflags" || name == "-asmflags") && !strings.Contains(v, "all=") && !strings.Contains(v, "std") {
		return ""
	}
	return v
}

func flagRemedy(name, want string) string {
	flag := name
	if !strings.HasPrefix(name, "-") {
		flag = name + "=" + want + " in the environment"
	} else if want != "" && want != "true" {
		flag = fmt.Sprintf("%s=%q", name, want)
	}
	if want == "" {
		return "build the plugin without " + name + ", as the host was"
	}
	return "build the plugin with " + flag + ", as the host was"
}

func (c *checker) symbol() {
	s := c.want.Symbol
	if s == "" || slices.Contains(c.img.Symbols, s) {
		return
	}
	found := "none exported"
	if len(c.img.Symbols) > 0 {
		found = strings.Join(c.img.Symbols[:min(len(c.img.Symbols), 8)], ", ")
	}
	c.add(Reason{Code: NoSymbol, Subject: s, Want: s, Found: found,
		Remedy: fmt.Sprintf("declare a package-level variable %s in package main of the plugin", s)})
}
