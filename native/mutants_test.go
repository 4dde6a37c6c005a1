package native

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"plugin"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	mutantCount = flag.Int("mutants", 120, "how many mutants to make of an image, and how many of a sealed one")
	mutantImage = flag.String("mutant-image", "", "an `image`, such as a slim one, of which to make mutants instead of a plain one of the test's own")
	mutantSeed  = flag.Uint64("seed", 0, "where the mutants begin; 0: anywhere")
)

// openEnv names an image that a child process opens without judging it first. liveEnv also names images to open before it.
const (
	openEnv = "NATIVE_TEST_OPEN"
	liveEnv = "NATIVE_TEST_LIVE"
)

// The exit codes of such a child. Any other means that the image has ended it.
const (
	exitOpened  = 40
	exitRefused = 41
)

// openChild is all that such a child does.
func openChild(path string) int {
	for _, other := range filepath.SplitList(os.Getenv(liveEnv)) {
		if _, err := Open(context.Background(), other); err != nil {
			return 1
		}
	}
	p, err := plugin.Open(path)
	if err != nil {
		return exitRefused
	}
	if os.Getenv(liveEnv) != "" {
		if f, err := p.Lookup("Secret"); err == nil {
			if f, ok := f.(func() int); ok {
				f()
			}
		}
		runtime.GC()
		runtime.Stack(make([]byte, 1<<16), true)
	}
	return exitOpened
}

// mutant is a change of an image.
type mutant struct {
	area string // what the changed bytes are to the loader or the runtime
	at   uint64
	was  []byte
}

// area is a part of an image, of fields of the same size.
type area struct {
	name      string
	off, size uint64
	field     uint64
}

// areas are the parts of the image of which mutants are made.
func areas(t *testing.T, e *editable) (found []area) {
	add := func(name string, off, size, field uint64) {
		if size >= field {
			found = append(found, area{name, off, size, field})
		}
	}
	add("file header", 0, 64, 2)
	add("program headers", e.f.head.Phoff, uint64(len(e.f.Progs))*56, 8)
	add("segment kinds", e.f.head.Phoff, uint64(len(e.f.Progs))*56, 4)
	add("section headers", e.f.head.Shoff, uint64(len(e.f.Sections))*64, 8)
	for _, s := range e.f.Sections {
		field := map[string]uint64{
			".dynamic": 8, ".dynstr": 1, ".gnu.hash": 4, ".gnu.version": 2, ".gnu.version_r": 4, ".init_array": 8, ".note.gnu.build-id": 4,
			".note.gnu.property": 4, ".gopclntab": 4, ".typelink": 4, ".itablink": 8, ".data.rel.ro": 8, ".noptrdata": 8, ".data": 8,
			".go.buildinfo": 1, ".text": 1, ".rodata": 1, ".rela.dyn": 8, ".rela.plt": 8, ".dynsym": 8, ".eh_frame": 4, ".eh_frame_hdr": 4,
			".go.module": 8, ".got": 8,
		}[s.Name]
		if field != 0 && s.Type != elf.SHT_NOBITS {
			add(s.Name, s.Offset, s.FileSize, field)
		}
	}
	add("anywhere", 0, uint64(len(e.b)), 1)
	if len(found) < 15 {
		t.Errorf("only %d areas", len(found))
	}
	return found
}

// mutate changes one field of an area of an image.
func mutate(r *rand.Rand, a area, b []byte) mutant {
	at := a.off + r.Uint64N(a.size/a.field)*a.field
	field := b[at : at+a.field]
	m := mutant{a.name, at, bytes.Clone(field)}
	for bytes.Equal(field, m.was) {
		switch r.IntN(7) {
		case 0:
			clear(field)
		case 1:
			for i := range field {
				field[i] = 0xff
			}
		case 2: // what another field has
			from := a.off + r.Uint64N(a.size/a.field)*a.field
			copy(field, b[from:from+a.field])
		case 3: // a little more or less
			field[0] += byte(r.IntN(32) - 16)
		case 4:
			for i := range field {
				field[i] = byte(r.Uint32())
			}
		default:
			field[r.IntN(len(field))] ^= 1 << r.IntN(8)
		}
	}
	return m
}

// fates counts what has become of mutants.
type fates struct {
	mu    sync.Mutex // guards the rest
	count map[string]int
	by    map[string]int // refused, by rule or error
	lines []string       // about those that opened in a probe and ended a process after it
}

func (f *fates) add(fate string, m mutant, by string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count[fate]++
	if by != "" {
		f.by[by]++
	}
	if strings.HasPrefix(fate, "live") {
		f.lines = append(f.lines, fmt.Sprintf("%s: %x at %#x of %s", fate, m.was, m.at, m.area))
	}
}

