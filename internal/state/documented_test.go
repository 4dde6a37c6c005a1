//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

type (
	entry  struct{ hits, last int64 }
	record struct{ hits, last int64 }
	id     int64
	base   struct{ n int64 }

	silent struct{ n int64 }
	loud   struct{ n int64 }

	shapeA interface{ area() float64 }
	shapeB interface{ area() float64 }
)

func (loud) String() string { return "!" }

func types[A, B any]() [2]reflect.Type {
	return [2]reflect.Type{reflect.TypeFor[A](), reflect.TypeFor[B]()}
}

// documented has a pair of types for every row of the table in docs/state.md.
var documented = map[string][2]reflect.Type{
	"nothing":                             types[struct{ e *entry }, struct{ e *record }](),
	"methods added, removed or changed":   types[silent, loud](),
	"a type renamed":                      types[map[string]*entry, map[string]*record](),
	"a named type for its underlying one": types[struct{ n int64 }, struct{ n id }](),
	"field added":                         types[struct{ a int64 }, struct{ a, b int64 }](),
	"field removed":                       types[struct{ a, b int64 }, struct{ a int64 }](),
	"field renamed":                       types[struct{ hits int64 }, struct{ count int64 }](),
	"field renamed, with a tag": types[struct{ hits int64 }, struct {
		count int64 `sohost:"was=hits"`
	}](),
	"fields reordered":                              types[struct{ a, b int64 }, struct{ b, a int64 }](),
	"embedded field becomes a named one":            types[struct{ base }, struct{ base base }](),
	"number widened":                                types[struct{ n int32 }, struct{ n int64 }](),
	"unsigned to a wider signed number":             types[struct{ n uint32 }, struct{ n int64 }](),
	"integer to a float that holds it":              types[struct{ n int32 }, struct{ n float64 }](),
	"number to an atomic one":                       types[struct{ n int64 }, struct{ n atomic.Int64 }](),
	"number narrowed":                               types[struct{ n int64 }, struct{ n int32 }](),
	"unsigned to a signed number as wide":           types[struct{ n uint32 }, struct{ n int32 }](),
	"signed to unsigned":                            types[struct{ n int64 }, struct{ n uint64 }](),
	"integer to a float that rounds it":             types[struct{ n int64 }, struct{ n float64 }](),
	"number to string":                              types[struct{ n int64 }, struct{ n string }](),
	"string to bytes":                               types[struct{ n string }, struct{ n []byte }](),
	"value to pointer":                              types[map[string]entry, map[string]*entry](),
	"pointer to value":                              types[map[string]*entry, map[string]entry](),
	"array made longer":                             types[[4]int64, [8]int64](),
	"array made shorter":                            types[[8]int64, [4]int64](),
	"array to slice":                                types[[4]int64, []int64](),
	"slice to map":                                  types[[]entry, map[string]entry](),
	"map key type changed":                          types[map[string]int64, map[int64]int64](),
	"map key widened":                               types[map[int32]string, map[int64]string](),
	"field added to a struct that is a map key":     types[map[struct{ a string }]int, map[struct{ a, b string }]int](),
	"field removed from a struct that is a map key": types[map[struct{ a, b string }]int, map[struct{ a string }]int](),
	"interface of the plugin's own, with methods":   types[struct{ s shapeA }, struct{ s shapeB }](),
	"function": types[struct {
		e *entry
		f func()
	}, struct {
		e *record
		f func()
	}](),
	"function removed": types[struct {
		e *entry
		f func()
	}, struct{ e *record }](),
	"channel of shared values": types[struct {
		e *entry
		c chan struct{}
	}, struct {
		e *record
		c chan struct{}
	}](),
	"channel of the plugin's own type": types[chan entry, chan record](),
	"mutex added": types[struct{ e *entry }, struct {
		sync.Mutex
		e *record
	}](),
}

func TestDocumentedChanges(t *testing.T) {
	page, err := os.ReadFile("../../docs/state.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, ok := strings.Cut(string(page), "| Change | Example | Outcome |\n")
	if !ok {
		t.Fatal("docs/state.md has no table of changes")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	outcome := map[Way]string{None: "refuse", ByAdoption: "adopt", ByConversion: "convert"}
	rows := regexp.MustCompile(`(?m)^\| ([^|]+) \|[^\n]*\| (\w+)[^|]*\|$`).FindAllStringSubmatch(table, -1)
	for _, row := range rows {
		pair, ok := documented[row[1]]
		if !ok {
			t.Errorf("row %q has no test", row[1])
			continue
		}
		if p := Compare(pair[0], pair[1]); outcome[p.Way] != row[2] {
			t.Errorf("%s: documented as %s, but %v → %v goes by %v\nnot adopted: %v\nreasons: %v",
				row[1], row[2], p.From, p.To, p.Way, p.NotAdopted, p.Reasons)
		}
	}
	if len(rows) != len(documented) {
		t.Errorf("%d rows are documented, %d are tested", len(rows), len(documented))
	}
}
