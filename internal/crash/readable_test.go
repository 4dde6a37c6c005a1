package crash

import "testing"

const stack = `goroutine 51 [running]:
runtime/debug.Stack()
	runtime/debug/stack.go:26 +0x5e
github.com/sohost/sohost.(*Host).cutOff(0xc000, 0x1, 0x2)
	github.com/sohost/sohost/serve.go:141 +0x2c5
panic({0x1?, 0x2?})
	runtime/panic.go:783 +0x132
runtime.goPanicIndex(0x4, 0x2)
	runtime/panic.go:115 +0x74
example.com/boom/inner_gki9AoDGgo9m2.Do.func1(0x1, 0x0)
	example.com/boom/inner/i.go:6 +0x9d
sort.insertionSort_func({0x1, 0x2}, 0x0, 0x2)
	sort/zsortfunc.go:12 +0xb1
sort.Slice({0x1, 0x2}, 0x3)
	sort/slice.go:26 +0x151
example.com/boom_gki9AoDGgo9m3.(*instance).ServeHTTP(0xc000, {0x1, 0x2}, 0xc001)
	example.com/boom/plugin.go:32 +0x65
github.com/other/lib@v1.2.3_gki9AoDGgo9m4.Wrap[...](0x1)
	github.com/other/lib@v1.2.3/wrap.go:7 +0x65
github.com/sohost/sohost.(*plugin).handle(0xc000)
	github.com/sohost/sohost/serve.go:80 +0x9f
net/http.(*conn).serve(0xc000)
	net/http/server.go:2102 +0x625
created by net/http.(*Server).Serve in goroutine 1
	net/http/server.go:3493 +0x485
`

// TestReadable shows the plugin's calls with files below its module, and counts the others.
func TestReadable(t *testing.T) {
	want := `inner/i.go:6  inner.Do.func1
… 2 of the standard library
plugin.go:32  boom.(*instance).ServeHTTP
github.com/other/lib@v1.2.3/wrap.go:7  lib@v1.2.3.Wrap[...]
… 3 of the server and the standard library
`
	if got := Readable(stack, "example.com/boom"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	for _, text := range []string{"", "no stack", "goroutine 1 [running]:\nruntime.main()\n\truntime/proc.go:1 +0x1\n"} {
		if got := Readable(text, ""); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestOwnerOf(t *testing.T) {
	for path, want := range map[string]string{
		"main": "", "plugin/unnamed-abc": "", "github.com/sohost/sohost/plugins/hello": "", "github.com/sohost/sohost_gki9AoDGgo9m2": "",
		"github.com/sohost/sohost": "the server", "github.com/sohost/sohost/internal/instance": "the server",
		"net/http": "the standard library", "runtime/debug": "the runtime", "internal/runtime/maps": "the runtime",
	} {
		if got := ownerOf(path); got != want {
			t.Errorf("%s is of %q, want %q", path, got, want)
		}
	}
}
