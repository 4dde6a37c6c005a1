package sohost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
	"github.com/sohost/sohost/native"
)

// TestContractsOption refuses contracts that the program's file doesn't say, each with what to do.
func TestContractsOption(t *testing.T) {
	const path = "example.com/app/contract"
	for _, test := range []struct {
		exe  native.Info
		want string // in the error
	}{
		{native.Info{Packages: map[string]string{path: "00"}, Contracts: []string{path}}, ""},
		{native.Info{Contracts: []string{path}}, "this program doesn't contain the package: import it"},
		{native.Info{Packages: map[string]string{path: "00"}}, "can't find it in this program's file: declare it at package level as var SohostContracts"},
		{native.Info{Packages: map[string]string{path: "00"}, ContractsFault: "it is made by code"}, "it is made by code; declare it"},
	} {
		err := checkContracts([]string{path}, &test.exe)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.exe, err, test.want)
		}
	}
	_, err := New(t.Context(), Options{Store: t.TempDir(), Contracts: []string{"example.com/none", "net/http"}})
	if err == nil || !strings.Contains(err.Error(), "contract example.com/none: this program doesn't contain") ||
		!strings.Contains(err.Error(), "contract net/http: `sohost build --host` can't find it") {
		t.Errorf("New: %v", err)
	}
}

type exporter interface {
	http.Handler
	Export(context.Context) (abi.State, error)
	Total() int
}

// TestRequire loads a plugin of which more is required than it has: at the start, and as a reload, after which the old code serves.
func TestRequire(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	w.file("n", "n1")
	o := w.options("a", "b", "n")
	demanded := map[string]reflect.Type{"a": reflect.TypeFor[exporter](), "n": reflect.TypeFor[any]()}
	o.Require = func(plugin string) reflect.Type { return demanded[plugin] }
	r := w.host(o)
	status := r.pluginStatus("a").Refused
	const want = "a *sohost.stateful is no sohost.exporter; it lacks Total() int"
	if status == nil || status.Phase != PhaseNew || !errors.Is(status, ErrNotImplemented) || !strings.Contains(status.Message, want) {
		t.Errorf("a is refused as %+v, want %q", status, want)
	}
	r.wants("/b", "b1 1")
	if got := r.get("/n"); !strings.HasPrefix(got, "501 ") { // it serves, though it has no handler
		t.Errorf("n: %s", got)
	}
	demanded["a"] = reflect.TypeFor[http.Handler]()
	r.mustDeploy("a1")
	demanded["a"] = reflect.TypeFor[exporter]()
	_, err := r.deploy("a2")
	r.refusal(err, "a", PhaseNew)
	r.wants("/a", "a1 1")

	demanded["b"] = reflect.TypeFor[int]()
	o.Store = t.TempDir()
	if _, err := New(t.Context(), o); err == nil || !strings.Contains(err.Error(), "plugin b: Require demands int, which is no interface") {
		t.Errorf("an int: %v", err)
	}
	if Implements[exporter]("x") != reflect.TypeFor[exporter]() {
		t.Error("Implements returns another type")
	}
}

// TestTypedCall calls a plugin by interfaces that its instance has, and one that it lacks.
func TestTypedCall(t *testing.T) {
	r := newWorld(t).boots("a1")
	called := false
	err := Call(t.Context(), r.Host, "a", func(s abi.Stateful) error {
		called = s.(*stateful).image == "a1"
		return errFault
	})
	if err != errFault || !called {
		t.Errorf("got %v, want fn's error", err)
	}
	err = Call(t.Context(), r.Host, "a", func(exporter) error { panic("called") })
	if !errors.Is(err, ErrNotImplemented) || !strings.Contains(err.Error(), "plugin a: ") || !strings.Contains(err.Error(), "Total() int") {
		t.Errorf("without the method: %v", err)
	}
	var panicked *PanicError
	if err := Call(t.Context(), r.Host, "a", func(io.Closer) error { panic("boom") }); !errors.As(err, &panicked) {
		t.Errorf("a panic: %v", err)
	}
	if err := Call(t.Context(), r.Host, "x", func(io.Closer) error { return nil }); !errors.Is(err, ErrUnknownPlugin) {
		t.Errorf("no plugin: %v", err)
	}
	other := newWorld(t)
	if err := Call(t.Context(), other.host(other.options("a")).Host, "a", func(io.Closer) error { return nil }); !errors.Is(err, generations.ErrEmpty) {
		t.Errorf("nothing serves: %v", err)
	}
}

// TestServices gives each plugin what the program has for it.
func TestServices(t *testing.T) {
	w := newWorld(t)
	w.file("a", "a1")
	w.file("b", "b1")
	o := w.options("a", "b")
	o.Services = func(plugin string) any {
		if plugin == "b" {
			return nil
		}
		return fmt.Stringer(reflect.ValueOf(plugin))
	}
	r := w.host(o)
	for name, want := range map[string]string{"a": "a", "b": ""} {
		err := Call(t.Context(), r.Host, name, func(s *stateful) error {
			service, ok := s.host.Services().(fmt.Stringer)
			if ok != (want != "") || ok && service.String() != want {
				t.Errorf("%s is given %v", name, s.host.Services())
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if hostWithoutEmit(t).Services() != nil {
		t.Error("there are services that nobody has set")
	}
}
