package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sohost/sohost/native"
)

// contents returns rows about what a plugin brings, and how much it takes from the host.
func contents(info *native.Info) [][]string {
	if info.Kind != native.KindPlugin {
		return nil
	}
	if info.Seal == nil || !info.Seal.Slim {
		rows := [][]string{{"contents", "full: all that it uses, but for the packages that it shares with the server"}}
		if info.Seal != nil && info.Seal.WhyFull != "" {
			rows = append(rows, []string{"", "not slim: " + info.Seal.WhyFull})
		}
		return rows
	}
	packages := 0
	for p := range info.TakesByPackage() {
		if p != "" {
			packages++
		}
	}
	rows := [][]string{
		{"contents", fmt.Sprintf("slim: takes %d symbols of %d packages from the server", len(info.Takes), packages)},
		{"", fmt.Sprintf("brings %d private packages, its main package among them", len(info.Seal.Private))},
		{"brings along", orDash(strings.Join(info.Seal.Along, " "))},
	}
	for _, p := range info.Seal.Along {
		if why := info.Seal.WhyAlong[p]; why != "" {
			rows = append(rows, []string{"", p + ": " + why})
		}
	}
	return rows
}

// printTakes prints how many symbols an image takes of each package.
func printTakes(w io.Writer, info *native.Info) error {
	if len(info.Takes) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	counts := info.TakesByPackage()
	var rows [][]string
	for _, p := range slices.Sorted(maps.Keys(counts)) {
		rows = append(rows, []string{orDash(p), strconv.Itoa(counts[p])})
	}
	return table(w, []string{"TAKES OF", "SYMBOLS"}, rows)
}
