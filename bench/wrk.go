package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// wrkClient is the client wrk, with two threads. It doesn't look at the text of answers.
func wrkClient(address, path string) (answered, error) {
	out, err := exec.Command("wrk", "-t2", fmt.Sprintf("-c%d", servedConnections), fmt.Sprintf("-d%.0fs", servedSlice.Seconds()), "--latency",
		"http://"+address+path).CombinedOutput()
	if err != nil {
		return answered{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	return parseWrk(string(out))
}

var (
	wrkRate = regexp.MustCompile(`(?m)^Requests/sec: +([0-9.]+)$`)
	wrkTail = regexp.MustCompile(`(?m)^ +99% +([0-9.]+(?:us|ms|s|m))$`)
)

// parseWrk reads what wrk prints. Answers other than those of status 200, and sockets that failed, are an error.
func parseWrk(text string) (a answered, err error) {
	rate, tail := wrkRate.FindStringSubmatch(text), wrkTail.FindStringSubmatch(text)
	if rate == nil || tail == nil || strings.Contains(text, "Non-2xx") || strings.Contains(text, "Socket errors") {
		return a, fmt.Errorf("wrk prints %q", text)
	}
	if a.rate, err = strconv.ParseFloat(rate[1], 64); err != nil {
		return a, fmt.Errorf("wrk: %w", err)
	}
	took, err := time.ParseDuration(tail[1])
	if err != nil {
		return a, fmt.Errorf("wrk: %w", err)
	}
	a.tail = float64(took)
	return a, nil
}
