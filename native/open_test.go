package native

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestOpenOnce(t *testing.T) {
	child(t, func(t *testing.T) {
		first := mustOpen(t, image("alpha"))
		link, hard := filepath.Join(t.TempDir(), "link.so"), filepath.Join(filepath.Dir(image("alpha")), "hard.so")
		if err := os.Symlink(image("alpha"), link); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(image("alpha"), hard); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(hard)
		for _, path := range []string{image("alpha"), link, hard} {
			if again := mustOpen(t, path); again != first {
				t.Errorf("%s was opened a second time", path)
			}
		}
		// The runtime would refuse the same image in another file, and keep it mapped.
		_, err := Open(t.Context(), copyFile(t, image("alpha"), unchanged))
		if r := rejection(t, err); !errors.Is(err, Duplicate) || !r.NeedsNewProcess() {
			t.Errorf("copy of an open image: %v", err)
		}
		if got := Opened(); len(got) != 1 || got[0] != first || first.Path() != image("alpha") {
			t.Errorf("opened: %v", got)
		}
		if err := Poisoned(); err != nil {
			t.Error(err)
		}
	})
}

func TestLookup(t *testing.T) {
	child(t, func(t *testing.T) {
		im := mustOpen(t, image("alpha"))
		if n := call(t, im, "Secret"); n != 1 {
			t.Errorf("Secret() = %d", n)
		}
		if n, err := Lookup[int](im, "Calls"); err != nil || *n != 1 {
			t.Errorf("Calls = %v, %v", n, err)
		}
		_, err := Lookup[int](im, "calls")
		if !errors.Is(err, ErrNoSymbol) {
			t.Errorf("unexported symbol: %v", err)
		}
		_, err = Lookup[Info](im, "Plugin")
		var typeErr *TypeError
		if !errors.As(err, &typeErr) || !errors.Is(err, ErrSymbolType) ||
			typeErr.Want != "github.com/sohost/sohost/native.Info" || typeErr.Found != "example.com/app/contract.Descriptor" {
			t.Errorf("symbol of another type: %v", err)
		}
		if _, err = Lookup[func(int)](im, "Secret"); !errors.Is(err, ErrSymbolType) {
			t.Errorf("function of another type: %v", err)
		}
	})
}

// The runtime dies if two images init a package that they share at the same time.
func TestOpenConcurrently(t *testing.T) {
	child(t, func(t *testing.T) {
		var wg sync.WaitGroup
		for range 8 {
			for _, name := range []string{"first", "second", "alpha"} {
				wg.Go(func() {
					im, err := Open(t.Context(), image(name))
					if err != nil {
						t.Error(err)
					} else if im.Path() != image(name) {
						t.Errorf("opened %s instead of %s", im.Path(), name)
					}
				})
			}
		}
		wg.Wait()
		if got := len(Opened()); got != 3 {
			t.Errorf("%d images were opened", got)
		}
		for _, im := range Opened()[:2] {
			if im.info.Isolated && call(t, im, "Runs") != 1 {
				t.Error("the init of a shared package ran twice")
			}
		}
	}, initEnv+"=slow")
}

func TestOpenInitPanics(t *testing.T) {
	child(t, func(t *testing.T) {
		_, err := Open(t.Context(), image("first"))
		var initErr *InitError
		if !errors.As(err, &initErr) || !errors.Is(err, ErrInit) ||
			initErr.Value != "no luck" || !strings.Contains(string(initErr.Stack), "early") {
			t.Fatalf("first Open: %v", err)
		}
		// The runtime itself would never return from here.
		if _, again := Open(t.Context(), image("first")); !errors.Is(again, ErrInit) {
			t.Errorf("second Open: %v", again)
		}
		if err := Poisoned(); !errors.Is(err, ErrInit) || strings.Contains(err.Error(), "/objects/") || strings.Contains(err.Error(), ".so") {
			t.Errorf("poisoned: %v", err)
		}
		// What shares the package would end the process; what doesn't can still be opened.
		_, err = Open(t.Context(), image("second"))
		if r := rejection(t, err); !errors.Is(err, BrokenPackage) || !r.NeedsNewProcess() ||
			r.Reasons[0].Subject != "example.com/app/early_g0123456789ab" {
			t.Errorf("image with the same package: %v", err)
		}
		mustOpen(t, image("alpha"))
	}, initEnv+"=panic")
}