// TestMutants makes images that differ from one that loads in one field. The check must not panic, and must not take long. Children open
// those that the check takes: as the two of a probe do, alone and beside others, and then as a live process. What opens in a probe
// may hardly ever end that: a changed bit in what the collector takes for a pointer shows when the memory that it points to is in use. Only
// a seal finds that for certain.
func TestMutants(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the mutants' areas are those of amd64")
	}
	original, seal := toMutate(t)
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	seed := *mutantSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	f := &fates{count: map[string]int{}, by: map[string]int{}}
	begin := time.Now()
	var workers sync.WaitGroup
	for w := range uint64(2) {
		workers.Go(func() {
			e := edit(t, original)
			all := areas(t, e)
			r := rand.New(rand.NewPCG(seed, w))
			path := filepath.Join(t.TempDir(), "mutant.so")
			for range *mutantCount / 2 {
				a := all[r.IntN(len(all))]
				m := mutate(r, a, e.b)
				f.judge(t, e.b, seal, m, self, path)
				copy(e.b[m.at:], m.was)
			}
		})
	}
	workers.Wait()
	t.Logf("seed %d: %d mutants in %v: %v", seed, *mutantCount, time.Since(begin).Round(time.Second), f.count)
	for _, by := range slices.Sorted(maps.Keys(f.by)) {
		t.Logf("%6d  %s", f.by[by], by)
	}
	for _, line := range f.lines {
		t.Log(line)
	}
	if n := f.count["live"]; n > 1+*mutantCount/5000 {
		t.Errorf("%d mutants opened in both children of a probe and ended a process after it", n)
	}
}

// toMutate returns the image of which mutants are made, without its seal: damage is to be found by what is left.
func toMutate(t *testing.T) ([]byte, *Seal) {
	b, err := os.ReadFile(cmp.Or(*mutantImage, image("alpha")))
	if err != nil {
		t.Fatal(err)
	}
	seal, at, err := findSeal(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if seal != nil {
		b = b[:at]
	}
	if code, why := openIn(t, openEnv+"="+cmp.Or(*mutantImage, image("alpha"))); code != exitOpened {
		t.Fatalf("the image itself doesn't open: %s", why)
	}
	return b, seal
}

// judge decides on a mutant as a host would.
func (f *fates) judge(t *testing.T, b []byte, seal *Seal, m mutant, self *Process, path string) {
	begin := time.Now()
	info, err := inspect(bytes.NewReader(b), int64(len(b)), seal)
	if err == nil {
		err = Check(info, self, Requirements{Symbol: "Plugin"})
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("%+v: the check took %v", m, took)
	}
	if err != nil {
		f.add("refused by the check", m, because(err))
		return
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Error(err)
		return
	}
	// What opens beside others opens alone as well, so most need no third child.
	beside := []string{openEnv + "=" + path, liveEnv + "=" + image("first") + ":" + image("cone")}
	code, why := openIn(t, beside...)
	if code == exitOpened { // the probe has nothing against it
		if code, why = openIn(t, beside...); code != exitOpened {
			f.add("live", m, why)
			return
		}
		f.add("opened", m, "")
		return
	}
	switch probe, _ := openIn(t, openEnv+"="+path); {
	case probe == exitOpened && code == exitRefused:
		f.add("opened, refused beside others", m, "")
	case probe == exitOpened:
		f.add("ended the child beside others", m, "beside: "+why)
	case probe == exitRefused:
		f.add("refused by the loader", m, "")
	default:
		f.add("ended the child", m, "child: "+why)
	}
}

// because names an error without its details.
func because(err error) string {
	var r *Rejection
	if errors.As(err, &r) {
		return strings.TrimSuffix(fmt.Sprintf("check: %v %s", r.Reasons[0].Code, map[bool]string{true: r.Reasons[0].Subject}[r.Reasons[0].Code == MalformedImage]), " ")
	}
	for _, e := range []error{ErrNotELF, ErrTruncated, ErrMalformed, ErrDamaged} {
		if errors.Is(err, e) {
			return "inspect: " + e.Error()
		}
	}
	return err.Error()
}

// openIn opens an image in a child, and returns how that ended.
func openIn(t *testing.T, env ...string) (code int, why string) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	why = fmt.Sprint(err)
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "SIG") || strings.HasPrefix(line, "runtime: ") {
			why = strings.TrimSpace(line)
			break
		}
	}
	return cmd.ProcessState.ExitCode(), why
}

// TestSealedMutants: of a sealed image, no mutant gets as far as a child.
func TestSealedMutants(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the mutants' areas are those of amd64")
	}
	b := sealed(t)
	e := edit(t, b)
	all := areas(t, e)
	_, at, err := findSeal(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, area{"seal", uint64(at), uint64(int64(len(b)) - at), 1})
	r := rand.New(rand.NewPCG(*mutantSeed, rand.Uint64()))
	for range *mutantCount {
		m := mutate(r, all[r.IntN(len(all))], e.b)
		if _, err := read(e.b); !errors.Is(err, ErrDamaged) {
			t.Fatalf("%+v: %v", m, err)
		}
		copy(e.b[m.at:], m.was)
	}
}
