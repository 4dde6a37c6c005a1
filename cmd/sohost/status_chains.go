package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/sohost/sohost"
)

// printChains prints which plugins serve which route one after the other.
func printChains(w io.Writer, all []sohost.ChainStatus) error {
	if len(all) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	var rows [][]string
	for _, c := range all {
		way := c.Plugins
		if c.Backend != "" {
			way = append(way[:len(way):len(way)], c.Backend)
		}
		rows = append(rows, []string{c.Route, strings.Join(way, " → ")})
	}
	return table(w, []string{"ROUTE", "CHAIN"}, rows)
}
