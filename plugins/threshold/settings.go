package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sohost/sohost/abi"
	"github.com/sohost/sohost/abi/rows"
)

var arguments = []abi.Arg{
	{Name: "conditions", Help: "limits such as busy>80-WARN, separated by spaces; operators are < <= > >= == !="},
	{Name: "count", Help: "how many rows one after the other must pass a limit before there is an alert", Type: abi.ArgInt, Default: "1"},
	{Name: "cooldown", Help: "how long a series has no second alert of a level and field", Type: abi.ArgDuration, Default: "0s"},
	{Name: "deadman", Help: "after how long without rows a series counts as silent; 0s for never", Type: abi.ArgDuration, Default: "0s"},
	{Name: "into", Help: "the table of the alerts", Default: "alerts"},
}

// settings are the plugin's arguments.
type settings struct {
	conditions        []condition
	count             int
	cooldown, deadman time.Duration
	into              string
}

// condition is a limit of a field.
type condition struct {
	text, field, operator, limit, level string
}

func readSettings(args map[string]string) (s settings, err error) {
	for _, text := range strings.Fields(args["conditions"]) {
		c, err := parseCondition(text)
		if err != nil {
			return s, err
		}
		s.conditions = append(s.conditions, c)
	}
	s.count, s.into = 1, "alerts"
	if text, given := args["count"]; given {
		if s.count, err = strconv.Atoi(text); err != nil || s.count < 1 {
			return s, fmt.Errorf("argument count = %q: want a number from 1 on", text)
		}
	}
	for name, d := range map[string]*time.Duration{"cooldown": &s.cooldown, "deadman": &s.deadman} {
		if text, given := args[name]; given {
			if *d, err = time.ParseDuration(text); err != nil || *d < 0 {
				return s, fmt.Errorf("argument %s = %q: want a duration such as 5m", name, text)
			}
		}
	}
	if args["into"] != "" {
		s.into = args["into"]
	}
	if len(s.conditions) == 0 && s.deadman == 0 {
		return s, errors.New("there is nothing to check: give conditions, deadman or both")
	}
	return s, nil
}

// parseCondition reads a condition such as busy>80-WARN.
func parseCondition(text string) (condition, error) {
	at := strings.IndexAny(text, "<>=!")
	dash := strings.LastIndex(text, "-")
	if at > 0 && dash > at {
		for _, operator := range []string{"<=", ">=", "==", "!=", "<", ">"} {
			limit, found := strings.CutPrefix(text[at:dash], operator)
			if found && limit != "" && dash+1 < len(text) {
				return condition{text, text[:at], operator, limit, text[dash+1:]}, nil
			}
		}
	}
	return condition{}, fmt.Errorf("argument conditions has %q: want FIELD, one of < <= > >= == !=, a value, and -LEVEL, as in busy>80-WARN", text)
}

// met reports whether a row's value passes the limit. Numbers are compared as numbers, all else as text.
func (c condition) met(column *abi.Column, row int) bool {
	order := strings.Compare(rows.Text(column, row), c.limit)
	if value, is := rows.Float(column, row); is {
		limit, err := strconv.ParseFloat(c.limit, 64)
		switch {
		case err != nil:
			return c.operator == "!="
		case value < limit:
			order = -1
		case value > limit:
			order = 1
		default:
			order = 0
		}
	}
	switch c.operator {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case ">=":
		return order >= 0
	case "==":
		return order == 0
	}
	return order != 0
}
