package lane

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sohost/sohost/bench/work"
)

const (
	slice = 300 * time.Microsecond // as short as that, what else runs on the machine rarely gets in between
	limit = 400 * time.Millisecond // for one comparison
	pairs = 401                    // slices of each, at most
)

// compare makes calls by turns without and with the host, in slices, and returns the median of the ratios.
func compare(cores int, direct, hosted func(n int) int, want func(n int) int) (a Answer, err error) {
	cores = max(cores, 1)
	inDirect, err := fitting(direct, want)
	if err != nil {
		return a, fmt.Errorf("without a host: %w", err)
	}
	inHosted, err := fitting(hosted, want)
	if err != nil {
		return a, err
	}
	var ratios, with, without []float64
	for begin := time.Now(); len(ratios) < pairs && (len(ratios) < 5 || time.Since(begin) < limit); {
		d, err := calls(cores, inDirect, direct, want)
		if err != nil {
			return a, fmt.Errorf("without a host: %w", err)
		}
		h, err := calls(cores, inHosted, hosted, want)
		if err != nil {
			return a, err
		}
		ratios, with, without = append(ratios, h/d), append(with, h), append(without, d)
	}
	return Answer{Ratio: Median(ratios), Each: Median(with), Direct: Median(without)}, nil
}

// fitting returns how many calls fit into a slice.
func fitting(run, want func(n int) int) (int, error) {
	for n := 1; ; n *= 2 {
		if took, err := calls(1, n, run, want); err != nil || took*float64(n) >= float64(slice)/2 {
			return n, err
		}
	}
}

// calls returns how many ns each of n calls took, which each of the goroutines made. They begin together: otherwise what it takes to
// wake a core would count, and the first would be through before the second has begun.
func calls(goroutines, n int, run, want func(n int) int) (float64, error) {
	sums, took := make([]int, goroutines), make([]time.Duration, goroutines)
	var there atomic.Int64
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			for there.Add(1); there.Load() < int64(goroutines); {
				runtime.Gosched()
			}
			begin := time.Now()
			sums[i] = run(n)
			took[i] = time.Since(begin)
		})
	}
	all.Wait()
	var whole time.Duration
	for i, sum := range sums {
		if sum != want(n) {
			return 0, fmt.Errorf("wrong answers: their sum is %d, want %d", sum, want(n))
		}
		whole += took[i]
	}
	return float64(whole) / float64(goroutines) / float64(n), nil
}

func nexts(c work.Counter) func(n int) int {
	return func(n int) (sum int) {
		for i := range n {
			sum += c.Next(i)
		}
		return sum
	}
}

func sumOfNexts(n int) int { return n * (n + 1) / 2 }

func counts(c work.Counter) func(n int) int {
	return func(n int) (sum int) {
		for range n {
			sum += c.Count(Text)
		}
		return sum
	}
}

func sumOfCounts(n int) int { return n * differentWords }

// differentWords is how many Text has.
const differentWords = 126

// Text is 4 KiB of words.
var Text = func() string {
	var b strings.Builder
	for i := 0; b.Len() < 4<<10; i++ {
		fmt.Fprintf(&b, "word%c%d, ", 'a'+i%2, i*5%63)
	}
	return b.String()
}()

// Median returns the middle of the values, which it leaves as they are.
func Median(of []float64) float64 {
	return slices.Sorted(slices.Values(of))[len(of)/2]
}
