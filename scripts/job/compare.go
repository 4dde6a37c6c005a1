package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// limit is how long the last windows may take to be stored.
const limit = time.Minute

// compare waits until what is stored is what was sent, and prints both.
func (j *job) compare(sent *sender) error {
	var stored map[string]total
	for end := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) { // the file has no other sign of a change
		var err error
		if stored, err = readStored(filepath.Join(j.dir, "stored.lp")); err != nil {
			return err
		}
		if maps.Equal(stored, sent.sums) || time.Now().After(end) {
			break
		}
	}
	fmt.Printf("%-12s %12s %12s %14s %14s\n", "table", "points sent", "counted", "sum sent", "sum stored")
	for _, table := range slices.Sorted(maps.Keys(sent.sums)) {
		fmt.Printf("%-12s %12d %12d %14d %14d\n", table, sent.sums[table].points, stored[table].points, sent.sums[table].sum, stored[table].sum)
	}
	fmt.Printf("%d requests had to be sent again\n", sent.tries)
	if !maps.Equal(stored, sent.sums) {
		return errors.New("what is stored isn't what was sent")
	}
	fmt.Println("all sums are exact")
	return nil
}

// readStored adds up what a file of line protocol has. Of rows with the same time and tags the last one counts, as in a database. A line
// without an end is being written.
func readStored(file string) (map[string]total, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	rows := map[string]total{}
	for line := range strings.Lines(string(text)) {
		line, complete := strings.CutSuffix(line, "\n")
		if !complete {
			break
		}
		series, fields, at, ok := cut(line)
		if !ok {
			return nil, fmt.Errorf("%s has %q", file, line)
		}
		row := rows[series+" "+at]
		for field := range strings.SplitSeq(fields, ",") {
			name, value, _ := strings.Cut(field, "=")
			n, err := strconv.ParseInt(strings.TrimSuffix(value, "i"), 10, 64)
			switch {
			case name == "busy_sum" && err == nil:
				row.sum = n
			case name == "busy_count" && err == nil:
				row.points = n
			}
		}
		rows[series+" "+at] = row
	}
	sums := map[string]total{}
	for key, row := range rows {
		table, _, _ := strings.Cut(key, ",")
		table = strings.TrimSuffix(table, "_1s")
		sums[table] = sums[table].plus(row)
	}
	return sums, nil
}

// cut splits a line that has no spaces but those between its parts.
func cut(line string) (series, fields, at string, ok bool) {
	series, rest, _ := strings.Cut(line, " ")
	fields, at, ok = strings.Cut(rest, " ")
	return series, fields, at, ok
}
