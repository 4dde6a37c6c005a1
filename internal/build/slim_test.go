package build

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sohost/sohost/native"
)

// TestSlim loads slim and full images of one plugin beside each other.
func TestSlim(t *testing.T) {
	f := unpack(t, "versions")
	first := f.buildWith(f.options("./plugin"))
	f.edit("plugin/main.go", "first", "second")
	opts := f.options("./plugin")
	opts.Full = true
	second := f.buildWith(opts)
	f.edit("plugin/main.go", "second", "third")
	third := f.buildWith(f.options("./plugin"))
	want := []string{
		"first sub=a yaml=v3.0.0 own=1 lib=1",
		"second sub=a yaml=v3.0.0 own=1 lib=2",
		"third sub=a yaml=v3.0.0 own=1 lib=3",
		"first sub=a yaml=v3.0.0 own=2 lib=4",
	}
	if diff := cmp.Diff(want, load(t, first.Output, second.Output, third.Output, "0")); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if !first.Slim || second.Slim || !third.Slim || first.WhyFull != "" || second.WhyFull != "" || first.Size > second.Size/7 {
		t.Errorf("got %+v, %+v and %+v", first, second, third)
	}
	if !slices.Contains(first.Along, abiPath) || slices.Contains(first.Along, "fmt") {
		t.Errorf("brings %v", first.Along)
	}
	info := must(native.InspectFile(first.Output))
	full := must(native.InspectFile(second.Output))
	for pkg, hash := range info.Packages {
		if want := full.Packages[pkg]; !info.Seal.Slim || want != "" && hash != want {
			t.Errorf("%s has the hash %s, and %s in a full image", pkg, hash, want)
		}
	}
}

// TestSlimOfAnotherContract has another source of the contract than the host. That it is compiled for a slim image hides nothing.
func TestSlimOfAnotherContract(t *testing.T) {
	long(t)
	f := unpack(t, "versions")
	copyContract(t, f)
	_, err := Build(context.Background(), f.options("./plugin"))
	if rejected := (*ImageError)(nil); !errors.As(err, &rejected) || !errors.Is(err, native.WrongPackage) {
		t.Errorf("got %v", err)
	}
}

// copyContract gives the module a contract of its own, with another line in it.
func copyContract(t *testing.T, f *fixture) {
	t.Helper()
	root := must(filepath.Abs("../.."))
	for _, file := range must(filepath.Glob("../../abi/*.go")) {
		if !strings.HasSuffix(file, "_test.go") {
			write(t, filepath.Join(f.dir, "contract/abi", filepath.Base(file)), "// Another line.\n\n"+string(must(os.ReadFile(file))))
		}
	}
	write(t, filepath.Join(f.dir, "contract/go.mod"), "module "+abiModule+"\n\ngo 1.26.0\n")
	f.edit("go.mod", "=> "+root, "=> ./contract")
}

// TestUnfit has hosts that no slim images are compiled for: of Go releases with which nobody has tried it, and with what changes code.
func TestUnfit(t *testing.T) {
	for _, test := range []struct {
		host host
		why  string
	}{
		{host{toolchain: "go1.26"}, ""},
		{host{toolchain: "go1.27.12", flags: []string{"-race=false"}}, ""},
		{host{toolchain: "go1.28"}, "slim images were never tried with go1.28"},
		{host{toolchain: "go1.28rc1"}, "slim images were never tried with go1.28rc1"},
		{host{toolchain: "go1.271.0"}, "slim images were never tried with go1.271.0"},
		{host{toolchain: "devel"}, "slim images were never tried with devel"},
		{host{toolchain: "go1.27.4", flags: []string{"-race=true", "-asan=false"}}, "the host was built with -race"},
	} {
		s := &surveyed{host: test.host}
		if why := s.unfit(); why != test.why {
			t.Errorf("%v: got %q, want %q", test.host, why, test.why)
		}
		if test.why == "" {
			continue
		}
		var p, asked plan
		err := errors.Join(p.decideSlim(s, Options{}), asked.decideSlim(s, Options{Full: true}))
		if err != nil || p.Slim || p.why != test.why || asked.Slim || asked.why != "" {
			t.Errorf("%v: %v; slim: %t, %q; asked for: %t, %q", test.host, err, p.Slim, p.why, asked.Slim, asked.why)
		}
	}
}

