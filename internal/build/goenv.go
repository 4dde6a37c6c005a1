package build

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
)

// goEnv holds the go command's settings in the package's directory. The directory matters: a go.mod or go.work there may
// select another toolchain, whose environment may have another module cache or GOFLAGS.
type goEnv struct {
	GOVERSION  string
	GOOS       string
	GOARCH     string
	GOHOSTOS   string
	GOHOSTARCH string
	GOFLAGS    string
	GOMODCACHE string
	GOMOD      string
	GOWORK     string
	CC         string
	CXX        string
}

// cgoSettings are the variables that determine cgo packages and the link, besides the sources.
var cgoSettings = []string{"CGO_CFLAGS", "CGO_CPPFLAGS", "CGO_CXXFLAGS", "CGO_FFLAGS", "CGO_LDFLAGS"}

func readGoEnv(ctx context.Context, c goCommand) (goEnv, map[string]string, error) {
	out, err := c.output(ctx, "env", "-json", "GOVERSION", "GOOS", "GOARCH", "GOHOSTOS", "GOHOSTARCH", "GOFLAGS", "GOMODCACHE", "GOMOD", "GOWORK", "GOENV", "CC", "CXX", "PKG_CONFIG",
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

// checkToolchain refuses a go command whose release differs from the host's. Each release has its own runtime and standard
// library types, and a host refuses to load an image that was built with another release.
func checkToolchain(env goEnv, h host) error {
	found := release(env.GOVERSION)
	if found == h.toolchain {
		return nil
	}
	remedy := fmt.Sprintf("set GOTOOLCHAIN=%s for the build, or build the host with %s", h.toolchain, found)
	if !strings.HasPrefix(h.toolchain, "go1") {
		remedy = "build host and plugin with the same go command"
	}
	return &Refusal{Kind: ErrToolchain, Reason: "the host was built with another Go release",
		Want: h.toolchain, Found: found, Remedy: remedy}
}

// checkPlatform refuses to build for another platform than the host's when the environment asks for it: an image for one can't be
// loaded by the other. base is the caller's environment. What the go command assumes by itself is no wish: a host for another
// platform gets an image for its own.
func checkPlatform(base []string, env goEnv, h host) error {
	for _, v := range []struct{ key, asked, own, want string }{
		{"GOOS", env.GOOS, env.GOHOSTOS, h.goos}, {"GOARCH", env.GOARCH, env.GOHOSTARCH, h.goarch},
	} {
		if v.asked != v.want && (v.asked != v.own || isSet(base, v.key)) {
			return &Refusal{Kind: ErrFlags, Reason: "the environment asks for another platform than the host's",
				Want: v.key + "=" + v.want, Found: v.key + "=" + v.asked,
				Remedy: fmt.Sprintf("name a host for %s with --host, or unset %s", v.asked, v.key)}
		}
	}
	return nil
}

// buildFlags holds the flags in GOFLAGS that sohost has to handle itself.
type buildFlags struct {
	rest    string   // GOFLAGS without tags and gcflags; never empty, or the value saved by go env -w would be used instead
	tags    []string // -tags
	ldflags []string // every -ldflags, which also stay in rest
	gcflags []string // every -gcflags without a pattern: the compiler flags for package main
}

// readGOFLAGS splits GOFLAGS.
//   - -toolexec is refused, because there can be only one, and so are flags that change the kind of the result or the compiler.
//   - -gcflags for package main are kept. For other packages they must equal the host's, or they are refused: the host
//     could not load an image with flags such as -N for the standard library.
//   - Flags that Build sets itself, to match the host, are dropped.
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
			return buildFlags{}, &Refusal{Kind: ErrFlags,
				Reason: fmt.Sprintf("GOFLAGS has %s, which isolated images can't be built with", item),
				Remedy: "remove it from GOFLAGS for this build"}
		case "-gcflags":
			if strings.HasPrefix(strings.TrimSpace(value), "-") {
				f.gcflags = append(f.gcflags, value)
			} else if value != h.gcflags {
				return buildFlags{}, &Refusal{Kind: ErrFlags,
					Reason: "GOFLAGS has compiler flags for more than the plugin's package main",
					Want:   "-gcflags=" + h.gcflags, Found: item,
					Remedy: "remove it from GOFLAGS, or build the host with the same flags"}
			}
		case "-tags":
			f.tags = append(f.tags, strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })...)
		case "-n", "-json", "-o", "-buildmode", "-trimpath", "-race", "-msan", "-asan", "-pgo":
			// Build sets these itself, or they make no sense here.
		default:
			if name == "-ldflags" {
				f.ldflags = append(f.ldflags, value)
			}
			vcs = vcs || name == "-buildvcs"
			rest = append(rest, item)
		}
	}
	if !vcs {
		// A stamp would make each commit produce a new image with the same content, and cause a needless reload.
		rest = append(rest, "-buildvcs=false")
	}
	f.rest, err = joinQuoted(rest)
	return f, err
}

// buildEnv returns the environment for listing and building: the caller's, with the settings that the host was built with.
func buildEnv(base []string, env goEnv, f buildFlags, h host) []string {
	out := slices.Clone(base)
	out = append(out, "GOFLAGS="+f.rest, "CGO_ENABLED=1", "GOOS="+h.goos, "GOARCH="+h.goarch)
	out = append(out, h.env...)
	// C compilers for other architectures have conventional names; the go command knows only the native one's.
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
