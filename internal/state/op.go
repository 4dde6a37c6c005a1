package state

// op is one step of turning a value of one shape into a value of another. Ops form a graph with the same cycles as the types.
type op struct {
	code     opcode
	from, to *shape
	elem     *op // for the target of a pointer, and for the elements of slices, arrays and maps
	key      *op
	fields   []fieldOp
	byField  []*fieldOp // by the giver's fields, when reading a stream
	bad      string     // why the step is refused, if code is opRefuse

	// Names of fields that a struct's step changes, for the report.
	added, removed, renamed []string
}

type fieldOp struct {
	name     string // of the receiver's field
	src, dst uintptr
	index    int // of the giver's field, in the order of its shape
	op       *op
}

// fieldOps returns the steps of a struct's fields by the giver's fields; those that the receiver doesn't have are nil.
func (o *op) fieldOps() []*fieldOp {
	if o.byField == nil {
		o.byField = make([]*fieldOp, len(o.from.fields))
		for i := range o.fields {
			o.byField[o.fields[i].index] = &o.fields[i]
		}
	}
	return o.byField
}

type opcode uint8

const (
	opRefuse    opcode = iota
	opBytes            // the same type without pointers: copied as it is
	opBool             //
	opNumber           // the same or a wider kind of number
	opString           // strings never change, so both sides may refer to the same bytes
	opStd              // a closed type of the standard library: assigned, or through its own encoding
	opLock             // stays zero
	opShare            // the same pointer or channel on both sides
	opPointer          //
	opAddress          // a value becomes a pointer to one
	opDeref            // a pointer becomes the value; nil becomes zero
	opSlice            //
	opArray            //
	opMap              //
	opStruct           //
	opInterface        // its value is copied and keeps its type
)

// follow calls visit once for the op and each op that can be reached from it, with the first path found, in the receiver's
// names.
func (o *op) follow(path string, visit func(o *op, path string)) { o.walk(path, false, visit) }

// mostPlaces bounds the places that everywhere visits: types that hold each other in many ways have more paths than anyone
// reads.
const mostPlaces = 1 << 12

// everywhere calls visit for the op and each op that can be reached from it, at every path that leads there, in the
// receiver's names. A path ends where it would repeat itself.
func (o *op) everywhere(path string, visit func(o *op, path string)) { o.walk(path, true, visit) }

// walk is follow, or everywhere if all paths count.
func (o *op) walk(path string, all bool, visit func(o *op, path string)) {
	seen, places := map[*op]bool{}, 0 // if all paths count, seen are the ops on the present one
	var rec func(o *op, path string)
	rec = func(o *op, path string) {
		if o == nil || seen[o] || all && places == mostPlaces {
			return
		}
		places++
		seen[o] = true
		visit(o, path)
		rec(o.key, path+"[key]")
		switch o.code {
		case opSlice, opArray, opMap:
			rec(o.elem, path+"[]")
		default:
			rec(o.elem, path)
		}
		for _, f := range o.fields {
			rec(f.op, path+"."+f.name)
		}
		if all {
			delete(seen, o)
		}
	}
	rec(o, path)
}
