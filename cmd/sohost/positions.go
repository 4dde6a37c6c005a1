package main

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// tablePositions tells where each table of a TOML document begins, as LINE:COLUMN of its first mention, by dotted name. The
// decoder tells positions only of what it refuses itself. The document must be well-formed.
func tablePositions(data []byte) map[string]string {
	at := map[string]string{}
	var p unstable.Parser
	p.Reset(data)
	var table []string
	for p.NextExpression() {
		e := p.Expression()
		var names []string
		if e.Kind == unstable.KeyValue {
			names = append(names, table...)
		}
		for key := e.Key(); key.Next(); {
			node := key.Node()
			names = append(names, string(node.Data))
			name := strings.Join(names, ".")
			if _, known := at[name]; !known {
				start := p.Shape(node.Raw).Start
				at[name] = fmt.Sprintf("%d:%d", start.Line, start.Column)
			}
		}
		if e.Kind != unstable.KeyValue {
			table = names
		}
	}
	return at
}
