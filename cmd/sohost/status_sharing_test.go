package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sohost/sohost"
)

// TestPrintSharing prints one line for plugins that share the same packages, however many they are.
func TestPrintSharing(t *testing.T) {
	shares := func(with, pkg string) sohost.Sharing { return sohost.Sharing{With: with, Packages: []string{pkg}} }
	var plugins []sohost.PluginStatus
	for i := range 10 {
		p := sohost.PluginStatus{Name: fmt.Sprint("p", i)}
		for j := range 10 {
			if i != j {
				p.Shares = append(p.Shares, shares(fmt.Sprint("p", j), "keep"))
			}
		}
		plugins = append(plugins, p)
	}
	plugins = append(plugins,
		sohost.PluginStatus{Name: "q", Shares: []sohost.Sharing{shares("r", "keep")}}, // another content of the same path
		sohost.PluginStatus{Name: "r", Shares: []sohost.Sharing{shares("q", "keep")}})
	var out strings.Builder
	printSharing(&out, plugins)
	want := "\np0, p1, p2, p3, p4, p5, p6, p7, p8 and p9 share, variables included: keep\n\nq and r share, variables included: keep\n"
	if out.String() != want {
		t.Errorf("%s, want %s", out.String(), want)
	}
}
