package build

import (
	"cmp"
	"debug/buildinfo"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

// abiModule and abiPath name the one package besides the standard library that every host shares with its plugins.
const (
	abiModule = "github.com/sohost/sohost"
	abiPath   = abiModule + "/abi"
)

// ContractDir is the name of the directory in a module that holds its copy of package abi, as `sohost new` writes it.
const ContractDir = ".sohost"

// host describes the binary that will load a plugin, as far as the plugin must match it.
type host struct {
	toolchain string // such as "go1.26.8", without experiments
	trimpath  bool
	goos      string
	goarch    string
	tags      []string
	profile   string   // name of the profile that the host was optimized with, if any
	gcflags   string   // as recorded: the last -gcflags of the host's build
	flags     []string // -race and similar, as flags of the go command
	env       []string // settings that are environment variables, such as GOAMD64=v3
	abiDir    string   // the directory recorded for positions in abi; "" without -trimpath
}

// readHost reads the build info of a binary.
func readHost(file string) (host, error) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return host{}, &Refusal{Kind: ErrHost, Reason: fmt.Sprintf("read the build info of %s: %v", file, err),
			Remedy: "name a Go binary that the go command built from a module"}
	}
	return hostOf(hostName(file), info)
}

// hostName returns the name of the host's file for messages.
func hostName(file string) string {
	if link, err := os.Readlink(file); err == nil && strings.HasPrefix(file, "/proc/") {
		return link
	}
	return file
}

// hostOf interprets the build info of the binary called name.
func hostOf(name string, info *debug.BuildInfo) (host, error) {
	set := make(map[string]string)
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	h := host{
		toolchain: release(info.GoVersion), trimpath: set["-trimpath"] == "true", goos: set["GOOS"], goarch: set["GOARCH"],
		gcflags: set["-gcflags"], profile: set["-pgo"],
	}
	if h.goos == "" || h.goarch == "" {
		return host{}, &Refusal{Kind: ErrHost, Reason: fmt.Sprintf("the build info of %s has no GOOS and GOARCH", name),
			Remedy: "build the host with the go command, from a module"}
	}
	if set["CGO_ENABLED"] == "0" {
		return host{}, &Refusal{Kind: ErrHost, Reason: name + " was built without cgo, so it can't load plugins",
			Want: "CGO_ENABLED=1", Found: "CGO_ENABLED=0", Remedy: "build the host with CGO_ENABLED=1"}
	}
	for _, f := range []string{"-race", "-msan", "-asan"} {
		// False is explicit too, because GOFLAGS may say the opposite.
		h.flags = append(h.flags, fmt.Sprintf("%s=%t", f, set[f] == "true"))
	}
	if set["-tags"] != "" {
		h.tags = strings.Split(set["-tags"], ",")
	}
	for _, k := range []string{"GOAMD64", "GOARM64"} { // they don't change what packages look like to each other
		if v, ok := set[k]; ok {
			h.env = append(h.env, k+"="+v)
		}
	}
	// What the host does without, the plugin does without, whatever the environment says.
	_, experiments, _ := strings.Cut(info.GoVersion, "X:")
	h.env = append(h.env, "GOEXPERIMENT="+cmp.Or(set["GOEXPERIMENT"], experiments), "GOFIPS140="+cmp.Or(set["GOFIPS140"], "off"))
	dir, ok := recordedDir(info, abiPath)
	if !ok {
		return host{}, &Refusal{Kind: ErrHost, Reason: fmt.Sprintf("%s doesn't contain %s", name, abiModule),
			Remedy: "name a host that contains it with --host"}
	}
	if h.trimpath {
		h.abiDir = dir
	}
	return h, nil
}

// patternFlags returns the compiler flags that the host was built with for all packages, and for those of the standard library.
func (h host) patternFlags() (all, std string) {
	switch pattern, value, _ := strings.Cut(h.gcflags, "="); pattern {
	case "all":
		return value, value
	case "std":
		return "", value
	}
	return "", ""
}

// release returns a Go version without its experiments, which follow a dash or, in earlier releases, a space.
func release(version string) string {
	version, _, _ = strings.Cut(version, " X:")
	version, _, _ = strings.Cut(version, "-X:")
	return version
}
