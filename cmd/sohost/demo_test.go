package main

import (
	"strings"
	"syscall"
	"testing"
)

func TestSpark(t *testing.T) {
	bars, marks := spark([]float64{9, 0, 50, 100, 100}, map[int]rune{0: '×', 2: '↑'}, 4)
	if bars != "▁▅██" || marks != " ↑" {
		t.Errorf("%q, %q", bars, marks)
	}
	if bars, _ := spark([]float64{0}, nil, 0); bars != "▁" {
		t.Errorf("nothing is %q", bars)
	}
}

func TestDemoVerdict(t *testing.T) {
	for want, r := range map[string]demoReport{
		"":                              {Requests: 5, Counted: 5},
		"1 request failed, the first":   {Requests: 5, Counted: 5, Failed: 1, Why: "reset"},
		"the plugin has counted 4":      {Requests: 5, Counted: 4},
		"2 requests failed, the first ": {Requests: 5, Counted: 3, Failed: 2},
	} {
		if err := r.verdict(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// TestDemoOnTerminal shows requests per second below the steps, and interrupts the demo: the terminal keeps only the steps.
func TestDemoOnTerminal(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds four images; make long runs it")
	}
	built(t)
	t.Setenv("TMPDIR", t.TempDir())
	demo := onTerminal(t, 100, 24, sohostFile, "demo", "--pause", "1s")
	demo.await(`requests/s .*[▁▂▃▄▅▆▇█]`)
	demo.await(`0 failed`)
	demo.await(`change 1, another text: live .* after the save`)
	demo.await(`↑`)
	if err := demo.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	demo.await("\x1b\\[3A\r\x1b\\[Jsohost: the demo was interrupted; nothing of it is left|\x1b\\[3A\r\x1b\\[J.*sohost:.*interrupted")
}
