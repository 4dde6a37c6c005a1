package keep

import (
	"runtime"
	"strconv"
	"sync"
	"testing"
	"unsafe"
)

const benchEntries = 1_000_000

var benchKeys = sync.OnceValue(func() []string {
	keys := make([]string, benchEntries)
	for i := range keys {
		keys[i] = strconv.Itoa(i)
	}
	return keys
})

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// BenchmarkUpdate adds one to entries of a map with a million of them: a Go map with a mutex, a Map, and a Map of which a
// snapshot runs. It also reports how much memory an entry takes.
func BenchmarkUpdate(b *testing.B) {
	keys := benchKeys()
	b.Run("Go map", func(b *testing.B) {
		before := heap()
		var mu sync.Mutex
		m := map[string]int64{}
		for _, k := range keys {
			m[k] = 0
		}
		b.ReportMetric((heap()-before)/benchEntries, "bytes/entry")
		i := 0
		for b.Loop() {
			mu.Lock()
			m[keys[i%benchEntries]]++
			mu.Unlock()
			i += 7919
		}
	})
	add := func(n int64, _ bool) int64 { return n + 1 }
	for _, snapshot := range []bool{false, true} {
		name := "Map"
		if snapshot {
			name = "Map beside a snapshot"
		}
		b.Run(name, func(b *testing.B) {
			before := heap()
			var m Map[string, int64]
			for _, k := range keys {
				m.Set(k, 0)
			}
			b.ReportMetric((heap()-before)/benchEntries, "bytes/entry")
			if snapshot {
				_, end := m.ForHost().Snapshot()
				defer end()
			}
			i := 0
			for b.Loop() {
				m.Update(keys[i%benchEntries], add)
				i += 7919
			}
		})
	}
}

// BenchmarkSnapshot reads a million entries as a checkpoint does.
func BenchmarkSnapshot(b *testing.B) {
	var m Map[string, int64]
	for _, k := range benchKeys() {
		m.Set(k, 0)
	}
	for b.Loop() {
		snapshot, end := m.ForHost().Snapshot()
		var s Map[string, int64]
		s.table.Store((*table[string, int64])(snapshot))
		n := 0
		s.ForHost().Range(func(_, _ unsafe.Pointer) bool { n++; return true })
		end()
	}
}
