package lane

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	connections = 8
	httpSlice   = 50 * time.Millisecond
	httpPairs   = 5
)

// compareHTTP has clients ask for what next answers, by turns without and with the host, and returns the median of the ratios of
// the times that a request takes.
func compareHTTP(direct, hosted func(n int) int) (a Answer, err error) {
	mux := http.NewServeMux()
	for path, next := range map[string]func(int) int{"/direct": direct, "/hosted": hosted} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(r.URL.RawQuery)
			io.WriteString(w, strconv.Itoa(next(n)))
		})
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var ratios, with, without []float64
	for i := range httpPairs + 1 {
		d, err := requests(client, server.URL+"/direct?", httpSlice)
		if err != nil {
			return a, err
		}
		h, err := requests(client, server.URL+"/hosted?", httpSlice)
		if err != nil {
			return a, err
		}
		if i > 0 { // connections are made in the first
			ratios, with, without = append(ratios, h/d), append(with, h), append(without, d)
		}
	}
	return Answer{Ratio: Median(ratios), Each: Median(with), Direct: Median(without)}, nil
}

// requests returns how many ns a request takes.
func requests(client *http.Client, url string, during time.Duration) (float64, error) {
	var done atomic.Int64
	errs := make([]error, connections)
	var all sync.WaitGroup
	begin := time.Now()
	for i := range errs {
		all.Go(func() {
			for time.Since(begin) < during && errs[i] == nil {
				errs[i] = request(client, url, int(done.Add(1)))
			}
		})
	}
	all.Wait()
	took := time.Since(begin)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(took) / float64(done.Load()), nil
}

func request(client *http.Client, url string, n int) error {
	r, err := client.Get(url + strconv.Itoa(n))
	if err != nil {
		return err
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if want := strconv.Itoa(n + 1); err != nil || r.StatusCode != http.StatusOK || string(body) != want {
		return fmt.Errorf("wrong answer: %s, %q, %v; want %s", r.Status, body, err, want)
	}
	return nil
}
