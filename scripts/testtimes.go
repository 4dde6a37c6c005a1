//go:build ignore

// Testtimes runs "go test -json" with its arguments, prints what go test prints without -json, and then how much time each
// package and the slowest tests took. It exits as go test does. $GO may name another go command.
//
//	go run scripts/testtimes.go -trimpath ./...
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const slowest = 15 // tests that are listed

// event is a line of go test -json; see go doc test2json.
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64 // in seconds
	Output  string
}

// took is how long a package or a test ran.
type took struct {
	name    string
	seconds float64
}

func main() {
	cmd := exec.Command(cmp.Or(os.Getenv("GO"), "go"), append([]string{"test", "-json"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testtimes:", err)
		os.Exit(1)
	}
	var packages, tests []took
	output := map[[2]string]string{} // of what hasn't passed, by package and test
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		var e event
		if json.Unmarshal([]byte(line), &e) != nil {
			fmt.Print(line)
			continue
		}
		key := [2]string{e.Package, e.Test}
		switch e.Action {
		case "build-output":
			fmt.Print(e.Output)
		case "output":
			// Without -v there is none of these.
			if !strings.HasPrefix(e.Output, "=== ") && (e.Test != "" || e.Output != "PASS\n") {
				output[key] += e.Output
			}
		case "pass", "skip", "fail":
			if e.Action == "fail" || e.Test == "" {
				fmt.Print(output[key])
			}
			delete(output, key)
			if e.Test == "" {
				packages = append(packages, took{e.Package, e.Elapsed})
			} else if !strings.Contains(e.Test, "/") {
				tests = append(tests, took{e.Test + " of " + e.Package, e.Elapsed})
			}
		}
	}
	for _, left := range output { // go test was ended in the middle of it
		fmt.Print(left)
	}
	err = cmd.Wait()
	fmt.Println("\nseconds by package:")
	list(packages, len(packages))
	fmt.Printf("\nseconds of the %d slowest tests, some of which ran beside others:\n", slowest)
	list(tests, slowest)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		os.Exit(max(exit.ExitCode(), 1))
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "testtimes:", err)
		os.Exit(1)
	}
}

// list prints the n that took longest, and nothing of those that took no time.
func list(all []took, n int) {
	slices.SortFunc(all, func(a, b took) int { return cmp.Compare(b.seconds, a.seconds) })
	for _, t := range all[:min(n, len(all))] {
		if t.seconds >= 0.05 {
			fmt.Printf("%7.1f  %s\n", t.seconds, t.name)
		}
	}
}
