package build

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// goEnv is what the go command says about itself in the package's directory. The directory matters: a go.mod or go.work
// there may select another toolchain, and change the module cache or GOFLAGS through its own environment.
type goEnv struct {
	GOVERSION  string
	GOFLAGS    string
	GOMODCACHE string
	GOMOD      string
	GOWORK     string
	CC         string
	CXX        string
}

// cgoSettings are the variables that change what cgo packages and the link are made of, beside the sources.
var cgoSettings = []string{"CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_FFLAGS", "CGO_LDFLAGS"}

func readGoEnv(ctx context.Context, c goCommand) (goEnv, map[string]string, error) {
	out, err := c.output(ctx, "env", "-json", "GOVERSION", "GOFLAGS", "GOMODCACHE", "GOMOD", "GOWORK", "CC", "CXX",
		cgoSettings[0], cgoSettings[1], cgoSettings[2], cgoSettings[3], cgoSettings[4])
	if err != nil {
		return goEnv{}, nil, err
	}
	var env goEnv
	all := make(map[string]string)
	if err := json.Unmarshal(out, &env); err != nil {
		return goEnv{}, nil, fmt.Errorf("read go env: %w", err)
	}
	if err := json.Unmarshal(out, &all); err != nil {
		return goEnv{}, nil, fmt.Errorf("read go env: %w", err)
	}
	return env, all, nil
}

// checkToolchain refuses a go command of another release than the host's: the standard library of each release has types
// and a runtime of its own, and the host refuses to load an image that was made with another.
func checkToolchain(env goEnv, h host) error {
	found := release(env.GOVERSION)
	if found == h.toolchain {
		return nil
	}
	remedy := fmt.Sprintf("set GOTOOLCHAIN=%s for the build, or build the host with %s", h.toolchain, found)
	if !strings.HasPrefix(h.toolchain, "go1") {
		remedy = "build host and plugin with the same go command"
	}
	return &Refusal{Kind: ErrToolchain, Reason: "the host was built by another Go release", Want: h.toolchain, Found: found, Remedy: remedy}
}

// buildFlags are the flags in GOFLAGS that sohost has to deal with itself.
type buildFlags struct {
	rest    string   // GOFLAGS without what is below; never empty, or a saved go env would take its place
	tags    []string // -tags
	ldflags []string // every -ldflags, which stay in rest
	gcflags []string // every -gcflags without a pattern: the compiler flags of package main
}

// readGOFLAGS divides GOFLAGS up.
//   - -toolexec is refused, there can be only one, and so is what changes the kind of the result or the compiler.
//   - -gcflags for package main are kept; for others they must be the host's own, or be refused: flags such as -N for the
//     standard library would make the image unfit for the host.
//   - Those that Build gives itself, from what the host was built with, are overridden on the command line.
func readGOFLAGS(goflags string, h host) (buildFlags, error) {
	items, err := splitQuoted(goflags)
	if err != nil {
		return buildFlags{}, &Refusal{Kind: ErrFlags, Reason: "GOFLAGS: " + err.Error(), Remedy: "correct GOFLAGS"}
	}
	var f buildFlags
	var rest []string
	vcs := false
	for _, item := range items {
		name, value, _ := strings.Cut(item, "=")
		switch name = "-" + strings.TrimLeft(name, "-"); name {
		case "-toolexec", "-linkshared", "-compiler", "-overlay", "-installsuffix":
			if name == "-compiler" && value == "gc" {
				continue
			}
			return buildFlags{}, &Refusal{Kind: ErrFlags, Reason: fmt.Sprintf("GOFLAGS has %s, which isolated images can't be built with", item),
				Remedy: "take it out of GOFLAGS for this build"}
		case "-gcflags":
			if strings.HasPrefix(strings.TrimSpace(value), "-") {
				f.gcflags = append(f.gcflags, value)
			} else if value != h.gcflags {
				return buildFlags{}, &Refusal{Kind: ErrFlags, Reason: "GOFLAGS has compiler flags for more than the plugin's package main",
					Want: "-gcflags=" + h.gcflags, Found: item, Remedy: "take it out of GOFLAGS, or build the host with the same"}
			}
		case "-tags":
			f.tags = append(f.tags, strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })...)
		case "-n", "-json", "-o", "-buildmode", "-trimpath", "-race", "-msan", "-asan", "-pgo":
			// Build says these itself, or they make no sense here.
		default:
			if name == "-ldflags" {
				f.ldflags = append(f.ldflags, value)
			}
			vcs = vcs || name == "-buildvcs"
			rest = append(rest, item)
		}
	}
	if !vcs {
		// A stamp would make a new image of the same content after each commit, and so reload it for nothing.
		rest = append(rest, "-buildvcs=false")
	}
	f.rest, err = joinQuoted(rest)
	return f, err
}

// buildEnv is the environment for listing and building: the caller's, overridden by what the host was built with.
func buildEnv(base []string, env goEnv, f buildFlags, h host) []string {
	out := slices.Clone(base)
	out = append(out, "GOFLAGS="+f.rest, "CGO_ENABLED=1", "GOOS="+h.goos, "GOARCH="+h.goarch)
	out = append(out, h.env...)
	// The C compiler for another architecture has a conventional name; the go command only knows the native one's.
	if prefix, ok := crossPrefix[h.goarch]; ok && h.goarch != runtime.GOARCH {
		if !isSet(base, "CC") {
			out = append(out, "CC="+prefix+"gcc")
		}
		if !isSet(base, "CXX") {
			out = append(out, "CXX="+prefix+"g++")
		}
	}
	return out
}

var crossPrefix = map[string]string{"amd64": "x86_64-linux-gnu-", "arm64": "aarch64-linux-gnu-"}

func isSet(env []string, key string) bool {
	return slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, key+"=") && len(kv) > len(key)+1 })
}
