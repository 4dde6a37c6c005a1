package generations

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

type callee struct{ n int }

//go:noinline
func (c *callee) call() int { return c.n }

var sink atomic.Int64

// BenchmarkAcquire compares one call through a slot with the other ways to keep a value from going away under a caller.
// The interesting figures are those of several cores: -cpu 1,2,4.
func BenchmarkAcquire(b *testing.B) {
	value := &callee{n: 1}
	b.Run("direct", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			n := 0
			for pb.Next() {
				n += value.call()
			}
			sink.Add(int64(n))
		})
	})
	b.Run("slot", func(b *testing.B) {
		var s Slot[*callee]
		if _, err := s.Swap(NewGeneration(ID{}, value)); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			ctx, n := context.Background(), 0
			for pb.Next() {
				lease, err := s.Acquire(ctx)
				if err != nil {
					b.Error(err)
					return
				}
				n += lease.Value().call()
				lease.Release()
			}
			sink.Add(int64(n))
		})
	})
	b.Run("refcount", func(b *testing.B) {
		var refs atomic.Int64
		var current atomic.Pointer[callee]
		current.Store(value)
		b.RunParallel(func(pb *testing.PB) {
			n := 0
			for pb.Next() {
				refs.Add(1)
				n += current.Load().call()
				refs.Add(-1)
			}
			sink.Add(int64(n))
		})
	})
	b.Run("rwmutex", func(b *testing.B) {
		var mu sync.RWMutex
		b.RunParallel(func(pb *testing.PB) {
			n := 0
			for pb.Next() {
				mu.RLock()
				n += value.call()
				mu.RUnlock()
			}
			sink.Add(int64(n))
		})
	})
}

// BenchmarkPick compares ways to choose a shard: see counted.shard.
func BenchmarkPick(b *testing.B) {
	var tokens atomic.Uint64
	pool := sync.Pool{New: func() any { n := tokens.Add(1); return &n }}
	for _, way := range []struct {
		name string
		pick func() uint64
	}{
		{"one", func() uint64 { return 0 }},
		{"stack", stackHash},
		{"pool", func() uint64 { n := pool.Get().(*uint64); defer pool.Put(n); return *n }},
		{"rand", rand.Uint64},
	} {
		b.Run(way.name, func(b *testing.B) {
			shards := make([]shard, shardCount())
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					s := &shards[way.pick()&uint64(len(shards)-1)]
					s.leases.Add(1)
					s.leases.Add(-1)
				}
			})
		})
	}
}

// BenchmarkSwap is one swap with a drain that has nothing to wait for.
func BenchmarkSwap(b *testing.B) {
	var s Slot[int]
	for b.Loop() {
		old, err := s.Swap(NewGeneration(ID{}, 1))
		if err != nil {
			b.Fatal(err)
		}
		if old == nil {
			continue
		}
		if err := old.Drain(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAdd stores an image of 18 MB, hashed and durable; "again" is the same content once more.
func BenchmarkAdd(b *testing.B) {
	s, err := OpenStore(b.TempDir(), quiet)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(b.TempDir(), "x.so")
	content := make([]byte, 18<<20)
	chacha := rand.NewChaCha8([32]byte{})
	for _, again := range []bool{false, true} {
		name := "new"
		if again {
			name = "again"
		}
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			for b.Loop() {
				if !again {
					b.StopTimer()
					chacha.Read(content)
					if err := os.WriteFile(path, content, 0o644); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				if _, err := s.Add(b.Context(), path); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPublish makes a release of ten plugins durable and current.
func BenchmarkPublish(b *testing.B) {
	s, err := OpenStore(b.TempDir(), quiet)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	path := filepath.Join(b.TempDir(), "x.so")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		b.Fatal(err)
	}
	o, err := s.Add(b.Context(), path)
	if err != nil {
		b.Fatal(err)
	}
	images := make(map[string]ID)
	for i := range 10 {
		images[numbered("p", i)] = o.ID
	}
	for b.Loop() {
		if _, err := s.Publish(manifest(images)); err != nil {
			b.Fatal(err)
		}
	}
}
