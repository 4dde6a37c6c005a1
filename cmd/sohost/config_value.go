package main

import (
	"strconv"
	"time"
)

// setting takes the value of one key.
type setting func(p *parser, at keyPath, v any)

// take is a value of the type that it has to be.
func take[T any](p *parser, at keyPath, v any, want string) (T, bool) {
	t, ok := v.(T)
	if !ok {
		p.bad(at, "%s: want %s, not %s", at.last(), want, kindOf(v))
	}
	return t, ok
}

func asText(to *string, check func(string) error) setting {
	return func(p *parser, at keyPath, v any) {
		s, ok := take[string](p, at, v, "a text in quotes")
		if !ok {
			return
		}
		if check != nil {
			if err := check(s); err != nil {
				p.bad(at, "%s: %v", at.last(), err)
				return
			}
		}
		*to = s
	}
}

func asWhole(to *int) setting {
	return func(p *parser, at keyPath, v any) {
		if n, ok := take[int64](p, at, v, "a whole number"); ok {
			*to = int(n)
		}
	}
}

func asTruth(to *bool) setting {
	return func(p *parser, at keyPath, v any) {
		if b, ok := take[bool](p, at, v, "true or false"); ok {
			*to = b
		}
	}
}

func asDuration(to *time.Duration) setting {
	const want = `a duration such as "10s"`
	return func(p *parser, at keyPath, v any) {
		s, ok := take[string](p, at, v, want)
		if !ok {
			return
		}
		d, err := time.ParseDuration(s)
		if err != nil || d <= 0 {
			p.bad(at, "%s: want %s, not %q", at.last(), want, s)
			return
		}
		*to = d
	}
}

// asInterval is asDuration, or "off" for what doesn't happen at all.
func asInterval(to *time.Duration) setting {
	return func(p *parser, at keyPath, v any) {
		if v == "off" {
			*to = -1
			return
		}
		asDuration(to)(p, at, v)
	}
}

func asList(to *[]string, check func(string) error) setting {
	return func(p *parser, at keyPath, v any) {
		values, ok := take[[]any](p, at, v, "a list")
		*to = []string{}
		for i, v := range values {
			if _, isText := v.(string); ok && !isText {
				p.bad(at.with(strconv.Itoa(i)), "%s: want texts in quotes, not %s", at.last(), kindOf(v))
				continue
			}
			var s string
			asText(&s, check)(p, at.with(strconv.Itoa(i)), v)
			*to = append(*to, s)
		}
	}
}

func asArgs(to *map[string]string) setting {
	return func(p *parser, at keyPath, v any) {
		values, _ := take[map[string]any](p, at, v, `a table such as { step = "1" }`)
		*to = map[string]string{}
		for key, v := range values {
			var s string
			asText(&s, nil)(p, at.with(key), v)
			(*to)[key] = s
		}
	}
}

// kindOf describes a decoded value.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a text"
	case int64:
		return "a whole number"
	case float64:
		return "a number with a point"
	case bool:
		return "true or false"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return "a date or time"
}
