package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sohost/sohost/internal/adapter"
	"github.com/sohost/sohost/internal/routes"
)

// asList is a list of texts, nil if it isn't given; each flag adds one. check returns a text as it is stored; dir is the directory of
// sohost.toml, or "" for a flag. A text that can't be used leaves "" in its place, so that indexes are those of the file.
func asList(kind string, to *[]string, check func(dir, text string) (string, error)) value {
	*to = nil
	return value{
		kind: kind,
		fromTOML: func(p *parser, at keyPath, v any) {
			list, ok := take[[]any](p, at, v, "a list")
			if !ok {
				return
			}
			*to = make([]string, len(list))
			for i, v := range list {
				at := at.with(strconv.Itoa(i))
				text, ok := v.(string)
				if !ok {
					p.bad(at, "%s: want strings in quotes, not %s", at.last(), kindOf(v))
					continue
				}
				text, err := check(p.dir, text)
				if err != nil {
					p.bad(at, "%s: %v", at.last(), err)
					continue
				}
				(*to)[i] = text
			}
		},
		fromFlag: func(text string) error {
			text, err := check("", text)
			if err == nil {
				*to = append(*to, text)
			}
			return err
		},
	}
}

// asNames is a list of names. What isn't one is found when it is looked up.
func asNames(to *[]string) value {
	return asList("list of names", to, func(_, name string) (string, error) { return name, nil })
}

// asRoutes is a list of URL paths.
func asRoutes(to *[]string) value {
	return asList("list of paths", to, func(_, route string) (string, error) {
		_, err := routes.Clean(route)
		return route, err
	})
}

// asSecrets is a list of texts that aren't empty.
func asSecrets(to *[]string) value {
	return asList("list", to, func(_, text string) (string, error) {
		if text == "" {
			return "", errors.New("want strings that aren't empty")
		}
		return text, nil
	})
}

// asPaths is a list of names of files, as asPath is one.
func asPaths(to *[]string) value {
	return asList("list of paths", to, func(dir, name string) (string, error) {
		if name == "" {
			return "", errors.New("want names of files that aren't empty")
		}
		return absoluteTo(dir, name), nil
	})
}

// wantArguments is what arguments are.
const wantArguments = `a table such as { step = "1" }`

// asArguments is a table of texts. Each flag adds one, which it gives as KEY=VALUE.
func asArguments(to *map[string]string) value {
	*to = nil
	return value{
		kind: "table of strings", initial: "none",
		fromTOML: func(p *parser, at keyPath, v any) {
			table, _ := take[map[string]any](p, at, v, wantArguments)
			for key, v := range table {
				if s, ok := take[string](p, at.with(key), v, wantText); ok {
					put(to, key, s)
				}
			}
		},
		fromFlag: func(text string) error {
			key, text, _ := strings.Cut(text, "=")
			put(to, key, text)
			return nil
		},
	}
}

// asTypedArguments is a table of texts and of other values: numbers, booleans, lists and tables. Each flag adds one text.
func asTypedArguments(texts *map[string]string, values *map[string]any) value {
	*values = nil
	return value{
		kind: "table", initial: "none", fromFlag: asArguments(texts).fromFlag,
		fromTOML: func(p *parser, at keyPath, v any) {
			table, _ := take[map[string]any](p, at, v, wantArguments)
			for key, v := range table {
				at := at.with(key)
				switch v.(type) {
				case bool, int64, float64, []any, map[string]any:
					if err := adapter.CheckValue(v); err != nil {
						p.bad(at, "%s: %v", at.last(), err)
						continue
					}
					put(values, key, v)
				default:
					if s, ok := take[string](p, at, v, wantText); ok {
						put(texts, key, s)
					}
				}
			}
		},
	}
}

func put[T any](to *map[string]T, key string, v T) {
	if *to == nil {
		*to = map[string]T{}
	}
	(*to)[key] = v
}

// asTables is tables [KEY.NAME], each of which read takes. shape stands for the name in messages.
func asTables(shape string, read func(p *parser, at keyPath, name string, given map[string]any)) value {
	return value{fromTOML: func(p *parser, at keyPath, v any) {
		want := fmt.Sprintf("tables [%s.%s]", at.last(), shape)
		tables, ok := v.(map[string]any)
		if !ok {
			p.bad(at, "want %s, not %s", want, kindOf(v))
		}
		for _, name := range slices.Sorted(maps.Keys(tables)) {
			at := at.with(name)
			given, ok := tables[name].(map[string]any)
			if !ok {
				p.bad(at, "want %s, not %s", want, kindOf(tables[name]))
				continue
			}
			read(p, at, name, given)
		}
	}}
}

// asNamed is tables by the names of plugins, sinks or databases.
func asNamed[T any](to map[string]T, read func(p *parser, at keyPath, name string, given map[string]any) T) value {
	return asTables("NAME", func(p *parser, at keyPath, name string, given map[string]any) {
		if err := checkName(at[0], name); err != nil {
			p.bad(at, "%v", err)
		}
		to[name] = read(p, at, name, given)
	})
}

// checked returns what reads a table of the settings that bind stores. check has the faults of the whole, and calls bad with the key, or
// "", for each.
func checked[T any](bind func(*T) []setting, check func(t *T, bad func(key, text string))) func(*parser, keyPath, string, map[string]any) T {
	return func(p *parser, at keyPath, name string, given map[string]any) (t T) {
		if !p.table(at, given, bind(&t)) { // the values of faults are zero by now, and no second fault
			return t
		}
		check(&t, func(key, text string) {
			if key == "" {
				p.bad(at, "%s %s: %s", at[0], name, text)
				return
			}
			p.bad(at.with(key), "%s: %s", key, text)
		})
		return t
	}
}
