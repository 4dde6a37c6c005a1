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
	return either(names)
}

// either lists alternatives for a reader.
func either(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
