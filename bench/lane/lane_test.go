package lane

import (
	"errors"
	"strings"
	"testing"

	"github.com/sohost/sohost/bench/work"
)

// TestWrongAnswer has a comparison fail because of one wrong answer among many, and a load because of another version.
func TestWrongAnswer(t *testing.T) {
	if got := work.Count(Text); got != differentWords {
		t.Errorf("the text has %d different words, not %d", got, differentWords)
	}
	wrong := func(n int) int { return sumOfNexts(n) + n/1000 }
	if _, err := compare(2, nexts(work.New()), wrong, sumOfNexts); err == nil || !strings.Contains(err.Error(), "wrong answers") {
		t.Errorf("wrong answers: %v", err)
	}
	if _, err := compareHTTP(work.New().Next, func(n int) int { return n }); err == nil || !strings.Contains(err.Error(), "wrong answer") {
		t.Errorf("wrong answers by HTTP: %v", err)
	}
	h := &Host{Load: func(string) (func(), error) { return nil, nil }, Version: func() int { return 1 }}
	if _, err := h.load(Order{Version: 2}); err == nil || !strings.Contains(err.Error(), "version 1, want 2") {
		t.Errorf("another version: %v", err)
	}
	h.Load = func(string) (func(), error) { return nil, errors.New("no") }
	if _, err := h.do(Order{Do: "load"}); err == nil {
		t.Error("no error of a load that failed")
	}
	if _, err := h.do(Order{Do: "sing"}); err == nil {
		t.Error("no error of an order that nobody knows")
	}
}
