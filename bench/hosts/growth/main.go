// Growth is a host in which old generations add up, and measures what they cost.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/sohost/sohost"
	"github.com/sohost/sohost/bench/lane"
	"github.com/sohost/sohost/native"
	_ "github.com/sohost/sohost/native/std"
)

func main() { lane.Main(open) }

func open() (*lane.Host, error) {
	store, err := os.MkdirTemp("", "growth")
	if err != nil {
		return nil, err
	}
	g := &growth{ctx: context.Background()}
	g.host, err = sohost.New(g.ctx, sohost.Options{
		Store: store,
		// Nothing is there yet, so nothing is booted.
		Plugins: []sohost.Plugin{{Name: "grown", Image: store + "/none.so"}, {Name: "deep", Image: store + "/none.so"}},
		// However busy the machine is, that is no result.
		OpenTimeout: 10 * time.Minute,
		Logger:      slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	return &lane.Host{
		More: map[string]func(lane.Order) (lane.Answer, error){
			"open": g.open, "deploy": g.deploy, "collect": g.collect, "panic": g.panic,
		},
		Close: func() {
			g.host.Close(g.ctx)
			os.RemoveAll(store)
		},
	}, nil
}

type growth struct {
	ctx  context.Context
	host *sohost.Host
}

// open opens images that nobody uses, and answers how many are open now.
func (g *growth) open(o lane.Order) (a lane.Answer, err error) {
	for _, file := range o.Files {
		image, err := native.Open(g.ctx, file)
		if err != nil {
			return a, err
		}
		if _, err := image.Cool(); err != nil {
			return a, err
		}
		if err := os.Remove(file); err != nil {
			return a, err
		}
	}
	return lane.Answer{Count: len(native.Opened())}, nil
}

// deploy reloads one of the plugins.
func (g *growth) deploy(o lane.Order) (a lane.Answer, err error) {
	begin := time.Now()
	_, err = g.host.Deploy(g.ctx, map[string]string{o.Plugin: o.File})
	return lane.Answer{Took: time.Since(begin)}, err
}

// collect measures the CPU time of a garbage collection.
func (g *growth) collect(lane.Order) (lane.Answer, error) {
	var took []float64
	for range 7 {
		before := cpuTime()
		runtime.GC()
		took = append(took, float64(cpuTime()-before))
	}
	return lane.Answer{Took: time.Duration(lane.Median(took))}, nil
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // it can't be
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// panic measures a panic of the plugin deep, ten calls down, that is recovered here.
func (g *growth) panic(lane.Order) (a lane.Answer, err error) {
	handle, err := sohost.Lookup[http.Handler](g.host, "deep")
	if err != nil {
		return a, err
	}
	lease, err := handle.Acquire(g.ctx)
	if err != nil {
		return a, err
	}
	defer lease.Release()
	var took []float64
	for range 101 {
		begin := time.Now()
		recovered := dive(lease.Value())
		took = append(took, float64(time.Since(begin)))
		if recovered != "at the bottom" {
			return a, fmt.Errorf("recovered %v", recovered)
		}
	}
	return lane.Answer{Took: time.Duration(lane.Median(took))}, nil
}

func dive(h http.Handler) (recovered any) {
	defer func() { recovered = recover() }()
	h.ServeHTTP(nil, nil)
	return nil
}
