package packaging

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// load asks a counting plugin, again and again, one request at a time.
type load struct {
	url   string
	stop  chan struct{}
	ended chan error
	asked int // read it after end
}

// get returns the body of an answer, and an error unless that is 200.
func get(url string) (string, error) {
	resp, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return string(body), err
}

// startLoad asks a plugin as `sohost new` writes it, which has been asked before times already. No request may fail, and
// each must be counted once.
func startLoad(url string, before int) *load {
	l := &load{url: url, stop: make(chan struct{}), ended: make(chan error, 1), asked: before}
	go func() {
		for {
			select {
			case <-l.stop:
				l.ended <- nil
				return
			default:
			}
			l.asked++
			body, err := get(url)
			if err == nil && !strings.Contains(body, fmt.Sprintf(" request %d,", l.asked)) {
				err = fmt.Errorf("request %d: the answer is %s", l.asked, body)
			}
			if err != nil {
				l.ended <- err
				return
			}
		}
	}()
	return l
}

// end returns how many requests the plugin has had.
func (l *load) end(t *testing.T) int {
	t.Helper()
	close(l.stop)
	if err := <-l.ended; err != nil {
		t.Fatal(err)
	}
	return l.asked
}
