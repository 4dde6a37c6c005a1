// Wazero replaces plugins that are WebAssembly, with the compiler of tetratelabs/wazero. One instance serves one caller at a time,
// so there are as many as cores.
package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/sohost/sohost/bench/lane"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

func main() { lane.Main(open) }

var ctx = context.Background()

func open() (*lane.Host, error) {
	var current atomic.Pointer[plugin]
	return &lane.Host{
		Load: func(file string) (func(), error) {
			p, err := load(file)
			if err != nil {
				return nil, err
			}
			old := current.Swap(p)
			if old == nil {
				return nil, nil
			}
			return func() { old.runtime.Close(ctx) }, nil
		},
		Next:    func(n int) int { return current.Load().call((*instance).next, n) },
		Version: func() int { return current.Load().call((*instance).version, 0) },
		Nexts: func(n int) (sum int) {
			for i := range n {
				sum += current.Load().call((*instance).next, i)
			}
			return sum
		},
		Counts: func(n int) (sum int) {
			for range n {
				sum += current.Load().call((*instance).count, 0)
			}
			return sum
		},
	}, nil
}

// A plugin is a compiled module with its instances.
type plugin struct {
	runtime wazero.Runtime
	idle    chan *instance
}

func load(file string) (p *plugin, err error) {
	code, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p = &plugin{runtime: wazero.NewRuntime(ctx), idle: make(chan *instance, runtime.NumCPU())}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.runtime.Close(ctx))
		}
	}()
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, p.runtime); err != nil {
		return nil, err
	}
	module, err := p.runtime.CompileModule(ctx, code)
	if err != nil {
		return nil, err
	}
	for range cap(p.idle) {
		in, err := p.instantiate(module)
		if err != nil {
			return nil, err
		}
		p.idle <- in
	}
	return p, nil
}

func (p *plugin) call(method func(*instance, int) int, n int) int {
	in := <-p.idle
	defer func() { p.idle <- in }()
	return method(in, n)
}

// An instance serves one caller at a time.
type instance struct {
	memory                           api.Memory
	buffer                           uint32
	nextFunc, countFunc, versionFunc api.Function
	stack                            [1]uint64
}

func (p *plugin) instantiate(module wazero.CompiledModule) (*instance, error) {
	m, err := p.runtime.InstantiateModule(ctx, module, wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize"))
	if err != nil {
		return nil, err
	}
	at, err := m.ExportedFunction("buffer").Call(ctx)
	if err != nil {
		return nil, err
	}
	return &instance{
		memory: m.Memory(), buffer: uint32(at[0]),
		nextFunc: m.ExportedFunction("next"), countFunc: m.ExportedFunction("count"), versionFunc: m.ExportedFunction("version"),
	}, nil
}

func (in *instance) next(n int) int { return in.ask(in.nextFunc, uint64(n)) }

func (in *instance) count(int) int {
	if !in.memory.WriteString(in.buffer, lane.Text) {
		return -1
	}
	return in.ask(in.countFunc, uint64(len(lane.Text)))
}

func (in *instance) version(int) int { return in.ask(in.versionFunc, 0) }

func (in *instance) ask(f api.Function, n uint64) int {
	in.stack[0] = n
	if err := f.CallWithStack(ctx, in.stack[:]); err != nil {
		return -1
	}
	return int(in.stack[0])
}
