//lint:file-ignore U1000 the fields are used through reflection

package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sohost/sohost/abi"
)

type treeItem struct {
	name string
	next *treeItem
}

type treeState struct {
	mu     sync.Mutex
	big    uint64
	small  int64
	f      []float64
	c      complex64
	raw    []byte
	bad    string
	byName map[string]*treeItem
	byID   map[int]string
	odd    map[string]int
	pair   [2]bool
	any    []any
	at     time.Time
	hits   atomic.Int64
	nilM   map[string]int
	a, b   *treeItem
}

func aTree() *treeState {
	x, y := &treeItem{name: "x"}, &treeItem{name: "y"}
	x.next = x
	s := &treeState{
		big: math.MaxUint64, small: math.MinInt64, f: []float64{1.5, math.Inf(-1), 1e300}, c: 1 + 2i, raw: []byte("raw"), bad: "\xff",
		byName: map[string]*treeItem{"x": x}, byID: map[int]string{7: "seven"}, odd: map[string]int{"$ref": 1}, pair: [2]bool{true, false},
		any: []any{"s", true, 2.5, int8(3), []string{"t"}, time.Second, nil}, at: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), a: y, b: y,
	}
	s.hits.Store(5)
	return s
}

// TestTree reads a state without its types, as JSON that says everything, and as text.
func TestTree(t *testing.T) {
	tree, err := ReadTree(bytes.NewReader(encode(t, aTree())), DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := tree.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	var parsed struct {
		State   map[string]json.RawMessage
		Objects map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(got), &parsed); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	for field, want := range map[string]string{
		"big": "18446744073709551615", "small": "-9223372036854775808", "f": `[1.5,"-Inf",1e+300]`, "c": "[1,2]", "raw": `"cmF3"`,
		"bad": `{"$bytes":"/w=="}`, "byID": `[{"key":7,"value":"seven"}]`, "odd": `[{"key":"$ref","value":1}]`, "pair": "[true,false]",
		"any": `["s",true,2.5,{"$type":"int8","value":3},{"$type":"[]string","value":["t"]},{"$type":"time.Duration","value":1000000000},null]`,
		"at":  `"2024-05-06T07:08:09Z"`, "hits": "5", "nilM": "null", "mu": "null",
	} {
		if string(parsed.State[field]) != want {
			t.Errorf("%s is %s, want %s", field, parsed.State[field], want)
		}
	}
	var ref struct {
		Ref string `json:"$ref"`
	}
	if err := json.Unmarshal(parsed.State["a"], &ref); err != nil || string(parsed.State["a"]) != string(parsed.State["b"]) ||
		string(parsed.Objects[ref.Ref]) != `{"name":"y","next":null}` || len(parsed.Objects) != 2 {
		t.Errorf("a is %s, b is %s, of %s", parsed.State["a"], parsed.State["b"], got)
	}
	out.Reset()
	if err := tree.WriteText(&out, TextLimits{Items: 2}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"state:\n  mu: nil\n  big: 18446744073709551615\n", "  f: list of 3\n    [0]: 1.5\n    [1]: -Inf\n    … and 1 more\n",
		"  byName: map of 1\n    \"x\" &", ": the same as &", "  at: 2024-05-06T07:08:09Z\n", "    7: \"seven\"\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, out.String())
		}
	}
}

// TestTreeDeep writes a list that is longer than JSON can be deep.
func TestTreeDeep(t *testing.T) {
	var list *treeItem
	for range 10_000 {
		list = &treeItem{"n", list}
	}
	tree, err := ReadTree(bytes.NewReader(encode(t, list)), DecodeOptions{})
	if err != nil || tree.Objects() != 10_000 {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := tree.WriteJSON(&out); err != nil || !json.Valid(out.Bytes()) || strings.Count(out.String(), `"name"`) != 10_000 {
		t.Errorf("%v, %d bytes", err, out.Len())
	}
	if err := tree.WriteText(io.Discard, TextLimits{Depth: 1 << 20}); err != nil {
		t.Error(err)
	}
}

// TestTreeDamaged reads damaged streams: each is refused, and none costs more memory than the limit.
func TestTreeDamaged(t *testing.T) {
	whole := encode(t, aTree())
	for i := range whole {
		if _, err := ReadTree(bytes.NewReader(whole[:i]), DecodeOptions{}); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut off after %d bytes: %v", i, err)
		}
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0x15
		if _, err := ReadTree(bytes.NewReader(damaged), DecodeOptions{MaxBytes: 1 << 20, MaxMemory: 1 << 20}); err == nil {
			t.Fatalf("changed at %d: it is read", i)
		}
	}
	if _, err := ReadTree(bytes.NewReader(whole), DecodeOptions{MaxMemory: 500}); !errors.Is(err, ErrLimit) {
		t.Errorf("beyond the limit: %v", err)
	}
	if tree, err := ReadTree(bytes.NewReader(encodeState(t, abi.State{Schema: "none", Version: 3})), DecodeOptions{}); err != nil || tree.Type != "" || tree.Version != 3 {
		t.Errorf("no state: %v, %v", tree, err)
	}
}

func encodeState(t *testing.T, s abi.State) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzTree reads anything.
func FuzzTree(f *testing.F) {
	var b bytes.Buffer
	if err := Encode(&b, abi.State{Schema: "s", Version: 1, Value: aTree()}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, stream []byte) {
		tree, err := ReadTree(bytes.NewReader(stream), DecodeOptions{MaxBytes: 1 << 20, MaxMemory: 16 << 20})
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := tree.WriteJSON(&out); err != nil || !json.Valid(out.Bytes()) {
			t.Errorf("%v: %s", err, out.Bytes())
		}
		if err := tree.WriteText(io.Discard, TextLimits{}); err != nil {
			t.Error(err)
		}
	})
}
