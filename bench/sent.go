package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// sent is how long requests took that were sent over some time.
type sent struct {
	times  []time.Duration
	during time.Duration
}

func (s sent) rate() float64 { return float64(len(s.times)) / s.during.Seconds() }

// percentile returns what that many of a hundred requests took at most.
func (s sent) percentile(p int) float64 {
	return float64(slices.Sorted(slices.Values(s.times))[(len(s.times)-1)*p/100])
}

// send sends requests on connections for a while, one after the other on each, and checks that all answers have the text. It knows of
// HTTP what the two servers that are compared make use of, so that as little as possible of the machine's time is its own.
func send(address, path, text string, connections int, during time.Duration) (sent, error) {
	each, errs := make([][]time.Duration, connections), make([]error, connections)
	var all sync.WaitGroup
	begin := time.Now()
	for i := range connections {
		all.Go(func() { each[i], errs[i] = sendOn(address, path, text, begin.Add(during)) })
	}
	all.Wait()
	s := sent{slices.Concat(each...), time.Since(begin)}
	if len(s.times) == 0 {
		errs = append(errs, errors.New("no request was answered"))
	}
	return s, errors.Join(errs...)
}

func sendOn(address, path, text string, until time.Time) (times []time.Duration, err error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(until.Add(time.Minute))
	in, request := bufio.NewReader(c), []byte("GET "+path+" HTTP/1.1\r\nHost: "+address+"\r\n\r\n")
	for before := time.Now(); before.Before(until); {
		if _, err := c.Write(request); err != nil {
			return nil, err
		}
		if err := readAnswer(in, []byte(text)); err != nil {
			return nil, err
		}
		after := time.Now()
		times = append(times, after.Sub(before))
		before = after
	}
	return times, nil
}

// readAnswer reads a response of status 200 with a length and that text.
func readAnswer(in *bufio.Reader, text []byte) error {
	length := -1
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
			return fmt.Errorf("wrong answer: %q", line)
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
		if len(line) == len("\r\n") {
			break
		}
	}
	body, err := in.Peek(max(length, 0))
	if err == nil && !bytes.Contains(body, text) {
		err = fmt.Errorf("wrong answer: %q", body)
	}
	in.Discard(len(body))
	return err
}
