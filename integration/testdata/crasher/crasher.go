// Crasher ends the process that it is loaded into: when it is asked to (argument "do" of a request), or at a step of its life
// when a file of the directory $CRASHER says so, whose name is the step and whose text is what to do. A file STEP-V is for
// version V alone.
//
// It has no methods: those of an image that was cloned without a build run in the one that it was cloned from.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/sohost/sohost/abi"
)

const version = "1"

// Plugin is what the host looks for.
var Plugin = abi.Descriptor{
	ABI:     abi.Version,
	Version: version,
	New: func(context.Context, abi.Host) (abi.Instance, error) {
		step("new")
		return http.HandlerFunc(serve), nil
	},
}

func init() { step("init") }

func serve(w http.ResponseWriter, r *http.Request) {
	if action := r.URL.Query().Get("do"); action != "" {
		do(action)
		<-r.Context().Done()
	}
	fmt.Fprintln(w, "version", version)
}

// step does what the file for a step says.
func step(name string) {
	for _, file := range []string{name, name + "-" + version} {
		if b, err := os.ReadFile(filepath.Join(os.Getenv("CRASHER"), file)); err == nil {
			do(strings.TrimSpace(string(b)))
		}
	}
}

func do(action string) {
	switch action {
	case "panic":
		go func() { panic("told to") }()
	case "panic now":
		panic("told to")
	case "maps":
		runtime.GOMAXPROCS(4) // so that the kernel interrupts a write if nothing else does
		m := map[int]int{}
		for range 4 {
			go store(m)
		}
	case "exit":
		go os.Exit(3)
	case "exit now":
		os.Exit(3)
	case "kill now":
		fmt.Fprintln(os.Stderr, "dying")
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "hang":
		select {}
	case "exit later":
		time.AfterFunc(time.Second, func() { os.Exit(3) })
	case "stack":
		if limit := debug.SetMaxStack(1 << 20); limit > 64<<20 { // the usual gigabyte takes seconds to fill
			panic(fmt.Sprintf("a stack may grow to %d bytes", limit))
		}
		go grow(0)
	case "memory":
		if err := confine(64 << 20); err != nil {
			panic(err)
		}
		go func() { sink = make([]byte, 8<<30) }()
	case "kill parent", "quit parent", "daemonize", "run", "fill", "connect", "listen", "write", "set":
		intrude(action)
	}
}

// store writes for ever: some day at the same time as another one.
//
//go:noinline
func store(m map[int]int) {
	for i := 0; ; i++ {
		m[i%100] = i
	}
}

// grow recurses without end.
func grow(n int) int { return grow(n+1) + 1 }

var sink []byte

// confine lets the process have no more address space than it has, and some. No other process inherits that.
func confine(more uint64) error {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	var pages uint64
	if _, err := fmt.Sscan(string(b), &pages); err != nil {
		return err
	}
	most := pages*uint64(os.Getpagesize()) + more
	return syscall.Setrlimit(syscall.RLIMIT_AS, &syscall.Rlimit{Cur: most, Max: most})
}

func main() {}