// TestFullInstead builds what can't be slim.
func TestFullInstead(t *testing.T) {
	f := unpack(t, "versions")
	for i, test := range []struct {
		name   string
		change func(*Options)
		why    string
	}{
		{"the C linker fails", func(o *Options) {
			o.asked = refusing(extldCommand)
		}, "the linker gave up"},
		{"debugging information", func(o *Options) { o.DWARF = true }, "with debugging information"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if i > 0 {
				long(t)
			}
			opts := f.options("./plugin")
			test.change(&opts)
			r := f.buildWith(opts)
			if r.Slim || !strings.Contains(r.WhyFull, test.why) {
				t.Errorf("slim: %t, %q", r.Slim, r.WhyFull)
			}
			if diff := cmp.Diff([]string{"first sub=a yaml=v3.0.0 own=1 lib=1"}, load(t, r.Output)); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			if again := f.buildWith(opts); again.Changed || again.WhyFull != r.WhyFull {
				t.Errorf("built again: changed is %t, %q", again.Changed, again.WhyFull)
			}
		})
	}
}

// TestLinknameRefused refers by go:linkname to functions that the host has, but that nobody else may refer to.
func TestLinknameRefused(t *testing.T) {
	long(t)
	f := unpack(t, "versions")
	write(t, filepath.Join(f.dir, "plugin/pull.s"), "")
	pull := func(target string) Options {
		write(t, filepath.Join(f.dir, "plugin/pull.go"), "package main\n\nimport _ \"unsafe\"\n\n//go:linkname pulled "+target+"\nfunc pulled()\n\nvar Pulled = pulled\n")
		return f.options("./plugin")
	}
	for _, target := range []string{
		"fmt.intFromArg",     // it has no directive
		"runtime.coroswitch", // it has one, for package iter
	} {
		_, err := Build(context.Background(), pull(target))
		if ce := (*CompileError)(nil); !errors.As(err, &ce) || !strings.Contains(ce.Output, "invalid reference to "+target) {
			t.Errorf("%s: got %v", target, err)
		}
	}
	opts := pull("fmt.intFromArg")
	opts.LDFlags = "-checklinkname=0"
	if r := f.buildWith(opts); !r.Slim {
		t.Error(r.WhyFull)
	}
}

// TestSlimStripped asks the linkers in every way to leave out symbols, which are needed until the image is complete.
func TestSlimStripped(t *testing.T) {
	long(t)
	f := unpack(t, "versions")
	opts := f.options("./plugin")
	opts.LDFlags = "-s -w -extldflags '-s -Wl,--strip-all,-O1'"
	r := f.buildWith(opts)
	if !r.Slim {
		t.Error(r.WhyFull)
	}
	if diff := cmp.Diff([]string{"first sub=a yaml=v3.0.0 own=1 lib=1"}, load(t, r.Output)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestLinkerError(t *testing.T) {
	const run = "link: running /bin/sh failed: exit status 1\n/bin/sh /w/toolexec.sh extld /w gcc -o a.out.so /tmp/go.o -lsohost\n"
	for out, want := range map[string]string{
		run + "ld: /tmp/go.o: warning: relocation against `a.F'\nld: /tmp/go.o: relocation against undefined symbol `a.F'\nfinal link failed": "ld: /tmp/go.o: relocation against undefined symbol `a.F'",
		run:               "link: running /bin/sh failed: exit status 1",
		"link: panic\n\n": "link: panic",
		"":                "",
	} {
		if got := linkerError(out); got != want {
			t.Errorf("of %q it tells %q", out, got)
		}
	}
}

func TestKeepSymbols(t *testing.T) {
	for _, test := range []struct {
		args, want string
		stripped   bool
	}{
		{"-w main.a", "-w main.a", false},
		{"-s -w main.a", "-w main.a", true},
		{"-extldflags=-static-libgcc main.a", "-extldflags=-static-libgcc main.a", false},
		{"-extldflags=-Wl,-s,-O1 main.a", "-extldflags=-Wl,-O1 main.a", true},
		{"-extldflags=-Wl,--strip-all main.a", "-extldflags= main.a", true},
	} {
		got, stripped, err := keepSymbols(strings.Fields(test.args))
		if err != nil || strings.Join(got, " ") != test.want || stripped != test.stripped {
			t.Errorf("%s: %v, %t, %v", test.args, got, stripped, err)
		}
	}
}

// TestSlimExports exports a variable of a type that only the host has otherwise. The table of exports needs its descriptor.
func TestSlimExports(t *testing.T) {
	long(t)
	f := unpack(t, "versions")
	write(t, filepath.Join(f.dir, "plugin/extra.go"), "package main\n\nimport \"text/tabwriter\"\n\nvar Extra tabwriter.Writer\n\nfunc Func() *tabwriter.Writer { return &Extra }\n")
	r := f.buildWith(f.options("./plugin"))
	if !r.Slim || !slices.Contains(r.Along, "text/tabwriter") || r.WhyAlong["text/tabwriter"] == "" {
		t.Errorf("brings %v (%v): %s", r.Along, r.WhyAlong, r.WhyFull)
	}
	if diff := cmp.Diff([]string{"first sub=a yaml=v3.0.0 own=1 lib=1"}, load(t, r.Output)); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}
