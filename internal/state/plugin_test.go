package state

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"plugin"
	"reflect"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
)

// childEnv names the variable that holds the directory of the images for a child process. A process that has opened them
// can't forget them.
const childEnv = "STATE_TEST_IMAGES"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := adoptBackAndForth(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestRealPlugins builds two generations of the same random source, and moves values between them while the garbage
// collector runs constantly: the code of each must find what the code of the other has written.
func TestRealPlugins(t *testing.T) {
	if testing.Short() {
		t.Skip("builds plugins")
	}
	dir := t.TempDir()
	own := randomSource(1, 25)
	files := map[string]string{"go.mod": "module example.com/app\n\ngo 1.26\n"}
	for _, gen := range []string{"one_g0123456789ab", "two_gba9876543210"} {
		files[gen+"/own/own.go"] = own
		files[gen+"/main.go"] = fmt.Sprintf("package main\n\nimport \"example.com/app/%s/own\"\n\nvar (\n\tTouch = own.Touch\n\tStates = own.States\n)\n\nfunc main() {}\n", gen)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"build", "-buildmode=plugin", "-o", dir}
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if (s.Key == "-race" || s.Key == "-trimpath") && s.Value == "true" {
			args = append(args, s.Key)
		}
	}
	for _, gen := range []string{"one_g0123456789ab", "two_gba9876543210"} {
		build := exec.CommandContext(t.Context(), "go", append(args[:3:3], append([]string{filepath.Join(dir, gen[:3]+".so")}, append(args[4:], "./"+gen)...)...)...)
		build.Dir = dir
		build.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=", "GOWORK=off")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", build.Args, err, out)
		}
	}
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), childEnv+"="+dir, "GOGC=5")
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// generation holds the exports of a test image.
type generation struct {
	touch  func(any) int
	states []any
}

func openGeneration(path string) (g generation, err error) {
	p, err := plugin.Open(path)
	if err != nil {
		return g, err
	}
	touch, err := p.Lookup("Touch")
	if err != nil {
		return g, err
	}
	states, err := p.Lookup("States")
	if err != nil {
		return g, err
	}
	return generation{*touch.(*func(any) int), (*states.(*func() []any))()}, nil
}

func adoptBackAndForth(dir string) error {
	one, err := openGeneration(filepath.Join(dir, "one.so"))
	if err != nil {
		return err
	}
	two, err := openGeneration(filepath.Join(dir, "two.so"))
	if err != nil {
		return err
	}
	for i := range one.states {
		from, to := reflect.TypeOf(one.states[i]), reflect.TypeOf(two.states[i])
		if p := Compare(from, to); from == to || p.Way != ByAdoption {
			return fmt.Errorf("%v → %v goes by %v: %v", from, to, p.Way, p.NotAdopted)
		}
		filled := func() any {
			v := reflect.New(from.Elem())
			if !strings.HasSuffix(from.String(), ".Graph") {
				f := filler{rand.New(rand.NewPCG(uint64(i), 3)), map[reflect.Type][]reflect.Value{}}
				f.fill(v.Elem())
			}
			return v.Interface()
		}
		// One value is changed three times by its own code, another by both in turn.
		stays, moves := filled(), filled()
		for turn := range 3 {
			if misses := one.touch(stays); misses != 0 {
				return fmt.Errorf("%v: %d misses in the giver itself", from, misses)
			}
			g := []generation{two, one, two}[turn]
			if moves, err = Adopt(moves, reflect.TypeOf(g.states[i]), Options{}); err != nil {
				return fmt.Errorf("%v: %w", from, err)
			}
			runtime.GC()
			if misses := g.touch(moves); misses != 0 {
				return fmt.Errorf("%v: %d misses after turn %d", from, misses, turn)
			}
			runtime.GC()
		}
		if strings.HasSuffix(from.String(), ".Graph") {
			continue // it has pointers as keys, whose order a dump can't show; it checks itself
		}
		if want, got := dumped(stays), dumped(moves); want != got {
			return fmt.Errorf("%v:\nwant %s\ngot  %s", from, want, got)
		}
		var b bytes.Buffer
		if err := Encode(&b, abi.State{Value: moves}); err != nil {
			return err
		}
		s, _, err := Decode(&b, from, DecodeOptions{})
		if err != nil {
			return err
		}
		if want, got := dumped(moves), dumped(s.Value); want != got {
			return fmt.Errorf("stream of %v:\nwant %s\ngot  %s", from, want, got)
		}
	}
	return nil
}
