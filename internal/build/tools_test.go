package build

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTools(t *testing.T) {
	amd, arm := host{toolchain: "go1.26.8", goarch: "amd64"}, host{goarch: "arm64"}
	cc := script(t, "exit 0")
	dir := filepath.Dir(cc)
	path := "PATH=/nowhere:" + dir
	for _, good := range [][]string{{"CC=" + cc}, {path, "CC=script -m64"}, {path, "CC=other", "CC='script' -m64"}} {
		if err := checkCompiler(good, "gcc", amd); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, test := range []struct {
		env    []string
		h      host
		reason string
		remedy string
	}{
		{[]string{path}, amd, "no C compiler gcc,", "apt install gcc`"},
		{[]string{path, "CC="}, amd, "no C compiler gcc,", "apt install gcc`"},
		{[]string{path, "CC=aarch64-linux-gnu-gcc"}, arm, "no C compiler aarch64-linux-gnu-gcc,", "apt install gcc-aarch64-linux-gnu`"},
		{[]string{"CC=" + dir}, amd, "no C compiler " + dir, "name another with CC"},
		{[]string{"CC='"}, amd, "names no program", "unset CC"},
	} {
		r := refusal(t, checkCompiler(test.env, "gcc", test.h), ErrNoTool)
		if !strings.Contains(r.Reason, test.reason) || !strings.Contains(r.Remedy, test.remedy) {
			t.Errorf("%q: got %v", test.env, r)
		}
	}
	if r := refusal(t, noGo(exec.ErrNotFound, amd), ErrNoTool); !strings.Contains(r.Remedy, "install go1.26.8 from") {
		t.Errorf("got %v", r)
	}
	if err := noGo(exec.ErrDot, amd); err != exec.ErrDot {
		t.Errorf("got %v", err)
	}
}

func TestCheckPlatform(t *testing.T) {
	env := func(goarch string) goEnv {
		return goEnv{GOOS: "linux", GOARCH: goarch, GOHOSTOS: "linux", GOHOSTARCH: "amd64"}
	}
	amd, arm := host{goos: "linux", goarch: "amd64"}, host{goos: "linux", goarch: "arm64"}
	for name, err := range map[string]error{
		"native":                       checkPlatform(nil, env("amd64"), amd),
		"a host for another platform":  checkPlatform(nil, env("amd64"), arm),
		"a wish that the host matches": checkPlatform([]string{"GOARCH=arm64"}, env("arm64"), arm),
	} {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"the environment": checkPlatform([]string{"GOARCH=arm64"}, env("arm64"), amd),
		"go env -w":       checkPlatform(nil, env("arm64"), amd),
		"the native one":  checkPlatform([]string{"GOARCH=amd64"}, env("amd64"), arm),
		"another system":  checkPlatform(nil, goEnv{GOOS: "windows", GOARCH: "amd64", GOHOSTOS: "linux", GOHOSTARCH: "amd64"}, amd),
	} {
		if r := refusal(t, err, ErrFlags); r.Want == r.Found {
			t.Errorf("%s: got %v", name, r)
		}
	}
}
