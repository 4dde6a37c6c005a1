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

// await waits until a file has all points, checks their sum, and returns the time since begun. What is appended is only counted meanwhile, so
// that the reader takes next to nothing from those who are measured.
func await(file string, points int, sum float64, begun time.Time) (time.Duration, error) {
	var f *os.File
	lines, part := 0, make([]byte, 1<<20)
	for last := begun; lines < points; {
		var err error
		if f == nil {
			if f, err = os.Open(file); err == nil {
				defer f.Close()
			}
		}
		n := 0
		if f != nil {
			n, err = f.Read(part)
		}
		switch {
		case n > 0:
			lines, last = lines+bytes.Count(part[:n], []byte("\n")), time.Now()
		case time.Since(last) > limit:
			return 0, fmt.Errorf("%s has %d of %d points, and no more came within %v: %v", file, lines, points, limit, err)
		default:
			time.Sleep(time.Millisecond)
		}
	}
	took := time.Since(begun)
	got, err := read(file)
	if err == nil && (lines != points || math.Abs(got-sum) > 1) {
		err = fmt.Errorf("%s has %d points with the sum %g, want %d with %g", file, lines, got, points, sum)
	}
	return took, err
}

// read returns the sum of busy in a file.
func read(file string) (sum float64, err error) {
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		_, rest, _ := strings.Cut(s.Text(), "busy=")
		value, _, _ := strings.Cut(rest, " ")
		value, _, _ = strings.Cut(value, ",")
		busy, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, err
		}
		sum += busy
	}
	return sum, nil
}
