package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sohost/sohost/internal/program"
)

const (
	perBody = 5000 // points in a request
	writers = 2    // requests at once
	limit   = 2 * time.Minute
)

// bodies returns the requests, and the sum of busy.
func (b *bench) bodies() (bodies [][]byte, sum float64) {
	var body bytes.Buffer
	for i := range b.points {
		busy := float64(i%1000) + 0.5
		sum += busy
		fmt.Fprintf(&body, "cpu,cpu=cpu%d,host=web%d busy=%g,idle=%g,system=1.25,user=2.5 %d\n", i%8, i%50, busy, 1000-busy, 1767225600000000000+int64(i)*1000)
		if (i+1)%perBody == 0 || i+1 == b.points {
			bodies = append(bodies, bytes.Clone(body.Bytes()))
			body.Reset()
		}
	}
	return bodies, sum
}

// post sends the requests, some at once.
func post(url string, bodies [][]byte) error {
	var all sync.WaitGroup
	next := make(chan []byte, len(bodies))
	for _, body := range bodies {
		next <- body
	}
	close(next)
	errs := make(chan error, len(bodies))
	for range writers {
		all.Go(func() {
			for body := range next {
				if err := program.Write(url, body); err != nil {
					errs <- err
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}

// await waits until a file has all points, checks their sum, and returns the time since begun. Looking costs little: the size of a line
// hardly varies, so the file isn't read before it may be complete.
func await(file string, points int, sum float64, begun time.Time) (time.Duration, error) {
	var size int64
	for last := begun; time.Since(last) < limit; time.Sleep(2 * time.Millisecond) {
		info, err := os.Stat(file)
		if err != nil || info.Size() == size || info.Size() < int64(points)*60 {
			continue
		}
		size, last = info.Size(), time.Now()
		took := time.Since(begun)
		lines, got, err := read(file)
		if err != nil {
			return 0, err
		}
		if lines == points {
			if math.Abs(got-sum) > 1 {
				return 0, fmt.Errorf("the sum is %g, want %g", got, sum)
			}
			return took, nil
		}
	}
	return 0, fmt.Errorf("%s doesn't have %d points within %v", file, points, limit)
}

// read returns how many lines a file has, and the sum of busy.
func read(file string) (lines int, sum float64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		_, rest, found := strings.Cut(s.Text(), "busy=")
		if !found {
			continue
		}
		end := strings.IndexAny(rest, ", ")
		if end < 0 {
			continue // it is being written
		}
		busy, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, 0, err
		}
		lines, sum = lines+1, sum+busy
	}
	return lines, sum, nil
}
