package slim

import (
	"slices"
	"strings"

	"github.com/sohost/sohost/internal/goobj"
)

// walk follows references from symbol to symbol, as the linker does to find what is reachable.
type walk struct {
	host    *Host
	library *library
	along   map[string]bool   // escaped paths
	why     map[string]string // by import path
	defined *defined          // in packages that are in the image
	needed  map[name]string
	seen    map[*goobj.Object]*seen
	layouts map[place]bool // type descriptors of which the linker reads where the pointers are
	todo    []place
	from    *goobj.Object // of the symbol whose references are being followed
}

// bring adds a package to the image.
func (w *walk) bring(path, why string) error {
	if w.along[path] {
		return nil
	}
	p := w.library.packages[path]
	if isRuntime(path) {
		return w.stays(p.Path, why, "the runtime")
	}
	archive, err := w.library.open(path)
	if err != nil {
		return err
	}
	if archive.HasC && !p.Own {
		return w.stays(p.Path, why, "packages with C code")
	}
	w.along[path] = true
	if !p.Own {
		w.why[p.Path] = why
	}
	inittask := path + "..inittask"
	for n, at := range definitions(archive) {
		reached := false
		for other := range w.defined.of(n) {
			reached = reached || w.sawOf(other.object).symbols[other.index]
		}
		w.defined.add(n, at)
		// C code may refer to anything. What counted as the host's is the image's from now on.
		_, needed := w.needed[n]
		if needed {
			delete(w.needed, n)
		}
		if needed || reached || archive.HasC || n.text == inittask {
			w.push(at)
		}
	}
	return nil
}

// seen says which symbols of an object were reached, and which references to others were followed from anywhere in it. Most are repeated
// many times, and following one again would come to the same.
type seen struct {
	symbols  []bool
	followed [2][]bool // the second for references that can't be to the host
}

func (w *walk) sawOf(o *goobj.Object) *seen {
	s := w.seen[o]
	if s == nil {
		s = &seen{symbols: make([]bool, o.Defined())}
		for i := range s.followed {
			s.followed[i] = make([]bool, o.Symbols())
		}
		w.seen[o] = s
	}
	return s
}

func (w *walk) push(at place) {
	if s := w.sawOf(at.object); !s.symbols[at.index] {
		s.symbols[at.index] = true
		w.todo = append(w.todo, at)
	}
}

// pushAll pushes all definitions of a symbol, and reports whether there are any. Which of them the linker takes, it decides, and packages
// need not have compiled the same function alike: what one inlines is a call in another.
func (w *walk) pushAll(n name) (found bool) {
	for at := range w.defined.of(n) {
		w.push(at)
		found = true
	}
	return found
}

func (w *walk) run() error {
	for len(w.todo) > 0 {
		at := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		w.from = at.object
		saw := w.sawOf(at.object)
		for r := range at.object.Relocs(at.index) {
			if err := w.follow(at.object, saw, r); err != nil {
				return err
			}
		}
		if ref, ok := at.object.GoType(at.index); ok && at.object.Symbol(at.index).Kind.HasPointers() {
			if err := w.layout(at.object, ref.Index); err != nil {
				return err
			}
		}
	}
	return nil
}

// follow follows one relocation.
func (w *walk) follow(o *goobj.Object, saw *seen, r goobj.Reloc) error {
	local := 0
	switch r.Type {
	case goobj.RelocUseType, goobj.RelocUseIfaceMethod, goobj.RelocUseNamedMethod:
		return nil
	case goobj.RelocAddrOffset, goobj.RelocMethodOffset:
		local = 1
	case goobj.RelocAddrOffset | goobj.Weak:
		return nil
	}
	switch i := r.To.Index; {
	case i == goobj.None:
		return nil
	case i == goobj.Foreign:
		return &Unslim{"a package refers to another by the indices of symbols: it was compiled for full images"}
	case i < o.Defined() && !o.Named(i):
		w.push(place{o, i})
		return nil
	case saw.followed[local][i]:
		return nil
	default:
		saw.followed[local][i] = true
		s := o.Symbol(i)
		return w.visit(name{s.Name, s.ABI}, local == 1)
	}
}

// visit follows a reference by name. A local one can't be to the host.
func (w *walk) visit(n name, local bool) error {
	if w.pushAll(n) {
		return nil
	}
	if _, ok := w.needed[n]; ok && !local {
		return nil
	}
	theirs, err := w.theirs(n)
	if err != nil {
		return err
	}
	if theirs != "" && (!local || isRoot(n)) {
		w.needed[n] = theirs
		return nil
	}
	if strings.HasSuffix(n.text, "..inittask") {
		return nil // the host has initialised its packages, and has none of this one if there is nothing to initialise
	}
	path, err := w.library.find(n)
	if err != nil {
		return err
	}
	if path == "" {
		return nil // it is the linker's own, or C code's
	}
	why := "the host lacks " + n.text
	if theirs != "" {
		why = "the image needs its own " + n.text
	}
	if err := w.bring(path, why); err != nil {
		return err
	}
	w.pushAll(n)
	return nil
}

// isRoot reports whether a name is one of those that the linker asks for by itself.
func isRoot(n name) bool {
	return strings.HasPrefix(n.text, "runtime.") || n.text == "type:runtime.moduledata"
}

// theirs returns the name under which the host has a symbol, or "" if it hasn't. Of functions that exist for both ABIs, the linker
// gives those for ABI0 a suffix (cmd/link, mangleABIName).
func (w *walk) theirs(n name) (string, error) {
	text := mangled(n.text)
	s, ok := w.host.symbol(text)
	if n.abi != goobj.ABI0 {
		if ok && isFunction(s) {
			return text, nil
		}
		return "", nil
	}
	if _, ok := w.host.symbol(text + ".abi0"); ok {
		return text + ".abi0", nil
	}
	if !ok || !isFunction(s) || strings.HasPrefix(text, typePrefix) {
		if ok {
			return text, nil
		}
		return "", nil
	}
	// If there is a function for the other ABI, the host's is that one.
	path, err := w.library.find(n)
	if path == "" || err != nil {
		return text, err
	}
	if other, err := w.library.defines(path, name{n.text, goobj.ABIInternal}); other || err != nil {
		return "", err
	}
	return text, nil
}

// layout makes sure that the linker can read where a type has pointers. It asks for that of the types of variables, and so of the
// types that arrays and structs consist of.
func (w *walk) layout(o *goobj.Object, i int) error {
	if i < 0 {
		return nil
	}
	s := o.Symbol(i)
	n := name{s.Name, s.ABI}
	at, ok := w.defined.first(n) // descriptors of a type are all alike
	if !ok {
		if err := w.visit(n, false); err != nil {
			return err
		}
		if at, ok = w.defined.first(n); !ok {
			return nil
		}
	}
	if w.layouts[at] {
		return nil
	}
	w.layouts[at] = true
	if data := at.object.Data(at.index); len(data) <= kindOffset || !isComposite(data) {
		return nil
	}
	for r := range at.object.Relocs(at.index) {
		if r.Type != goobj.RelocAddr || r.To.Index < 0 || !isDescriptor(at.object.Symbol(r.To.Index).Name) {
			continue
		}
		if err := w.layout(at.object, r.To.Index); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) result() *Closure {
	c := &Closure{Why: w.why, needed: w.needed, library: w.library}
	for path, p := range w.library.packages {
		if w.along[path] {
			c.Along = append(c.Along, p.Path)
		} else {
			c.Shared = append(c.Shared, p.Path)
		}
	}
	slices.Sort(c.Along)
	slices.Sort(c.Shared)
	return c
}
