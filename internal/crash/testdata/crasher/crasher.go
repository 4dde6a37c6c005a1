// Command crasher is a plugin that ends its process in the way it is told.
package main

/*
#cgo LDFLAGS: -lpthread
#include <pthread.h>
#include <stdlib.h>

static void fault(void) { *(volatile int *)8 = 1; }
static void *faulting(void *arg) { fault(); return arg; }
static void thread(void) {
	pthread_t t;
	pthread_create(&t, NULL, faulting, NULL);
	pthread_join(t, NULL);
}
extern void fromC(void);
static void callback(void) { fromC(); }
*/
import "C"

import (
	"container/ring"
	"os"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/sohost/sohost/abi"
	shared "github.com/sohost/sohost/internal/crash/testdata/shared.v2"
)

type failure struct{ text string }

func (f *failure) Error() string { return f.text }

type name string

type tree struct{ left, right *tree }

//go:noinline
func (t *tree) depth() int { return t.left.depth() + t.right.depth() + 1 }

type pair[K comparable, V any] struct {
	key   K
	value V
}

//go:noinline
func (p pair[K, V]) fail() { panic(p.key) }

//export fromC
func fromC() { panic("called from C") }

// Variables keep the compiler from seeing what will happen.
var (
	table map[string]int
	sink  []byte
	count int
)

//go:noinline
func store(m map[int]int) {
	for i := 0; ; i++ {
		m[i%100] = i
	}
}

func spin() {
	for n := 0; ; n++ {
		count = n
	}
}

// fault writes where nobody may.
func fault() {
	page, _ := syscall.Mmap(-1, 0, 4096, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	page[0] = 1
}

// grow is a recursion without end.
func grow(n int) int { return grow(n+1) + 1 }

// Plugin is what the build asks for; nothing here makes an instance.
var Plugin = abi.Descriptor{ABI: abi.Version}

// Crash does what command says.
func Crash(command, arg string) {
	switch command {
	case "panic":
		go func() { panic("boom") }()
	case "direct":
		panic("boom")
	case "error":
		go func() { panic(&failure{arg}) }()
	case "named":
		go func() { panic(name(arg)) }()
	case "text":
		go func() { panic(arg) }()
	case "nested":
		go func() {
			defer func() { panic("second") }()
			panic("first")
		}()
	case "repanic":
		go func() {
			defer func() { panic(recover()) }()
			panic("first")
		}()
	case "recovered":
		go func() {
			defer func() {
				recover()
				panic("second")
			}()
			panic("first")
		}()
	case "nilmap":
		go func() { table["x"] = 1 }()
	case "nil":
		go func() { (&tree{}).depth() }()
	case "fault":
		go fault()
	case "maps":
		m := map[int]int{}
		for range 4 {
			go store(m)
		}
	case "stack":
		debug.SetMaxStack(1 << 20)
		go func() { grow(0) }()
	case "shared stack":
		debug.SetMaxStack(1 << 20)
		go func() { shared.Grow(0) }()
	case "memory":
		const most = 4 << 30
		syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: most, Max: most})
		go func() { sink = make([]byte, 2*most) }()
	case "C fault":
		go func() { C.fault() }()
	case "C abort":
		go func() { C.abort() }()
	case "C thread":
		go func() { C.thread() }()
	case "C callback":
		go func() { C.callback() }()
	case "exit":
		os.Exit(3)
	case "std":
		go ring.New(1).Do(func(any) { panic("item") })
	case "generic":
		go pair[string, []int]{key: "k"}.fail()
	case "shared":
		go func() { shared.Call(shared.Fail) }()
	case "shared list":
		go func() { (&shared.List[int]{Items: []int{1}}).Each(func(int) { panic("item") }) }()
	case "shared created":
		go shared.Fail()
	case "shared only":
		shared.Go()
	case "spin":
		go spin()
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "timer":
		time.AfterFunc(time.Millisecond, shared.Fail)
	}
}

func main() {}
