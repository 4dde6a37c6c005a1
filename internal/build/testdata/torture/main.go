// Torture uses much of the language and of the standard library. Its answer is the same whenever it is asked, but for what it counts.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/template"
	"time"

	"github.com/sohost/sohost/abi"
)

type key struct {
	A string
	B int
	C [3]byte
}

type big struct {
	Locks   [40]sync.Mutex
	Headers [10]http.Header
	Time    time.Time
	Prev    *big
	Buffers [64]bytes.Buffer
}

// Variables of which the linker needs to know where their pointers are.
var (
	headers  [3]http.Header
	servers  [2]http.Server
	nested   struct{ a, b [2]template.Template }
	patterns = []*regexp.Regexp{regexp.MustCompile(`(\w+)@(\w+)\.com`)}
	render   = template.Must(template.New("x").Funcs(template.FuncMap{"up": strings.ToUpper}).Parse(`{{range .}}{{.A | up}}:{{.B}} {{end}}`))
)

type list[T any] struct {
	head *node[T]
	n    int
}

type node[T any] struct {
	value T
	next  *node[T]
}

func (l *list[T]) push(v T) { l.head, l.n = &node[T]{v, l.head}, l.n+1 }

type codeError struct{ code int }

func (e *codeError) Error() string   { return fmt.Sprint("code ", e.code) }
func (e *codeError) Is(t error) bool { return t == io.EOF }

type shape interface{ area() float64 }

type square struct{ side float64 }

func (s square) area() float64 { return s.side * s.side }

type instance struct {
	asked atomic.Int64
	funcs sync.Map
	keys  map[key]*big
	mu    sync.RWMutex
	list  list[map[key][]string]
}

func sum[T cmp.Ordered](xs ...T) (t T) {
	for _, x := range xs {
		t += x
	}
	return t
}

func (s *instance) String() string {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	return strings.ReplaceAll(w.Body.String(), "\n", "|")
}

func (s *instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	got := s.goroutines(r.Context())
	runtime.GC()
	slices.SortFunc(got, func(a, b key) int { return cmp.Compare(a.B, b.B) })
	fmt.Fprintln(w, "torture", s.asked.Add(1), encode(got), len(s.keys), s.list.n)
	headers[1] = http.Header{"A": {"b"}}
	servers[1].Addr = "x"
	runtime.GC()
	f, _ := s.funcs.Load(got[3])
	var sh shape = square{3}
	_, stringer := sh.(fmt.Stringer)
	fmt.Fprintln(w, sh.area(), stringer, f.(func() int)(), patterns[0].FindStringSubmatch("joe@x.com")[1:], headers[1].Get("A"), len(nested.a))
	fmt.Fprintln(w, failures(got), echo(), reflect.TypeOf(s).Elem().NumField(), len(slices.Collect(maps.Keys(s.keys))), sum("a", "b"))
}

// goroutines fills the maps from eight goroutines.
func (s *instance) goroutines(ctx context.Context) (got []key) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	ch := make(chan key, 4)
	for i := range 8 {
		wg.Go(func() {
			k := key{A: fmt.Sprint("k", i), B: i, C: [3]byte{byte(i)}}
			s.mu.Lock()
			b := &big{Time: time.Now(), Prev: s.keys[k]}
			b.Headers[0] = http.Header{"A": {fmt.Sprint(i)}}
			b.Buffers[3].WriteString(strings.Repeat("x", 1000))
			if b.Prev != nil {
				b.Prev.Prev = nil
			}
			s.keys[k] = b
			s.list.push(map[key][]string{k: {"a", "b"}})
			s.mu.Unlock()
			s.funcs.Store(k, func() int { return i * 2 })
			select {
			case ch <- k:
			case <-ctx.Done():
			}
		})
	}
	for range 8 {
		got = append(got, <-ch)
	}
	wg.Wait()
	return got
}

func encode(got []key) string {
	var out, g bytes.Buffer
	if err := render.Execute(&out, got); err != nil {
		return err.Error()
	}
	var back []key
	if err := cmp.Or(gob.NewEncoder(&g).Encode(got), gob.NewDecoder(&g).Decode(&back)); err != nil || !reflect.DeepEqual(got, back) {
		return fmt.Sprint("gob ", err)
	}
	text, err := json.Marshal(got[:2])
	if err := cmp.Or(err, json.Unmarshal(text, &back)); err != nil || back[1] != got[1] {
		return fmt.Sprint("json ", err)
	}
	return out.String() + string(text)
}

// failures panics in two ways, and counts the frames of its own on the way.
func failures(got []key) string {
	err := fmt.Errorf("wrap: %w", &codeError{7})
	var mine *codeError
	ok := errors.As(err, &mine) && errors.Is(err, io.EOF)
	frames := 0
	for _, f := range []func(){func() { var b *big; _ = b.Time }, func() { _ = got[len(got)+sum(1, 2)] }} {
		func() {
			defer func() {
				var re runtime.Error
				e, _ := recover().(error)
				ok = ok && errors.As(e, &re)
				pc := make([]uintptr, 20)
				for fr, more := runtime.CallersFrames(pc[:runtime.Callers(0, pc)]), true; more; {
					var frame runtime.Frame
					if frame, more = fr.Next(); strings.Contains(frame.Function, "main.failures") || strings.Contains(frame.Function, "torture") {
						frames++
					}
				}
			}()
			f()
		}()
	}
	return fmt.Sprint(ok, frames)
}

// echo asks a server of its own.
func echo() string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer srv.Close()
	resp, err := srv.Client().Post(srv.URL, "text/plain", strings.NewReader("echo"))
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return fmt.Sprint(string(b), err)
}

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{ABI: abi.Version, New: func(context.Context, abi.Host) (abi.Instance, error) {
	return &instance{keys: make(map[key]*big)}, nil
}}

func main() {}
