package crash

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParse(t *testing.T) {
	trace := Parse(`panic: (*os.PathError) 0xc000012345 [recovered]
	panic: main.fault("a
	b")
[signal SIGBUS: bus error code=0x2 addr=0x1 pc=0x2]

goroutine 7 gp=0xc000006 m=3 mp=0xc0001 [running, locked to thread labels:{"a": "b]:"}]:
panic({0x1?, 0x2?})
	runtime/panic.go:860 +0x14a
example.com/a.b/c%2ed_g0123456789ab.(*List[...]).Each.func1({0x1, {0x2}}, ...)
	/a dir/c:d/list.go:27 +0x39 fp=0x1 sp=0x2 pc=0x3
_cgoexp_0a1b_fromC(0x1)
	_cgo_gotypes.go:67 +0x45
non-Go function at pc=7f00
...12 frames elided...
main.main()
created by example.com/a.b/c%2ed_g0123456789ab.init.0 in goroutine 1
	list.go:3 +0x1
panic: main.fault("of another thread")
[originating from goroutine 1]:
main.old(...)
	old.go:1 +0x1

goroutine 8 [chan receive, 5 minutes]:
	goroutine running on other thread; stack unavailable

rax    0x1
main.stray(0x1)
`)
	if want := `panic: (*os.PathError) 0xc000012345 [recovered] panic: main.fault("a b")`; trace.Reason != want {
		t.Errorf("reason: %q, want %q", trace.Reason, want)
	}
	const pkg = "example.com/a.b/c.d_g0123456789ab"
	const escaped = "example.com/a.b/c%2ed_g0123456789ab"
	want := []Goroutine{
		{
			ID:    7,
			State: "running",
			Frames: []Frame{
				{Func: "panic", File: "runtime/panic.go", Line: 860},
				{Func: escaped + ".(*List[...]).Each.func1", Package: pkg, File: "/a dir/c:d/list.go", Line: 27},
				{Func: "_cgoexp_0a1b_fromC", File: "_cgo_gotypes.go", Line: 67},
				{Func: "main.main", Package: "main"},
			},
			CreatedBy: Frame{Func: escaped + ".init.0", Package: pkg, File: "list.go", Line: 3},
		},
		{ID: 8, State: "chan receive", elsewhere: true},
	}
	if !reflect.DeepEqual(trace.Goroutines, want) {
		t.Errorf("got  %+v\nwant %+v", trace.Goroutines, want)
	}
}

// These are rare, so real ones can't be made for a test.
func TestCulpritText(t *testing.T) {
	images := []Image{
		{ID: "a", Packages: map[string]struct{}{"p/a": {}, "p/both": {}}},
		{ID: "b", Packages: map[string]struct{}{"p/b": {}, "p/both": {}}},
		{ID: "b", Packages: map[string]struct{}{"p/b": {}}},
	}
	for name, test := range map[string]struct{ output, want string }{
		"nothing":                 {"", ""},
		"text that isn't a trace": {"p/a.F()\n", ""},
		"no goroutine":            {"panic: boom\n", ""},
		"two goroutines panicked": {
			"panic: one\n\ngoroutine 5 [running]:\np/a.F()\n\ta.go:1 +0x1\n" +
				"panic: p/b.G(\"\n\tx\")\n\ngoroutine 6 [running]:\np/b.G()\n\tb.go:1 +0x1\n", "a"},
		"others are running, too": {"\ngoroutine 5 [running]:\nmain.F()\n\ngoroutine 6 [running]:\np/b.G()\n", ""},
		"an image twice":          {"\ngoroutine 5 [running]:\np/both.F()\np/b.G()\n", "b"},
		"the runtime worked for the next": {
			"\nruntime stack:\nruntime.throw({0x1, 0x2})\n\tp.go:1 +0x1\n\ngoroutine 5 gp=0x1 m=2 mp=0x3 [running]:\np/a.F()\n", "a"},
		"the runtime worked for nobody": {
			"\nruntime stack:\nruntime.throw({0x1, 0x2})\n\tp.go:1 +0x1\n\ngoroutine 1 gp=0x1 m=nil [select]:\np/a.F()\n", ""},
		"the system stack only": {"\nruntime stack:\nruntime.throw({0x1, 0x2})\n", ""},
		"a thread that runs no goroutine": {
			"SIGSEGV: segmentation violation\nPC=0x1 m=3 sigcode=1 addr=0x8\n\ngoroutine 0 gp=0x1 m=3 mp=0x2 [idle]:\nruntime.futex()\n\n" +
				"goroutine 5 gp=0x1 m=4 mp=0x3 [running]:\n" +
				"\tgoroutine running on other thread; stack unavailable\ncreated by p/a.F in goroutine 1\n", ""},
		"a fault": {
			"SIGSEGV: segmentation violation\nPC=0x1 m=3 sigcode=1 addr=0x8\n\ngoroutine 5 gp=0x1 m=3 mp=0x2 [running]:\np/a.F()\n", "a"},
		"a fault that another process sent": {
			"SIGSEGV: segmentation violation\nPC=0x1 m=3 sigcode=0 addr=0x8\n\ngoroutine 5 gp=0x1 m=3 mp=0x2 [running]:\np/a.F()\n", ""},
		"a dump that was asked for": {
			"SIGQUIT: quit\nPC=0x1 m=3 sigcode=18446744073709551610\n\ngoroutine 5 gp=0x1 m=3 mp=0x2 [running]:\np/a.F()\n", ""},
		"a panic about a dump": {"panic: x\n\tSIGQUIT: quit\n\tPC=0x1 m=3 sigcode=0\n\ngoroutine 5 [running]:\np/a.F()\n", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			id, frame, ok := Parse(test.output).Culprit(images)
			if id != test.want || ok != (test.want != "") {
				t.Errorf("%q is to blame for %v, want %q", id, frame, test.want)
			}
		})
	}
}

