package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// An environment describes the machine, as far as it matters for what is measured and without naming it.
type environment struct {
	golang, cpu, kernel string
	cores               int
	begin               time.Time
	took                time.Duration
	loads               [2]string // at the beginning and at the end
}

func newEnvironment() *environment {
	return &environment{
		golang: strings.TrimPrefix(output("go", "env", "GOVERSION"), "go"),
		cpu:    cpu(), kernel: output("uname", "-r"), cores: runtime.NumCPU(),
		begin: time.Now(), loads: [2]string{load(), ""},
	}
}

func (e *environment) end() {
	e.took, e.loads[1] = time.Since(e.begin), load()
}

func (e *environment) String() string {
	kernel, _, _ := strings.Cut(e.kernel, "-")
	return fmt.Sprintf("Go %s on linux/%s %s, %d cores of an %s that others load too (load average %s before, %s after), %s; it took %v",
		e.golang, runtime.GOARCH, kernel, e.cores, e.cpu, e.loads[0], e.loads[1], e.begin.UTC().Format("2 January 2006"), e.took.Round(time.Second))
}

func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// cpu returns the model of the processor, with its family and number if the name says little.
func cpu() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	field := func(name string) string {
		for line := range bytes.Lines(info) {
			if key, value, found := strings.Cut(string(line), ":"); found && strings.TrimSpace(key) == name {
				return strings.TrimSpace(value)
			}
		}
		return "unknown"
	}
	return fmt.Sprintf("%s (family %s, model %s)", field("model name"), field("cpu family"), field("model"))
}

// load returns how many threads wanted to run, on average over the last minute.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
