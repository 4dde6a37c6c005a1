package supervisor

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// library is the module that every server is built from, as its main module or as a dependency.
const library = "github.com/sohost/sohost"

// isServer returns an error if a program can't be a server for this machine, as its build info says, which -s -w leave in it. Any
// other program would just be run: with what rights the server has, and arguments that were not meant for it. No error says that a
// program is one: tests and tools may be built from the module as well.
func isServer(program io.ReaderAt) error {
	if own, ok := debug.ReadBuildInfo(); !ok || !uses(own, library) {
		return nil // this program was built in a way that doesn't tell, so the next one may be as well
	}
	info, err := buildinfo.Read(program)
	if err != nil {
		return fmt.Errorf("it was not built by the go command: %w", err)
	}
	if !uses(info, library) {
		return fmt.Errorf("%s is not built from %s", info.Path, library)
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "-buildmode" && s.Value != "exe" && s.Value != "pie":
			return fmt.Errorf("it is no program: it was built with -buildmode=%s", s.Value)
		case s.Key == "GOOS" && s.Value != runtime.GOOS, s.Key == "GOARCH" && s.Value != runtime.GOARCH:
			return fmt.Errorf("it was built for %s=%s", s.Key, s.Value)
		}
	}
	return nil
}

// uses reports whether something was built from a module.
func uses(info *debug.BuildInfo, module string) bool {
	if info.Main.Path == module {
		return true
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return true
		}
	}
	return false
}
