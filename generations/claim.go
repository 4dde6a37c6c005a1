//go:build amd64 && !race && go1.26 && !go1.28

package generations

import (
	"reflect"
	"sort"
	"sync/atomic"
	"unsafe"
)

// claims says that a lease may be a word that the caller's processor has claimed; else all are counted.
//
// A locked addition takes 10 to 30 times as long as a plain one, and a lease that is counted has two. What makes them necessary is that goroutines on
// several processors write the same memory, and that a caller must not ask whether the generation is barred before others see its lease.
// So, instead:
//
//   - A shard has words that only one processor claims, P in the terms of the Go runtime: the one whose ID is the shard's index. It looks
//     for one that is 0 and sets it to 1. In between no other goroutine runs on it, because claim is an assembly function, which the
//     runtime never preempts. Whoever has the lease sets the word to 0, on whatever processor that is: plain stores become visible in
//     their order here, so all that was done with the lease comes first.
//   - The caller may look at the shard before others see its word. It is the drain that waits, in fence, until all processors' stores are
//     visible: after that either it sees the word or the caller sees that the generation is barred. This is the asymmetric form of
//     Dekker's algorithm, as in Dice, Huang and Yang: Asymmetric Dekker Synchronization, 2001.
//
// A caller that finds no word free, or no shard of its processor's, is counted. So are all callers until the process has registered for
// the fence; under the race detector, which knows nothing of the order of plain stores; on arm64, where they have none; and with a Go
// release that this was not tried with.
const claims = true

// thread and processor are the offsets, in the runtime's structs g and m, of a goroutine's thread and a thread's processor. While
// processor is 0, claim finds no word.
var thread, processor uintptr

// claim loads the generation that a slot's current points to, and claims a word of the shard whose index is the ID of the processor that
// the caller runs on. ok says whether that is a lease now, or else came too late, and must be taken back. The word is nil if the slot is
// empty, or there is no such shard, or none of its words is free.
//
//go:noescape
func claim(current unsafe.Pointer) (h hold, ok bool)

// allowClaims lets claim find words, if the runtime's structs are as it knows them. fence must work by then.
func allowClaims() {
	g, m, p := runtimeStruct("g"), runtimeStruct("m"), runtimeStruct("p")
	ofG, ok1 := offset(g, "m", reflect.Pointer)
	ofM, ok2 := offset(m, "p", reflect.Uintptr)
	if id, ok := offset(p, "id", reflect.Int32); ok && ok1 && ok2 && ofM > 0 && id == 0 {
		atomic.StoreUintptr(&thread, ofG)
		atomic.StoreUintptr(&processor, ofM) // claim asks for it first
	}
}

func offset(of reflect.Type, field string, kind reflect.Kind) (offset uintptr, ok bool) {
	if of == nil {
		return 0, false
	}
	f, ok := of.FieldByName(field)
	return f.Offset, ok && f.Type.Kind() == kind
}

// runtimeStruct returns a struct type of the runtime's by its description, which is in every program that allocates one; else nil.
func runtimeStruct(name string) reflect.Type {
	name = "*runtime." + name
	sections, offsets := typelinks()
	if len(sections) == 0 { // the first is the program's own
		return nil
	}
	types := offsets[0] // of pointers and the like, sorted by their names
	typeAt := func(i int) reflect.Type {
		pointer := [2]unsafe.Pointer{unsafe.Add(sections[0], types[i]), nil} // an interface with that type
		return reflect.TypeOf(*(*any)(unsafe.Pointer(&pointer)))
	}
	first := sort.Search(len(types), func(i int) bool { return typeAt(i).String() >= name })
	for i := first; i < len(types) && typeAt(i).String() == name; i++ { // of any package runtime
		if t := typeAt(i).Elem(); t.PkgPath() == "runtime" && t.Kind() == reflect.Struct {
			return t
		}
	}
	return nil
}

//go:linkname typelinks reflect.typelinks
func typelinks() (sections []unsafe.Pointer, offsets [][]int32)