// If this fails, the runtime no longer dies of what BrokenPackage protects it from.
func TestInitPanicIsFatalToTheNext(t *testing.T) {
	if os.Getenv(childEnv) != "" {
		force(t, image("first"))
		force(t, image("second"))
		return
	}
	t.Parallel()
	out, err := runChild(t, initEnv+"=panic")
	if err == nil || !strings.Contains(string(out), "linker skew") {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestOpenInitExits(t *testing.T) {
	child(t, func(t *testing.T) {
		_, err := Open(t.Context(), image("first"))
		var initErr *InitError
		if !errors.As(err, &initErr) || initErr.Value != nil {
			t.Errorf("Open: %v", err)
		}
	}, initEnv+"=goexit")
}

func TestOpenTakesLong(t *testing.T) {
	release := filepath.Join(t.TempDir(), "release")
	child(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for ; ctx.Err() == nil; time.Sleep(time.Millisecond) {
				if _, err := os.Stat(os.Getenv(initEnv) + ".begun"); err == nil {
					cancel()
				}
			}
		}()
		_, err := Open(ctx, image("first"))
		if !errors.Is(err, ErrPending) || !errors.Is(err, context.Canceled) {
			t.Fatalf("Open: %v", err)
		}
		if err := Poisoned(); !errors.Is(err, ErrPending) {
			t.Errorf("poisoned: %v", err)
		}
		if opening := Opening(); len(opening) != 1 || filepath.Base(opening[0]) != "first.so" {
			t.Errorf("opening %v", opening)
		}
		if mapped := Mapped(); len(Opened()) != 0 || len(mapped) != 1 || filepath.Base(mapped[0]) != "first.so" {
			t.Errorf("mapped are %v, opened %v", mapped, Opened())
		}
		// Another image can't be begun meanwhile, and isn't burnt by waiting.
		if _, err := Open(ctx, image("alpha")); !errors.Is(err, ErrPending) {
			t.Errorf("another image: %v", err)
		}
		if err := os.WriteFile(os.Getenv(initEnv), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if im := mustOpen(t, image("first")); call(t, im, "Runs") != 1 {
			t.Error("the late image is not initialised")
		}
		mustOpen(t, image("alpha"))
		mustOpen(t, image("second"))
		if err := Poisoned(); err != nil || len(Opening()) != 0 {
			t.Errorf("poisoned: %v; opening %v", err, Opening())
		}
	}, initEnv+"="+release)
}

func TestOpenRefused(t *testing.T) {
	child(t, func(t *testing.T) {
		if _, err := Open(t.Context(), image("foreign")); !errors.Is(err, WrongPackage) {
			t.Errorf("Open: %v", err)
		}
		if err := Poisoned(); err != nil {
			t.Fatalf("judging poisoned the process: %v", err)
		}
		// What Check prevents: the runtime refuses the image, too, but keeps it.
		if _, err := force(t, image("foreign")); !errors.Is(err, ErrRefused) {
			t.Errorf("forced: %v", err)
		}
		if err := Poisoned(); !errors.Is(err, ErrRefused) {
			t.Errorf("poisoned: %v", err)
		}
		self, err := Self()
		if err != nil || len(self.Loaded) != 1 || !self.Loaded[0].Broken {
			t.Errorf("process: %+v, %v", self, err)
		}
	})
}

// The dynamic loader takes back what it can't complete.
func TestOpenMissingLibrary(t *testing.T) {
	child(t, func(t *testing.T) {
		for range 2 {
			if _, err := Open(t.Context(), image("lost")); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "libgone.so") {
				t.Errorf("Open: %v", err)
			}
		}
		if err := Poisoned(); err != nil {
			t.Error(err)
		}
	})
}

func TestOpenReplacedFile(t *testing.T) {
	child(t, func(t *testing.T) {
		path := copyFile(t, image("alpha"), unchanged)
		im := mustOpen(t, path)
		if err := os.Rename(copyFile(t, image("cone"), unchanged), path); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), path); !errors.Is(err, ErrReplaced) {
			t.Errorf("replaced: %v", err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if again := mustOpen(t, path); again != im {
			t.Error("removed: another image")
		}
		if m, err := im.Memory(); err != nil || m.Resident == 0 {
			t.Errorf("memory of a removed file: %+v, %v", m, err)
		}
		if _, err := Open(t.Context(), path+".none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("no file: %v", err)
		}
	})
}

func TestOpenWhenContextIsOver(t *testing.T) {
	child(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Open(ctx, image("alpha")); !errors.Is(err, ErrPending) || !errors.Is(err, context.Canceled) {
			t.Errorf("Open: %v", err)
		}
		if len(opened.attempts) != 0 {
			t.Error("an attempt was made")
		}
		im := mustOpen(t, image("alpha"))
		if again, err := Open(ctx, image("alpha")); again != im || err != nil {
			t.Errorf("an open image: %v, %v", again, err)
		}
	})
}

// rejection returns what an error says about an image, and fails the test if it is another error.
func rejection(t *testing.T, err error) *Rejection {
	t.Helper()
	var r *Rejection
	if !errors.As(err, &r) {
		t.Fatalf("not a rejection: %v", err)
	}
	return r
}
