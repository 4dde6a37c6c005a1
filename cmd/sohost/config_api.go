package main

import (
	"slices"
	"strings"

	"github.com/sohost/sohost/internal/adapters"
	"github.com/spf13/cobra"
)

// asAPI is the name of a plugin API.
func asAPI(to *string) value {
	v := asText("api", to, "")
	v.fromFlag = func(text string) error {
		*to = text
		return adapters.Valid(text)
	}
	v.fromTOML = func(p *parser, at keyPath, v any) {
		if s, ok := take[string](p, at, v, wantText); ok {
			if err := adapters.Valid(s); err != nil {
				p.bad(at, "%s: %v", at.last(), err)
			}
			*to = s
		}
	}
	return v
}

// apiFlag adds the flag that names the API of a package.
func apiFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "api", "", "the plugin `API` that the package is written for: "+strings.Join(adapters.Names(), ", ")+
		" (default: from its exported variables)")
	cmd.RegisterFlagCompletionFunc("api", cobra.FixedCompletions(adapters.Names(), cobra.ShellCompDirectiveNoFileComp))
}

// apiNames lists the APIs for a reader.
func apiNames() string {
	names := slices.Clone(adapters.Names())
	for i, name := range names {
		names[i] = "`" + name + "`"
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// asTypedArguments is a table of texts and of other values: numbers, booleans, lists and tables. Each flag adds one text.
func asTypedArguments(texts *map[string]string, values *map[string]any) value {
	v := asArguments(texts)
	*values = nil
	plain := v.fromTOML
	v.kind = "table"
	v.fromTOML = func(p *parser, at keyPath, v any) {
		table, ok := v.(map[string]any)
		if !ok {
			plain(p, at, v) // says what is wrong
			return
		}
		strs := map[string]any{}
		for key, v := range table {
			if _, ok := v.(string); ok || kindOf(v) == "a date or time" {
				strs[key] = v
				continue
			}
			if *values == nil {
				*values = map[string]any{}
			}
			(*values)[key] = v
		}
		plain(p, at, strs)
	}
	return v
}
