package sohost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/generations"
)

// These tests open no image. That takes a program and plugins which are built for each other, as in package
// integration.

func testHost(t *testing.T, o Options) *Host {
	t.Helper()
	if o.Store == "" {
		o.Store = t.TempDir()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h, err := New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return h
}

// TestMissingImage starts without a plugin's image: that plugin doesn't serve, and everything else works.
func TestMissingImage(t *testing.T) {
	for _, mode := range []Mode{Prod, Dev} {
		h := testHost(t, Options{Plugins: []Plugin{
			{Name: "gone", Image: filepath.Join(t.TempDir(), "gone.so"), Mode: mode, Routes: []string{"/"}},
		}})
		h.plugins()[0].reloadChanged(true) // as the watch does at its beginning, when there is nothing to load
		status := h.Status().Plugins[0]
		if r := status.Refused; r == nil || r.Phase != "store" || !errors.Is(r, fs.ErrNotExist) || !r.Image.IsZero() {
			t.Errorf("%s: refused is %+v", mode, r)
		}
		b, err := json.Marshal(status)
		if err != nil || bytes.Contains(b, []byte("null")) || bytes.Contains(b, []byte("0001-01-01")) || bytes.Contains(b, bytes.Repeat([]byte("0"), 64)) {
			t.Errorf("%s: the status is %s, %v", mode, b, err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/x", nil))
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: answers %d with %v", mode, w.Code, w.Header())
		}
		if err := h.Call(t.Context(), "gone", func(abi.Instance) error { return nil }); !errors.Is(err, generations.ErrEmpty) {
			t.Errorf("%s: Call gives %v", mode, err)
		}
		if err := h.Call(t.Context(), "other", func(abi.Instance) error { return nil }); !errors.Is(err, ErrUnknownPlugin) {
			t.Errorf("%s: Call of another gives %v", mode, err)
		}
	}
}

// TestUnclean gives each kind of path that isn't clean: it is refused, and the clean one named.
func TestUnclean(t *testing.T) {
	for _, given := range []string{"/..", "/../x", "/./x", "//x", "/%2e%2e/x"} {
		plugin := Plugin{Name: "a", Image: "a.so"}
		routed, triggered := plugin, plugin
		routed.Routes, triggered.Triggers = []string{given}, []Trigger{{Spec: "request:" + given}}
		for what, o := range map[string]Options{
			"a plugin": {Plugins: []Plugin{routed}}, "a trigger": {Plugins: []Plugin{triggered}},
			"a chain":  {Plugins: []Plugin{plugin}, Chains: []Chain{{Route: given, Plugins: []string{"a"}}}},
			"disabled": {Plugins: []Plugin{plugin}, Disabled: []Disabled{{Name: "b", Routes: []string{given}}}},
		} {
			o.Store = "x"
			if _, err := o.resolve(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("not %q: write ", given)) {
				t.Errorf("%s with %s: %v", what, given, err)
			}
		}
	}
}

// TestOptions gets everything wrong at once: every mistake is reported.
func TestOptions(t *testing.T) {
	_, err := New(t.Context(), Options{
		OpenTimeout: -1, DrainTimeout: -1, Settle: -1, StateLimit: -1, CacheBytes: -1,
		Plugins: []Plugin{
			{Name: "a", Image: "a.so", Routes: []string{"/x"}},
			{Name: "a", Image: "a.so", Routes: []string{"/x/"}},
			{Name: "b/c", Mode: "sometimes", Routes: []string{"y"}},
		},
	})
	if err == nil {
		t.Fatal("taken")
	}
	for _, reason := range []string{
		"no store", "OpenTimeout", "DrainTimeout", "Settle", "StateLimit", "CacheBytes", "plugin a: named twice",
		"plugin a: route /x", "plugin b/c: invalid plugin name", "no image", `mode "sometimes"`, `not "y"`,
	} {
		if !strings.Contains(err.Error(), reason) {
			t.Errorf("%q doesn't tell %q", err, reason)
		}
	}
}

// TestDirClashes finds files in the directory whose plugin or route is already configured: the configuration wins.
func TestDirClashes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.so", "b.so", "c.so", ".d.so", "e.so~", "no name.so"} {
		if err := os.WriteFile(filepath.Join(dir, name), hollow(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := testHost(t, Options{Dir: dir, Plugins: []Plugin{
		{Name: "a", Image: filepath.Join(dir, "a.so"), Mode: Prod},
		{Name: "other", Image: filepath.Join(dir, "a.so"), Routes: []string{"/b"}},
	}})
	var got []string
	for _, p := range h.Status().Plugins {
		got = append(got, p.Name+" "+string(p.Mode)+" "+strings.Join(p.Routes, ","))
	}
	if want := "a prod ; c dev /c; other prod /b"; strings.Join(got, "; ") != want {
		t.Errorf("the plugins are %q, want %q", strings.Join(got, "; "), want)
	}
}

// TestBrokenRelease starts with a store whose current release can't be used.
func TestBrokenRelease(t *testing.T) {
	dir := t.TempDir()
	publish := func(images ...string) {
		t.Helper()
		store, err := generations.OpenStore(dir, generations.StoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		for _, image := range images {
			file := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(file, []byte(image), 0o644); err != nil {
				t.Fatal(err)
			}
			o, err := store.Add(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			plugins := map[string]generations.Entry{"a": {Image: o.ID}}
			if _, err := store.Publish(generations.Manifest{Plugins: plugins}); err != nil {
				t.Fatal(err)
			}
		}
	}
	boots := func(want int) {
		t.Helper()
		h := testHost(t, Options{Store: dir, Plugins: []Plugin{{Name: "a", Image: "gone.so"}}})
		if h.CurrentRelease() != want {
			t.Errorf("release %d, want %d", h.CurrentRelease(), want)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	publish("one", "two", "three")
	boots(3)
	objects, err := filepath.Glob(filepath.Join(dir, "releases", "000003", "a.so"))
	if err != nil || len(objects) != 1 {
		t.Fatal(objects, err)
	}
	object, err := filepath.EvalSymlinks(objects[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(object); err != nil {
		t.Fatal(err)
	}
	boots(2)
	if err := os.RemoveAll(filepath.Join(dir, "releases", "000003")); err != nil {
		t.Fatal(err)
	}
	boots(2)
	if err := os.RemoveAll(filepath.Join(dir, "releases")); err != nil {
		t.Fatal(err)
	}
	boots(0)
}

// TestBootEnded ends New's context before everything has booted: there is no host, and its store is free again.
func TestBootEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := Options{Store: t.TempDir(), Logger: slog.New(slog.DiscardHandler), Plugins: []Plugin{{Name: "a", Image: "a.so"}}}
	if _, err := New(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("New gives %v", err)
	}
	testHost(t, o)
	if _, err := New(t.Context(), o); !errors.Is(err, generations.ErrLocked) {
		t.Errorf("a second host of the store: %v", err)
	}
}

// TestDeployWaits makes a deploy wait for another one, and ends that wait in every way it can end.
func TestDeployWaits(t *testing.T) {
	h := testHost(t, Options{Plugins: []Plugin{{Name: "a", Image: "a.so"}, {Name: "b", Image: "b.so"}}})
	deploy := func(ctx context.Context) chan error {
		done := make(chan error, 1)
		go func() {
			_, err := h.Deploy(ctx, map[string]string{"a": "", "b": ""})
			done <- err
		}()
		return done
	}
	b, err := h.plugin("b")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.own(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := <-deploy(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its context ended: %v", err)
	}
	waits := deploy(context.Background())
	closed := make(chan error, 1)
	go func() { closed <- h.Close(context.Background()) }()
	if err := <-waits; !errors.Is(err, ErrClosed) {
		t.Errorf("the host was closed: %v", err)
	}
	b.disown()
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := h.Rollback(context.Background(), RollbackOptions{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}
