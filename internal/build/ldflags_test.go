package build

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLDFlags sets variables of package main and of a dependency. Generations share the dependency otherwise, so the second would
// see the value of the first.
func TestLDFlags(t *testing.T) {
	long(t)
	f := unpack(t, "versions")
	f.edit("plugin/main.go", `"first`, `version+dep()+"`)
	f.edit("plugin/main.go", "func main() {}", "var version = \"none\"\n\nfunc dep() string { return \"/\" + lib.Version }\n\nfunc main() {}")
	f.edit("lib/lib.go", "package lib", "package lib\n\nvar Version = \"none\"")
	build := func(ldflags string) string {
		opts := f.options("./plugin")
		opts.LDFlags = ldflags
		return f.buildWith(opts).Output
	}
	images := []string{build(""), build("-X main.version=1 -X example.com/lib.Version=1"), build("-X=example.com/app/plugin.version=2 '--X=example.com/lib.Version=2 b'"), "0"}
	var got []string
	for _, line := range load(t, images...) {
		got = append(got, strings.TrimSuffix(line, line[strings.Index(line, " sub="):]))
	}
	if diff := cmp.Diff([]string{"none/none", "1/1", "2/2 b", "none/none"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for ldflags, want := range map[string]string{
		"-X fmt.x=1": "belongs to the server", "-X=" + abiPath + ".Symbol=x": "belongs to the server", "-w -pluginpath=x": "can't be built with",
		"-X 'main.x=1": "unterminated",
	} {
		opts := f.options("./plugin")
		opts.LDFlags = ldflags
		_, err := Build(context.Background(), opts)
		if r := refusal(t, err, ErrFlags); !strings.Contains(r.Reason, want) {
			t.Errorf("%s: got %v, want %q", ldflags, r, want)
		}
	}
}
