package state

import (
	"bufio"
	"encoding"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// WriteJSON writes the whole tree as JSON: an object with the fields "state" and, if anything is referred to in more than one
// place or lies too deep, "objects". docs/state.md describes the form for users:
//
//   - a struct is an object of its fields, a pointer is what it points to, nil is null
//   - an integer has all its digits; NaN and the infinities are strings; a complex number is an array of two
//   - a []byte is a string, base64; a string that isn't UTF-8 is {"$bytes": base64}
//   - a map with strings as keys is an object; any other is an array of {"key": …, "value": …}
//   - what an interface holds is {"$type": …, "value": …}, except for strings, booleans and float64
//   - a type of the standard library is its text; if it has none, {"$type": …, "$bytes": base64}
//   - {"$ref": "7"} stands for the field "7" of "objects"
func (t *Tree) WriteJSON(w io.Writer) error {
	j := &treeJSON{Writer: bufio.NewWriterSize(w, 64<<10), tree: t, listed: map[int]bool{}}
	j.WriteString(`{"state":`)
	j.value(t.root, 0)
	for i := 0; i < len(j.queue); i++ { // grows meanwhile
		if j.WriteByte(','); i == 0 {
			j.WriteString(`"objects":{`)
		}
		j.text(strconv.Itoa(j.queue[i]))
		j.WriteByte(':')
		j.value(t.objects[j.queue[i]].content, 0)
	}
	if len(j.queue) > 0 {
		j.WriteByte('}')
	}
	j.WriteString("}\n")
	return j.Flush()
}

// deepest is how many objects lie inside each other in the JSON before the next ones go to the list of objects: a reader of
// JSON may have a limit, and a linked list has none.
const deepest = 64

type treeJSON struct {
	*bufio.Writer // keeps the first error, which Flush returns
	tree          *Tree
	queue         []int // objects that are written in the list
	listed        map[int]bool
}

func (j *treeJSON) value(x any, depth int) {
	switch x := x.(type) {
	case nil:
		j.WriteString("null")
	case bool:
		j.WriteString(strconv.FormatBool(x))
	case int64:
		j.WriteString(strconv.FormatInt(x, 10))
	case uint64:
		j.WriteString(strconv.FormatUint(x, 10))
	case float64:
		j.float(x)
	case string:
		j.text(x)
	case []byte:
		j.WriteString(`{"$bytes":`)
		j.base64(x)
		j.WriteByte('}')
	case treeComplex:
		j.WriteByte('[')
		j.float(real(x))
		j.WriteByte(',')
		j.float(imag(x))
		j.WriteByte(']')
	case treeArray:
		j.list(len(x), func(i int) { j.value(x[i], depth) })
	case treeStruct:
		j.WriteByte('{')
		for i, f := range x.shape.fields {
			if i > 0 {
				j.WriteByte(',')
			}
			j.text(f.name)
			j.WriteByte(':')
			j.value(x.fields[i], depth)
		}
		j.WriteByte('}')
	case treeMap:
		j.entries(x, depth)
	case treeStd:
		j.std(x)
	case treeDynamic:
		j.dynamic(x, depth)
	case treeRef:
		j.ref(int(x), depth)
	}
}

func (j *treeJSON) list(n int, item func(i int)) {
	j.WriteByte('[')
	for i := range n {
		if i > 0 {
			j.WriteByte(',')
		}
		item(i)
	}
	j.WriteByte(']')
}

// ref writes an object in place, if this is the only reference to it and it doesn't lie too deep.
func (j *treeJSON) ref(i, depth int) {
	o := j.tree.objects[i]
	if o.refs == 1 && depth < deepest {
		if b, ok := o.content.([]byte); ok && o.shape.kind == reflect.Slice {
			j.base64(b)
			return
		}
		j.value(o.content, depth+1)
		return
	}
	if !j.listed[i] {
		j.listed[i] = true
		j.queue = append(j.queue, i)
	}
	j.WriteString(`{"$ref":"` + strconv.Itoa(i) + `"}`)
}

// entries writes a map. Names that begin with $ are the form's own.
func (j *treeJSON) entries(m treeMap, depth int) {
	plain := true
	for _, k := range m.keys {
		s, ok := k.(string)
		plain = plain && ok && !strings.HasPrefix(s, "$")
	}
	if !plain {
		j.list(len(m.keys), func(i int) {
			j.WriteString(`{"key":`)
			j.value(m.keys[i], depth)
			j.WriteString(`,"value":`)
			j.value(m.elems[i], depth)
			j.WriteByte('}')
		})
		return
	}
	j.WriteByte('{')
	for i, k := range m.keys {
		if i > 0 {
			j.WriteByte(',')
		}
		j.text(k.(string))
		j.WriteByte(':')
		j.value(m.elems[i], depth)
	}
	j.WriteByte('}')
}

func (j *treeJSON) dynamic(x treeDynamic, depth int) {
	switch x.value.(type) {
	case string, bool:
		if x.name == "string" || x.name == "bool" {
			j.value(x.value, depth)
			return
		}
	case float64:
		if x.name == "float64" {
			j.value(x.value, depth)
			return
		}
	}
	j.WriteString(`{"$type":`)
	j.text(x.name)
	j.WriteString(`,"value":`)
	j.value(x.value, depth)
	j.WriteByte('}')
}

func (j *treeJSON) std(x treeStd) {
	if text, ok := x.text(); ok {
		j.text(text)
		return
	}
	j.WriteString(`{"$type":`)
	j.text(x.name)
	j.WriteString(`,"$bytes":`)
	j.base64(x.b)
	j.WriteByte('}')
}

// text returns the text form of a closed type that this program knows.
func (x treeStd) text() (text string, ok bool) {
	t := typeOf(&shape{kind: stdKind, name: x.name}, 0)
	if t == nil {
		return "", false
	}
	c := codecOf(t)
	v := reflect.New(t)
	if c == nil || c.unmarshal(v.UnsafePointer(), x.b) != nil {
		return "", false
	}
	m, ok := v.Interface().(encoding.TextMarshaler)
	if !ok {
		return "", false
	}
	b, err := m.MarshalText()
	return string(b), err == nil
}

func (j *treeJSON) text(s string) {
	b, err := json.Marshal(s)
	if err != nil { // a string can always be marshalled
		b = []byte(`""`)
	}
	j.Write(b)
}

func (j *treeJSON) base64(b []byte) {
	j.WriteByte('"')
	e := base64.NewEncoder(base64.StdEncoding, j.Writer)
	e.Write(b)
	e.Close()
	j.WriteByte('"')
}

func (j *treeJSON) float(x float64) {
	switch {
	case math.IsNaN(x):
		j.WriteString(`"NaN"`)
	case math.IsInf(x, 1):
		j.WriteString(`"+Inf"`)
	case math.IsInf(x, -1):
		j.WriteString(`"-Inf"`)
	default:
		j.WriteString(strconv.FormatFloat(x, 'g', -1, 64))
	}
}
