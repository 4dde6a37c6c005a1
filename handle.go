package sohost

import (
	"context"
	"sync/atomic"

	"github.com/sohost/sohost/generations"
)

// A Handle is a plugin of a Host that was looked up once, for calls of its instances as a T, most often an interface of a
// contract:
//
//	pricer, err := sohost.Lookup[contract.Pricer](host, "flat")
//	…
//	lease, err := pricer.Acquire(ctx)
//	if err != nil {
//		return err
//	}
//	defer lease.Release()
//	price, err := lease.Value().Price(ctx, order)
//
// It is good for as long as the Host is, through all reloads, and for any number of goroutines.
type Handle[T any] struct {
	host *Host
	name string
	slot atomic.Pointer[generations.Slot[*loaded]] // of the plugin as it was last looked up
}

// Lookup returns a Handle for a plugin. The error is ErrClosed or ErrHandedOver, or matches ErrUnknownPlugin. Whether an instance is
// a T turns out when one is lent.
func Lookup[T any](h *Host, plugin string) (*Handle[T], error) {
	p, err := h.plugin(plugin)
	if err != nil {
		return nil, err
	}
	handle := &Handle[T]{host: h, name: plugin}
	handle.slot.Store(p.slot)
	return handle, nil
}

// Acquire takes a lease on the plugin's current instance, which stays open until the lease is released: it must be, or no reload of
// the plugin gets done with the old code. One lease may serve for many calls, as long as they end soon. While the plugin's state
// moves, Acquire waits until the move is over or ctx ends.
//
// A caller who holds a lease must not wait for another one of the same plugin. Acquire doesn't catch panics of the instance, as
// [Handle.Call] does: they end the program unless the caller does.
//
// If the instance is no T, the error matches ErrNotImplemented. Otherwise it is one that Host.Call returns without having called.
func (h *Handle[T]) Acquire(ctx context.Context) (Lease[T], error) {
	l, ok := h.slot.Load().Try()
	if !ok {
		return h.await(ctx, l)
	}
	if t, ok := seenAs[T](l.Value()); ok {
		return Lease[T]{lease: l, value: *t}, nil
	}
	return h.see(l)
}

// seenAs returns what see has remembered.
func seenAs[T any](l *loaded) (t *T, ok bool) {
	if seen := l.seen.Load(); seen != nil {
		t, ok = (*seen).(*T)
	}
	return t, ok
}

// await is Acquire if there is nothing to be had as fast as can be. The plugin may be another one of the same name by now.
func (h *Handle[T]) await(ctx context.Context, none lease) (Lease[T], error) {
	none.Forgo()
	if l, ok := h.slot.Load().TryCount(); ok {
		if t, ok := seenAs[T](l.Value()); ok {
			return Lease[T]{lease: l, value: *t}, nil
		}
		return h.see(l)
	}
	p, err := h.host.plugin(h.name)
	if err != nil {
		return Lease[T]{}, err
	}
	h.slot.Store(p.slot)
	l, err := p.lend(ctx)
	if err != nil {
		return Lease[T]{}, err
	}
	return h.see(l)
}

// see finds out whether the instance is a T, and remembers it for the first such T: a type assertion costs more than all the rest.
func (h *Handle[T]) see(l lease) (Lease[T], error) {
	t, err := as[T](h.name, l.Value().Value())
	if err != nil {
		l.Release()
		return Lease[T]{}, err
	}
	var seen any = &t
	l.Value().seen.CompareAndSwap(nil, &seen)
	return Lease[T]{lease: l, value: t}, nil
}

// Call lends the plugin's current instance to fn, like Host.Call.
func (h *Handle[T]) Call(ctx context.Context, fn func(T) error) (err error) {
	l, err := h.Acquire(ctx)
	if err != nil {
		return err
	}
	defer l.Release()
	defer catch(h.name, &err)
	return fn(l.value)
}

// A Lease is a hold on an instance of a plugin. It must be released exactly once, by its method Release, which doesn't block, and
// must not be copied: if a copy is released, too, that may end another caller's lease. It may be passed to another goroutine.
type Lease[T any] struct {
	lease
	value T
}

type lease = generations.Lease[*loaded]

// Value returns the instance. It must not be used after Release.
func (l *Lease[T]) Value() T { return l.value }

// Generation returns the first 12 hexadecimal digits of the ID of the instance's image.
func (l *Lease[T]) Generation() string { return l.lease.Value().label }