func TestReason(t *testing.T) {
	for _, test := range []struct{ output, want string }{
		{"", ""},
		{"fatal error: all goroutines are asleep - deadlock!\n", "fatal error: all goroutines are asleep - deadlock!"},
		{"\ngoroutine 5 [running]:\nsync.fatal({0x1, 0x2})\n\tp.go:1 +0x1\nsync.(*RWMutex).Unlock(0x1)\n",
			"fatal error in sync.(*RWMutex).Unlock"},
		{"\ngoroutine 5 [running]:\nruntime.fatal({0x1, 0x2})\n", "fatal error"},
		{"\ngoroutine 5 [running]:\nmain.fatal({0x1, 0x2})\nmain.main()\n", ""},
		{"panic: \x1b[2J\x00\xff\n", "panic: \ufffd[2J\ufffd\ufffd"},
		{"panic: " + strings.Repeat("é", maxReason), "panic: " + strings.Repeat("é", maxReason-8) + "…"},
	} {
		if got := Parse(test.output).Reason; got != test.want {
			t.Errorf("reason of %q: %q, want %q", test.output, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("panic: boom\n\n" +
		"goroutine 7 gp=0x1 m=3 mp=0x2 [running]:\np/a%2eb.(*T[...]).F(0x1)\n\ta.go:1 +0x1\n" +
		"created by p/b.G in goroutine 1\n\tb.go:2 +0x1\n")
	f.Add("SIGSEGV: segmentation violation\nPC=0x1 m=3 sigcode=1\n\n" +
		"runtime stack:\nruntime.throw({0x1})\n\tp.go:1\n\ngoroutine 1 [running]:\np/b.F(...)\n")
	images := []Image{{ID: "a", Packages: map[string]struct{}{"p/a.b": {}}}, {ID: "b", Packages: map[string]struct{}{"p/b": {}}}}
	f.Fuzz(func(t *testing.T, output string) {
		trace := Parse(output)
		if strings.ContainsAny(trace.Reason, "\n\r\x1b") || utf8.RuneCountInString(trace.Reason) > maxReason {
			t.Errorf("reason: %q", trace.Reason)
		}
		for _, g := range trace.Goroutines {
			if len(g.Frames) > maxFrames {
				t.Errorf("goroutine %d has %d frames", g.ID, len(g.Frames))
			}
		}
		if _, frame, ok := trace.Culprit(images); ok && !strings.Contains(output, frame.Func) {
			t.Errorf("%v isn't in the output", frame)
		}
	})
}

// TestHost tells the host's own code that crashed from an image's that the host has called.
func TestHost(t *testing.T) {
	images := []Image{{ID: "a", Packages: map[string]struct{}{"p/a": {}}}}
	isHost := func(pkg string) bool { return strings.HasPrefix(pkg, "host/") }
	for stack, want := range map[string]string{
		"runtime host/x main": "host/x.F", "runtime net/http": "", "p/a host/x": "", "host/x p/a": "host/x.F", "runtime p/a host/x": "",
	} {
		output := "panic: boom\n\ngoroutine 7 [running]:\n"
		for pkg := range strings.FieldsSeq(stack) {
			output += pkg + ".F()\n"
		}
		if frame, ok := Parse(output).Host(images, isHost); frame.Func != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, want %q", stack, frame.Func, ok, want)
		}
	}
}
