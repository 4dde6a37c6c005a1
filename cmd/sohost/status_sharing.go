package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sohost/sohost"
)

// printSharing prints which plugins share private packages, each pair once.
func printSharing(w io.Writer, plugins []sohost.PluginStatus) {
	const most = 5 // packages of a pair
	done := map[string]bool{}
	for _, p := range plugins {
		done[p.Name] = true
		for _, s := range p.Shares {
			if done[s.With] {
				continue
			}
			text := strings.Join(s.Packages[:min(most, len(s.Packages))], " ")
			if more := len(s.Packages) - most; more > 0 {
				text += fmt.Sprintf(" and %d more", more)
			}
			fmt.Fprintf(w, "\n%s and %s share, variables included: %s\n", p.Name, s.With, text)
		}
	}
}
