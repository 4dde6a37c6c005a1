package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/sohost/sohost"
)

// printSharing prints which plugins share private packages. Those that share the same ones with each other are in one line.
func printSharing(w io.Writer, plugins []sohost.PluginStatus) {
	const most = 5 // packages of a pair
	type group struct {
		names []string
		text  string
	}
	var groups []*group
	for _, p := range plugins {
		for _, s := range p.Shares {
			text := strings.Join(s.Packages[:min(most, len(s.Packages))], " ")
			if more := len(s.Packages) - most; more > 0 {
				text += fmt.Sprintf(" and %d more", more)
			}
			// To share a package is to have it with the same content, so whoever shares it with one of them shares it with all.
			i := slices.IndexFunc(groups, func(g *group) bool {
				return g.text == text && (slices.Contains(g.names, p.Name) || slices.Contains(g.names, s.With))
			})
			if i < 0 {
				i = len(groups)
				groups = append(groups, &group{text: text})
			}
			for _, name := range []string{p.Name, s.With} {
				if !slices.Contains(groups[i].names, name) {
					groups[i].names = append(groups[i].names, name)
				}
			}
		}
	}
	for _, g := range groups {
		last := len(g.names) - 1
		fmt.Fprintf(w, "\n%s and %s share, variables included: %s\n", strings.Join(g.names[:last], ", "), g.names[last], g.text)
	}
}
