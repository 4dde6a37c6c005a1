package sohost_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports keeps imports pointing down. Each rule says what would be lost otherwise.
func TestImports(t *testing.T) {
	const module = "github.com/sohost/sohost"
	rules := []struct {
		pkg     string
		allowed []string // prefixes of what it may import, besides the standard library
		why     string
	}{
		{"/abi", nil, "whatever abi imports, every plugin must have in the very version that the host has"},
		{"/abi/keep", []string{module + "/abi"}, "it is compiled into plugins"},
		{"/native", []string{"golang.org/x/sys"}, "it is of use to any host of Go plugins"},
		{"/generations", []string{"golang.org/x/sys"}, "it knows nothing of plugins"},
		{"/internal/cache", []string{module + "/abi"}, "it is a cache and nothing else"},
		{"/internal/watch", []string{"golang.org/x/sys"}, "it tells of files and nothing else"},
		{"/internal/passing", []string{"golang.org/x/sys"}, "it carries messages and knows none"},
		{"/internal/server/conns", []string{"golang.org/x/sys"}, "it moves connections and knows no host"},
		{"/internal/server/systemd", []string{"golang.org/x/sys", "github.com/coreos/go-systemd/v22"}, "it knows units and no plugins"},
		{"/internal/crash", []string{module + "/native"}, "it reads and decides nothing"},
		{"/internal/state", []string{module + "/abi"}, "it moves values and calls no plugin"},
		{"", []string{"golang.org/x/sys", module + "/abi", module + "/native", module + "/generations", module + "/internal/cache", module + "/internal/watch", module + "/internal/state", module + "/internal/passing", module + "/internal/crash", module + "/internal/self"},
			"the library is embedded in other programs: it brings no command line, no configuration and no build"},
	}
	for _, rule := range rules {
		out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, module+rule.pkg).Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range strings.Fields(string(out)) {
			if !standard(path) && !permitted(path, rule.allowed) {
				t.Errorf("%s imports %s: %s", module+rule.pkg, path, rule.why)
			}
		}
	}
}

func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func permitted(path string, allowed []string) bool {
	for _, prefix := range allowed {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return true
		}
	}
	return false
}
