// Package ratio compares short calls in benchmarks. It measures them in turns, many times and each time for less than a millisecond,
// and reports medians of the ratios, so that what else runs on the machine matters little.
package ratio

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// A Callee is called by everything that is compared.
type Callee interface{ Call(n int) int }

type callee struct{ n int }

//go:noinline
func (c *callee) Call(n int) int { return c.n + n }

// NewCallee returns a Callee that does next to nothing.
func NewCallee() Callee { return &callee{n: 1} }

// A Way is one way to call.
type Way struct {
	Name  string
	Calls func(n int) (sum int) // makes n calls, and returns the sum of their results
}

// calls is how many each goroutine makes in a round.
const calls = 20_000

// Compare measures the ways on one core and on two, in the latter case called by two goroutines. Each iteration of the benchmark is a
// round of all ways. Compare reports how long a call of the first takes, and of all others the ratio to the first: the median of the
// rounds, and its quartiles in the log.
func Compare(b *testing.B, ways []Way) {
	for _, cores := range []int{1, 2} {
		b.Run(strconv.Itoa(cores), func(b *testing.B) { compare(b, cores, ways) })
	}
}

func compare(b *testing.B, cores int, ways []Way) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
	ratios := make([][]float64, len(ways))
	var first []float64
	for b.Loop() {
		var one time.Duration
		for i, way := range ways {
			took := run(b, cores, way)
			if i == 0 {
				one = took
				first = append(first, float64(took.Nanoseconds())/calls)
			}
			ratios[i] = append(ratios[i], float64(took)/float64(one))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(quantile(first, 0.5), ways[0].Name+"-ns")
	text := fmt.Sprintf("%d cores, %d rounds; %s: %.2f ns, at least %.2f", cores, len(first), ways[0].Name, quantile(first, 0.5), quantile(first, 0))
	for i, way := range ways[1:] {
		r := ratios[i+1]
		b.ReportMetric(quantile(r, 0.5), way.Name+"-ratio")
		text += fmt.Sprintf("\n%-8s %.2f (%.2f to %.2f)", way.Name, quantile(r, 0.5), quantile(r, 0.25), quantile(r, 0.75))
	}
	b.Log(text)
}

// run returns how long the calls took.
func run(b *testing.B, cores int, way Way) time.Duration {
	var all sync.WaitGroup
	begin := time.Now()
	for range cores {
		all.Go(func() {
			if way.Calls(calls) != calls*(calls+1)/2 {
				b.Errorf("%s: wrong results", way.Name)
			}
		})
	}
	all.Wait()
	return time.Since(begin)
}

func quantile(of []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[int(q*float64(len(sorted)-1))]
}
