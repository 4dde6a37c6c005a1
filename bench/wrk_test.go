package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseWrk(t *testing.T) {
	const text = `Running 1s test @ http://127.0.0.1:7001/hello
  2 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.09ms    1.56ms  14.48ms   87.61%
    Req/Sec    22.02k     3.65k   28.93k    65.00%
  Latency Distribution
     50%  501.00us
     75%    1.17ms
     90%    3.17ms
     99%    7.01ms
  43628 requests in 1.00s, 6.83MB read
Requests/sec:  43517.80
Transfer/sec:      6.81MB
`
	got, err := parseWrk(text)
	if want := (answered{43517.80, float64(7010 * time.Microsecond)}); got != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, wrong := range []string{"", "Requests/sec: 1.0\n", text + "  Non-2xx or 3xx responses: 12\n",
		text + "  Socket errors: connect 0, read 3, write 0, timeout 0\n", strings.Replace(text, "7.01ms", "7.01", 1)} {
		if got, err := parseWrk(wrong); err == nil {
			t.Errorf("%q: got %+v", wrong, got)
		}
	}
}
