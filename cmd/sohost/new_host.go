package main

import (
	"cmp"
	"path/filepath"

	"github.com/sohost/sohost/internal/build"
)

// contractSteps returns commands that bring the contracts of a program into the module in a directory, and what they are for. The
// program's file has no sources, and which directory it was built from only its author knows.
func contractSteps(dir, program string, contracts []build.Contract) (rows [][]string) {
	in := "go -C " + quoted(dotted(relative(dir)))
	done := map[string]bool{}
	for _, c := range contracts {
		m := cmp.Or(c.Module, c.Package)
		if done[m] {
			continue // of the same module
		}
		done[m] = true
		why := "# " + filepath.Base(program) + " shares " + c.Package + " with its plugins"
		switch {
		case c.Replace != "":
			rows = append(rows, []string{"  " + in + " mod edit -require=" + m + "@" + c.Version + " -replace=" + m + "=" + c.Replace, why})
		case c.Version != "":
			rows = append(rows, []string{"  " + in + " get " + m + "@" + c.Version, why})
		default:
			rows = append(rows, []string{"  " + in + " mod edit -require=" + m + "@v0.0.0 -replace=" + m + "=SOURCE",
				why + "; SOURCE is the directory of " + m + " that it was built from, or a copy of that"})
		}
	}
	if len(rows) > 0 {
		rows = append(rows, []string{"  " + in + " mod tidy", "# once the plugin imports it"})
	}
	return rows
}
