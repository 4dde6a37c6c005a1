package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sohost/sohost"
)

// printSharing prints which plugins share private packages.
func printSharing(w io.Writer, shared []sohost.Sharing) {
	const most = 5 // packages of a line
	for _, s := range shared {
		text := strings.Join(s.Packages[:min(most, len(s.Packages))], " ")
		if more := len(s.Packages) - most; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		last := len(s.Plugins) - 1
		fmt.Fprintf(w, "\n%s and %s share, variables included: %s\n", strings.Join(s.Plugins[:last], ", "), s.Plugins[last], text)
	}
}
