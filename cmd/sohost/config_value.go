package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is a variable of the configuration: its type, and how it is read from sohost.toml and from a flag. The functions
// that make one also set the variable to its default.
type value struct {
	kind     string // the type, as --help and the reference name it
	initial  string // the default, as a person would write it
	fromTOML func(p *parser, at keyPath, v any)
	fromFlag func(text string) error
}

const (
	wantText     = "a string in quotes"
	wantNumber   = "a whole number"
	wantBoolean  = "true or false"
	wantDuration = `a duration such as "10s"`
)

// take returns a decoded value if it has the type T, and reports it as a fault otherwise.
func take[T any](p *parser, at keyPath, v any, want string) (T, bool) {
	t, ok := v.(T)
	if !ok {
		p.bad(at, "%s: want %s, not %s", at.last(), want, kindOf(v))
	}
	return t, ok
}

func asText(kind string, to *string, initial string) value {
	*to = initial
	return value{
		kind: kind, initial: initial,
		fromTOML: func(p *parser, at keyPath, v any) {
			if s, ok := take[string](p, at, v, wantText); ok {
				*to = s
			}
		},
		fromFlag: func(text string) error { *to = text; return nil },
	}
}

// asPath is the name of a file. In sohost.toml a relative one is relative to the directory of sohost.toml.
func asPath(kind string, to *string) value {
	v := asText(kind, to, "")
	plain := v.fromTOML
	v.fromTOML = func(p *parser, at keyPath, v any) {
		plain(p, at, v)
		if *to != "" {
			*to = absoluteTo(p.dir, *to)
		}
	}
	return v
}

// absoluteTo returns the path of a file that is named in sohost.toml.
func absoluteTo(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func asNumber(to *int, initial int) value {
	*to = initial
	return value{
		kind: "number", initial: strconv.Itoa(initial),
		fromTOML: func(p *parser, at keyPath, v any) {
			if n, ok := take[int64](p, at, v, wantNumber); ok {
				*to = int(n)
			}
		},
		fromFlag: func(text string) error {
			n, err := strconv.ParseInt(text, 0, strconv.IntSize)
			if err != nil {
				return errors.New("want " + wantNumber)
			}
			*to = int(n)
			return nil
		},
	}
}

// atLeast refuses smaller numbers.
func atLeast(least int, v value, to *int) value {
	toml, flag := v.fromTOML, v.fromFlag
	fault := fmt.Errorf("want %d or more", least)
	v.fromTOML = func(p *parser, at keyPath, v any) {
		before := *to
		if toml(p, at, v); *to < least {
			p.bad(at, "%s: %v, not %d", at.last(), fault, *to)
			*to = before
		}
	}
	v.fromFlag = func(text string) error {
		if err := flag(text); err != nil || *to >= least {
			return err
		}
		return fault
	}
	return v
}

func asBytes(to *int, initial int) value {
	v := asNumber(to, initial)
	v.kind, v.initial = "bytes", strings.Replace(size(int64(initial)), ".0", "", 1)
	return v
}

func asBoolean(to *bool) value {
	*to = false
	return value{
		kind: "bool", initial: "false",
		fromTOML: func(p *parser, at keyPath, v any) {
			if b, ok := take[bool](p, at, v, wantBoolean); ok {
				*to = b
			}
		},
		fromFlag: func(text string) error {
			b, err := strconv.ParseBool(text)
			if err != nil {
				return errors.New("want " + wantBoolean)
			}
			*to = b
			return nil
		},
	}
}

// asDuration is a positive duration.
func asDuration(to *time.Duration, initial time.Duration) value {
	*to = initial
	return value{
		kind: "duration", initial: plainDuration(initial),
		fromTOML: func(p *parser, at keyPath, v any) {
			s, ok := take[string](p, at, v, wantDuration)
			if !ok {
				return
			}
			d, err := time.ParseDuration(s)
			if err != nil || d <= 0 {
				p.bad(at, "%s: want %s, not %q", at.last(), wantDuration, s)
				return
			}
			*to = d
		},
		fromFlag: func(text string) error {
			d, err := time.ParseDuration(text)
			if err != nil || d <= 0 {
				return errors.New("want a positive duration such as 10s")
			}
			*to = d
			return nil
		},
	}
}

// asDelay is a duration that may be 0.
func asDelay(to *time.Duration, initial time.Duration) value {
	v := asDuration(to, initial)
	plain, flag := v.fromTOML, v.fromFlag
	v.fromTOML = func(p *parser, at keyPath, v any) {
		if text, is := v.(string); is && isZero(text) {
			*to = 0
			return
		}
		plain(p, at, v)
	}
	v.fromFlag = func(text string) error {
		if isZero(text) {
			*to = 0
			return nil
		}
		return flag(text)
	}
	return v
}

// isZero reports whether a text is a duration of 0.
func isZero(text string) bool {
	d, err := time.ParseDuration(text)
	return err == nil && d == 0
}

// asInterval is a duration, or off: then it is negative, as package sohost wants it. A flag may be negative as well.
func asInterval(to *time.Duration, initial time.Duration) value {
	v := asDuration(to, initial)
	plain := v.fromTOML
	v.fromTOML = func(p *parser, at keyPath, v any) {
		if v == "off" {
			*to = -1
			return
		}
		plain(p, at, v)
	}
	v.fromFlag = func(text string) error {
		if text == "off" {
			text = "-1ns"
		}
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("want a duration such as 10s, or off")
		}
		*to = d
		return nil
	}
	return v
}

// asOneOf is one of two words.
func asOneOf[T ~string](kind string, to *T, initial T, words [2]T) value {
	*to = initial
	set := func(s string) error {
		if !slices.Contains(words[:], T(s)) {
			return fmt.Errorf("want %q or %q, not %q", words[0], words[1], s)
		}
		*to = T(s)
		return nil
	}
	return value{
		kind: kind, initial: string(initial), fromFlag: set,
		fromTOML: func(p *parser, at keyPath, v any) {
			s, ok := take[string](p, at, v, wantText)
			if !ok {
				return
			}
			if err := set(s); err != nil {
				p.bad(at, "%s: %v", at.last(), err)
			}
		},
	}
}

// kindOf describes a decoded value.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a decimal point"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}

// plainDuration returns a duration without the zero minutes and seconds of its String method.
func plainDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
