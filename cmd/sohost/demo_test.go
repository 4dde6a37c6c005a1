package main

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"regexp"
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

// TestDemoLeavesNothing ends a demo in the middle, by the end of its terminal and by that of whoever reads: server and files go with it.
func TestDemoLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds two images; make long runs it")
	}
	built(t)
	for name, end := range map[string]func(*exec.Cmd, *os.File){
		"terminal": func(demo *exec.Cmd, _ *os.File) { demo.Process.Signal(syscall.SIGHUP) },
		"reader":   func(_ *exec.Cmd, reads *os.File) { reads.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			tmp := t.TempDir()
			reads, writes, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer reads.Close()
			demo := exec.Command(sohostFile, "demo", "--pause", "10ms")
			demo.Env, demo.Stdout = append(os.Environ(), "TMPDIR="+tmp), writes
			if err := demo.Start(); err != nil {
				t.Fatal(err)
			}
			writes.Close()
			defer demo.Process.Kill()
			address := ""
			for lines := bufio.NewScanner(reads); address == "" && lines.Scan(); {
				if at := regexp.MustCompile(`serving at http://([^/]+)/`).FindStringSubmatch(lines.Text()); at != nil {
					address = at[1]
				}
			}
			end(demo, reads)
			if err := demo.Wait(); err == nil || demo.ProcessState.ExitCode() != 1 {
				t.Errorf("it ends with %v", err)
			}
			if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
				t.Errorf("it leaves %v, %v", left, err)
			}
			if c, err := net.Dial("tcp", address); err == nil {
				c.Close()
				t.Errorf("its server still listens on %s", address)
			}
		})
	}
}
