// Yaegi replaces plugins that are Go source, with the interpreter traefik/yaegi: a new interpreter for each.
package main

import (
	"os"
	"sync/atomic"

	"github.com/sohost/sohost/bench/lane"
	"github.com/sohost/sohost/bench/work"
	"github.com/traefik/yaegi/interp"
	"github.com/traefik/yaegi/stdlib"
)

func main() { lane.Main(open) }

type functions struct {
	next    func(n int) int
	count   func(text string) int
	version func() int
}

func (f *functions) Next(n int) int        { return f.next(n) }
func (f *functions) Count(text string) int { return f.count(text) }
func (f *functions) Version() int          { return f.version() }

func open() (*lane.Host, error) {
	var current atomic.Pointer[work.Counter]
	load := func(file string) (func(), error) {
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		i := interp.New(interp.Options{})
		if err := i.Use(stdlib.Symbols); err != nil {
			return nil, err
		}
		if _, err := i.Eval(string(source)); err != nil {
			return nil, err
		}
		f := &functions{}
		if f.next, err = function[func(int) int](i, "work.Next"); err != nil {
			return nil, err
		}
		if f.count, err = function[func(string) int](i, "work.Count"); err != nil {
			return nil, err
		}
		if f.version, err = function[func() int](i, "work.Version"); err != nil {
			return nil, err
		}
		var c work.Counter = f
		current.Store(&c)
		return nil, nil
	}
	return lane.Of(load, &current), nil
}

func function[T any](i *interp.Interpreter, name string) (f T, err error) {
	v, err := i.Eval(name)
	if err != nil {
		return f, err
	}
	return v.Interface().(T), nil
}
