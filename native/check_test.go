package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

func TestCheckAccepts(t *testing.T) {
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"alpha", "first", "cone"} {
		if err := Check(facts(t, image(name)), self, Requirements{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Check(facts(t, image("alpha")), self, Requirements{Symbol: "Plugin", Shared: []string{"runtime"}}); err != nil {
		t.Error(err)
	}
}

// TestContractRemedies says for each way in which a host has its contract what to do about another one in the image.
func TestContractRemedies(t *testing.T) {
	img := &Info{Seal: &Seal{}, Deps: []*debug.Module{{Path: "example.com/a", Version: "v1.0.0", Sum: "h1:x"}}}
	exe := &Info{Contracts: []string{"example.com/a", "example.com/b"}, Deps: []*debug.Module{
		{Path: "example.com/a", Version: "v1.1.0", Sum: "h1:y"}, {Path: "example.com/b", Version: "v0.0.0", Replace: &debug.Module{Path: "../b"}}}}
	c := &checker{img: img, exe: exe}
	for p, want := range map[string]string{
		"example.com/a": "run `go get example.com/a@v1.1.0` in the plugin's module and build the plugin again with `sohost build --host HOST`",
		"example.com/b": "let the plugin's source of it be the one that the host was built from, and build the plugin again with " +
			"`sohost build --host HOST`",
	} {
		if r := c.wrongPackage(p, "00", "01"); r.Remedy != want {
			t.Errorf("%s: %s, want %s", p, r.Remedy, want)
		}
	}
}

// Each case changes one fact of an image or of its host, and names the reasons that must come of it, and no others.
func TestCheckReasons(t *testing.T) {
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	const any = ""
	type want struct {
		code    Code
		subject string // any, if empty
	}
	for _, c := range []struct {
		name   string
		image  string
		change func(img, exe *Info, want *Requirements)
		want   []want
	}{
		{"executable", "tool", nil, []want{{NotPlugin, any}}},
		{"architecture", "alpha", func(img, _ *Info, _ *Requirements) { img.Arch = "arm64" }, []want{{WrongPlatform, any}}},
		{"system", "alpha", func(img, _ *Info, _ *Requirements) { img.OS = "freebsd" }, []want{{WrongPlatform, any}}},
		{"C library", "alpha",
			func(img, _ *Info, _ *Requirements) { img.Libraries = []string{"libc.musl-x86_64.so.1"} },
			[]want{{WrongPlatform, "C library"}},
		},
		{"toolchain", "alpha", func(img, _ *Info, _ *Requirements) {
			img.Toolchain = "go1.25.1"
			for p := range img.Packages {
				img.Packages[p] = "00" // as it would be
			}
		}, []want{{WrongToolchain, any}}},
		{"bad toolchain", "alpha", func(img, exe *Info, _ *Requirements) {
			img.Toolchain, exe.Toolchain = "go1.27.1-distribution", "go1.27.1-distribution"
		}, []want{{BadToolchain, "go1.27.1"}}},
		{"every reason at once", "alpha", func(img, _ *Info, want *Requirements) {
			img.Toolchain, img.Arch, want.Symbol = "go1.27.0", "arm64", "Nothing"
		}, []want{{NoSymbol, "Nothing"}, {WrongPlatform, any}}},
		{"race detector", "alpha",
			func(img, exe *Info, _ *Requirements) { exe.Settings["-race"], img.Settings["-race"] = "", "true" },
			[]want{{WrongFlags, "-race"}},
		},
		{"experiment", "alpha",
			func(img, _ *Info, _ *Requirements) { img.Settings["GOEXPERIMENT"] = "jsonv2" },
			[]want{{WrongFlags, "GOEXPERIMENT"}},
		},
		{"trimpath", "alpha", func(img, exe *Info, _ *Requirements) {
			exe.Settings["-trimpath"], img.Settings["-trimpath"] = "true", ""
			img.Packages["errors"] = "00"
		}, []want{{WrongFlags, "-trimpath"}}},
		{"flags without effect", "alpha", func(img, exe *Info, _ *Requirements) {
			exe.Settings["-tags"], exe.Settings["GOAMD64"], exe.Settings["-cover"] = "x", "v3", "true"
			exe.Settings["-trimpath"], img.Settings["-gcflags"] = "true", "example.com/app/...=-x=1"
		}, nil},
		{"flags of the own tree explain nothing", "alpha", func(img, _ *Info, _ *Requirements) {
			img.Settings["-gcflags"] = "example.com/app/...=-x=1"
			img.Packages["errors"] = "00"
		}, []want{{WrongPackage, "errors"}}},
		{"whole standard library", "alpha", func(img, _ *Info, _ *Requirements) {
			for p := range img.Packages {
				img.Packages[p] = "00"
			}
		}, []want{{WrongPackage, "std"}}},
		{"symbol", "alpha", func(_, _ *Info, want *Requirements) { want.Symbol = "Missing" }, []want{{NoSymbol, "Missing"}}},
		{"contract that the host lacks", "alpha", func(_, _ *Info, want *Requirements) {
			want.Shared = []string{"example.com/app/contract"}
		}, []want{{HostCannotLoad, "example.com/app/contract"}}},
		{"contract that the image lacks", "cone", func(_, exe *Info, want *Requirements) {
			exe.Packages["example.com/app/contract"] = "00"
			want.Shared = []string{"example.com/app/contract"}
		}, []want{{NoContract, "example.com/app/contract"}}},
		{"contract of another version", "alpha", func(_, exe *Info, want *Requirements) {
			exe.Packages["example.com/app/contract"] = "00"
			want.Shared = []string{"example.com/app/contract"}
		}, []want{{WrongPackage, "example.com/app/contract"}}},
		{"own copy of a contract", "first", func(_, exe *Info, _ *Requirements) {
			exe.Contracts = []string{"example.com/app/first"}
		}, []want{{NoContract, "example.com/app/first"}}},
		{"contract of another source", "alpha", func(_, exe *Info, _ *Requirements) {
			exe.Contracts, exe.Packages["example.com/app/contract"] = []string{"example.com/app/contract"}, "00"
		}, []want{{WrongPackage, "example.com/app/contract"}}},
		{"contract's dependency of another release", "first", func(img, exe *Info, _ *Requirements) {
			exe.Contracts = []string{"example.com/app/contract"}
			img.Packages["golang.org/x/sys/unix"] = exe.Packages["golang.org/x/sys/unix"]
			img.Deps = []*debug.Module{{Path: "golang.org/x/sys", Version: "v0.1.0", Sum: "h1:one="}}
			exe.Deps = []*debug.Module{{Path: "golang.org/x/sys", Version: "v0.2.0", Sum: "h1:two="}}
		}, []want{{WrongPackage, "golang.org/x/sys/unix"}}},
		{"dependency of another version", "foreign", nil, []want{{WrongPackage, "golang.org/x/sys/unix"}}},
		{"dependency of another version behind the same interface", "foreign", func(img, exe *Info, _ *Requirements) {
			exe.Packages["golang.org/x/sys/unix"] = img.Packages["golang.org/x/sys/unix"]
			img.Deps = []*debug.Module{{Path: "golang.org/x/sys", Version: "v0.1.0", Sum: "h1:one="}}
			exe.Deps = []*debug.Module{{Path: "golang.org/x/sys", Version: "v0.2.0", Sum: "h1:two="}}
		}, []want{{WrongPackage, "golang.org/x/sys/unix"}}},
		{"C name of the host", "cone",
			func(_, exe *Info, _ *Requirements) { exe.CSymbols = []string{"answer"} },
			[]want{{HostSymbol, "answer"}},
		},
		{"host without plugin", "alpha", func(_, exe *Info, _ *Requirements) { exe.Packages = nil }, []want{{HostCannotLoad, any}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := image(c.image)
			if c.image == "tool" {
				path = strings.TrimSuffix(path, ".so")
			}
			img, exe, req := facts(t, path), clone(self.Executable), Requirements{}
			if c.change != nil {
				c.change(img, exe, &req)
			}
			err := Check(img, &Process{Executable: exe}, req)
			if len(c.want) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			r := rejection(t, err)
			if r.NeedsNewProcess() {
				t.Error("a new process would help")
			}
			if len(r.Reasons) != len(c.want) {
				t.Fatal(err)
			}
			for i, w := range c.want {
				got := r.Reasons[i]
				if got.Code != w.code || w.subject != any && got.Subject != w.subject || !errors.Is(err, w.code) {
					t.Errorf("got %v, want %v", got, w)
				}
				if got.Remedy == "" || got.Want == "" || got.Found == "" || !strings.Contains(err.Error(), got.Remedy) {
					t.Errorf("incomplete: %+v", got)
				}
			}
		})
	}
}

// clone copies what the cases change.
func clone(i *Info) *Info {
	c := *i
	c.Settings, c.Packages = maps.Clone(i.Settings), maps.Clone(i.Packages)
	return &c
}

func TestCheckHost(t *testing.T) {
	for _, c := range []struct{ name, found string }{
		{"tool", "without the package plugin"},
		{"tool-nocgo", "CGO_ENABLED=0"},
		{"alpha.so", "a Go plugin"},
	} {
		path := filepath.Join(filepath.Dir(image("alpha")), c.name)
		host, err := ProcessOf(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // the race detector can't do without cgo
		}
		if err != nil {
			t.Fatal(err)
		}
		err = Check(facts(t, image("alpha")), host, Requirements{})
		if r := rejection(t, err); r.Reasons[0].Code != HostCannotLoad || !strings.Contains(r.Reasons[0].Found, c.found) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCheckLoadedPackages(t *testing.T) {
	child(t, func(t *testing.T) {
		mustOpen(t, image("alpha"))
		self, err := Self()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			image, pkg string
			code       Code
		}{
			{"gamma", "example.com/app/contract", LoadedPackage},
			{"beta", "example.com/app/private", UnprovenPackage},
		} {
			err := Check(facts(t, image(c.image)), self, Requirements{})
			r := rejection(t, err)
			if len(r.Reasons) != 1 || !errors.Is(err, c.code) || r.Reasons[0].Subject != c.pkg || !r.NeedsNewProcess() {
				t.Errorf("%s: %v", c.image, err)
			}
		}
		// With proof that the source is the same there is nothing against it: a commit, or the sum of a module.
		img := facts(t, image("beta"))
		process := &Process{Executable: self.Executable, Loaded: []Loaded{{Path: self.Loaded[0].Path, Info: clone(self.Loaded[0].Info)}}}
		open := process.Loaded[0].Info
		for _, i := range []*Info{img, open} {
			i.Settings["vcs.revision"], i.Settings["vcs.modified"] = "abc", "false"
		}
		if err := Check(img, process, Requirements{}); err != nil {
			t.Errorf("same commit: %v", err)
		}
		open.Settings["vcs.modified"] = "true"
		if err := Check(img, process, Requirements{}); !errors.Is(err, UnprovenPackage) {
			t.Errorf("modified since the commit: %v", err)
		}
		img.Main.Sum, open.Main.Sum = "h1:same=", "h1:same="
		if err := Check(img, process, Requirements{}); err != nil {
			t.Errorf("same sum: %v", err)
		}
		open.Settings["-tags"] = "debug"
		if err := Check(img, process, Requirements{}); !errors.Is(err, UnprovenPackage) {
			t.Errorf("other tags: %v", err)
		}
	})
}

// If this fails, the runtime no longer does what UnprovenPackage protects from: beta was built with secret = 2.
func TestPrivatePackagesAreTheFirst(t *testing.T) {
	child(t, func(t *testing.T) {
		mustOpen(t, image("alpha"))
		im, err := force(t, image("beta"))
		if err != nil {
			t.Fatal(err)
		}
		if got := call(t, im, "Secret"); got != 1 {
			t.Errorf("Secret() = %d: beta's own code ran", got)
		}
	})
}

func TestCheckLoadedSymbols(t *testing.T) {
	child(t, func(t *testing.T) {
		mustOpen(t, image("cone"))
		_, err := Open(t.Context(), image("ctwo"))
		r := rejection(t, err)
		if len(r.Reasons) != 1 || !errors.Is(err, LoadedSymbol) || r.Reasons[0].Subject != "answer" || !r.NeedsNewProcess() {
			t.Errorf("image with the same C name: %v", err)
		}
		// What it protects from; if this fails, the loader has changed.
		im, err := force(t, image("ctwo"))
		if err != nil {
			t.Fatal(err)
		}
		if got := call(t, im, "Answer"); got != 1 {
			t.Errorf("Answer() = %d: its own C code ran", got)
		}
	})
}

func TestRejectionJSON(t *testing.T) {
	r := &Rejection{[]Reason{{Code: NoSymbol, Subject: "Plugin", Want: "Plugin", Found: "none exported", Remedy: "declare it"}}}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"reasons":[{"code":"no-symbol","subject":"Plugin","want":"Plugin","found":"none exported",` +
		`"remedy":"declare it","needs_new_process":false}]}`
	if string(b) != want {
		t.Errorf("got  %s\nwant %s", b, want)
	}
	if err := fmt.Errorf("deploy: %w", r); !errors.Is(err, NoSymbol) || errors.Is(err, NotPlugin) {
		t.Error("the codes don't tell")
	}
}

// Two images that can't be open together are found before a process tries.
func TestProcessWith(t *testing.T) {
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	one, two := facts(t, image("cone")), facts(t, image("ctwo"))
	err = Check(two, self.With("one", one), Requirements{})
	if !errors.Is(err, LoadedSymbol) || !strings.Contains(err.Error(), "defined by one") {
		t.Error(err)
	}
	if err := Check(two, self, Requirements{}); err != nil {
		t.Errorf("the process itself has changed: %v", err)
	}
}

// A new process of the program that runs is the program without what it has opened.
func TestProcessOfSelf(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host, err := ProcessOf(exe)
	if err != nil {
		t.Fatal(err)
	}
	if !host.Executable.CanLoadPlugins() || len(host.Loaded) != 0 {
		t.Errorf("%+v", host)
	}
	if err := Check(facts(t, image("alpha")), host, Requirements{}); err != nil {
		t.Error(err)
	}
	if !slices.Contains(slices.Collect(maps.Keys(host.Executable.Packages)), "golang.org/x/sys/unix") {
		t.Error("a package of the program is missing")
	}
}
