package native

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hostSource is a host program that names contracts, in two packages.
var hostSource = map[string]string{
	"go.mod": "module example.com/app\n\ngo 1.26.0\n",
	"v1.5/lib.go": `package lib

		var SohostContracts = []string{"example.com/app/v1.5", "example.com/app/one"}`,
	"main.go": `package main

		import ( "fmt"; "example.com/app/v1.5"; _ "plugin" )

		var SohostContracts = []string{"example.com/app/two", "example.com/app/one"}

		var SohostContractsOther = []string{"example.com/other"}

		func main() { fmt.Println(SohostContracts, lib.SohostContracts, SohostContractsOther) }`,
}

// TestContracts reads the contracts from host programs that are built in every way there is.
func TestContracts(t *testing.T) {
	for _, test := range []struct {
		name  string
		flags []string
		env   []string
		long  bool
		tool  string // that it needs
	}{
		{name: "default", long: true}, // the embedding program of package integration is one
		{name: "pie", flags: []string{"-buildmode=pie"}},
		{name: "stripped", flags: []string{"-ldflags=-s -w"}, long: true},
		{name: "unoptimised", flags: []string{"-gcflags=-N -l"}, long: true},
		{name: "compact", flags: []string{"-buildmode=pie", "-ldflags=-extldflags=-Wl,-z,pack-relative-relocs"}, long: true},
		{name: "arm64", env: []string{"GOARCH=arm64", "CC=aarch64-linux-gnu-gcc"}, long: true, tool: "aarch64-linux-gnu-gcc"},
		{name: "arm64 pie", flags: []string{"-buildmode=pie"}, env: []string{"GOARCH=arm64", "CC=aarch64-linux-gnu-gcc"}, long: true,
			tool: "aarch64-linux-gnu-gcc"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.long && testing.Short() {
				t.Skip("builds a program in a way that needs no code of its own")
			}
			if _, err := exec.LookPath(test.tool); test.tool != "" && err != nil {
				t.Skip("no cross compiler: ", err)
			}
			info := hostProgram(t, hostSource, test.flags, test.env)
			want := []string{"example.com/app/one", "example.com/app/two", "example.com/app/v1.5"}
			if !slices.Equal(info.Contracts, want) || info.ContractsFault != "" {
				t.Errorf("got %q, %q, want %q", info.Contracts, info.ContractsFault, want)
			}
		})
	}
}

// TestContractsUnreadable has variables whose values aren't in the file, or aren't what they should be.
func TestContractsUnreadable(t *testing.T) {
	const unreadable = "the value of main.SohostContracts can't be read"
	const nothing = "main.SohostContracts has no value in the file: if code sets it, "
	for name, test := range map[string]struct{ declaration, fault string }{
		"made by code":  {`var SohostContracts = append([]string{"example.com/app/one"}, os.Args...)`, nothing},
		"nothing":       {`var SohostContracts []string`, nothing},
		"an empty list": {`var SohostContracts = []string{}`, ""},
		"a string":      {`var SohostContracts = "example.com/app/one"`, unreadable},
		"no path":       {`var SohostContracts = []string{"example.com/app one"}`, unreadable},
		"another array": {`var SohostContracts = [2]int{7, 8}`, unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name != "an empty list" {
				t.Skip("builds one program for each")
			}
			info := hostProgram(t, map[string]string{
				"go.mod": hostSource["go.mod"],
				"main.go": "package main\n\nimport ( \"fmt\"; \"os\"; _ \"plugin\" )\n\n" + test.declaration +
					"\n\nfunc main() { fmt.Println(SohostContracts, os.Args) }",
			}, nil, nil)
			if len(info.Contracts) > 0 || !strings.HasPrefix(info.ContractsFault, test.fault) || (test.fault == "") != (info.ContractsFault == "") {
				t.Errorf("got %q, %q", info.Contracts, info.ContractsFault)
			}
		})
	}
}

// hostProgram builds a program of package main in a module with these files, and returns its facts.
func hostProgram(t *testing.T, files map[string]string, flags, env []string) *Info {
	t.Helper()
	dir := t.TempDir()
	if err := write(dir, files); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", append(append([]string{"build", "-trimpath", "-o", "host"}, flags...), ".")...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", "CGO_ENABLED=1"), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatal(fmt.Errorf("%w\n%s", err, out))
	}
	return facts(t, filepath.Join(dir, "host"))
}
