package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
)

var arguments = []abi.Arg{
	{Name: "window", Help: "length of a window; windows begin at multiples of it since 1970 UTC", Type: abi.ArgDuration, Default: "1m"},
	{Name: "late", Help: "how long after its end a window takes rows", Type: abi.ArgDuration, Default: "5m"},
	{Name: "calculations", Help: "what to compute, separated by spaces: " + calculationNames, Default: "avg"},
	{Name: "fields", Help: "the fields to take, separated by spaces; all that hold numbers if none is named"},
	{Name: "suffix", Help: "what the emitted table's name has after that of the source", Default: "_ and the window"},
}

// settings are the plugin's arguments.
type settings struct {
	window, late time.Duration
	calculations []string
	detailed     bool     // one of them needs details
	fields       []string // empty for all
	suffix       string   // empty for one that names the window
}

func readSettings(args map[string]string) (s settings, err error) {
	s.window, err = positive(args, "window", time.Minute)
	if err != nil {
		return s, err
	}
	if s.late, err = positive(args, "late", 5*time.Minute); err != nil {
		return s, err
	}
	s.calculations = strings.Fields(args["calculations"])
	if len(s.calculations) == 0 {
		s.calculations = []string{"avg"}
	}
	for _, name := range s.calculations {
		c, is := calculationOf(name)
		if !is {
			return s, fmt.Errorf("argument calculations has %q: want some of %s", name, calculationNames)
		}
		s.detailed = s.detailed || c.detailed != nil
	}
	s.fields = strings.Fields(args["fields"])
	s.suffix = args["suffix"]
	return s, nil
}

// suffixOf returns the suffix for windows of a length.
func (s settings) suffixOf(window int64) string {
	if s.suffix != "" {
		return s.suffix
	}
	return "_" + shortened(time.Duration(window))
}

func positive(args map[string]string, name string, otherwise time.Duration) (time.Duration, error) {
	text, given := args[name]
	if !given {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("argument %s = %q: want a duration such as 1m", name, text)
	}
	return d, nil
}

// shortened returns a duration without the zeros at its end: 1m instead of 1m0s.
func shortened(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (s settings) wants(field string) bool {
	return len(s.fields) == 0 || slices.Contains(s.fields, field)
}
