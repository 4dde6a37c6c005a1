package crash

import (
	"fmt"
	"slices"
	"strings"
)

// Readable returns the stack of a goroutine that panicked, as debug.Stack has it, for who wrote the code: a line for each call, the
// innermost first, with the file relative to the module. Calls in the runtime, in the standard library and in the server are only
// counted, where several follow each other. It returns the output if that is no stack.
func Readable(output, module string) string {
	t := Parse(strings.TrimRight(output, "\n") + "\n")
	if len(t.Goroutines) == 0 || len(t.Goroutines[0].Frames) == 0 {
		return output
	}
	g := t.Goroutines[0]
	frames := g.Frames
	for i, f := range frames { // what comes before is how the stack was taken
		if f.Func == "panic" {
			frames = frames[i+1:]
		}
	}
	if g.CreatedBy.Func != "" {
		frames = append(frames[:len(frames):len(frames)], g.CreatedBy)
	}
	var b strings.Builder
	folded, owners := 0, []string{}
	unfold := func() {
		if folded > 0 && b.Len() > 0 { // the runtime's own calls on the way to the panic say nothing
			fmt.Fprintf(&b, "… %d of %s\n", folded, strings.Join(owners, " and "))
		}
		folded, owners = 0, nil
	}
	for _, f := range frames {
		owner := ownerOf(f.Package)
		if owner == "" {
			unfold()
			fmt.Fprintf(&b, "%s:%d  %s\n", relativeTo(module, f.File), f.Line, plainName(f.Func))
			continue
		}
		if folded++; !slices.Contains(owners, owner) {
			owners = append(owners, owner)
		}
	}
	unfold()
	if b.Len() == 0 {
		return output
	}
	return b.String()
}

const serverModule = "github.com/sohost/sohost"

// ownerOf returns whose package it is: "" if a plugin brings it.
func ownerOf(path string) string {
	first, _, _ := strings.Cut(path, "/")
	switch {
	case privatePath().MatchString(path):
		return ""
	case path == serverModule, strings.HasPrefix(path, serverModule+"/internal/"), strings.HasPrefix(path, serverModule+"/cmd/"):
		return "the server"
	case path == "runtime", strings.HasPrefix(path, "runtime/"), strings.HasPrefix(path, "internal/runtime/"):
		return "the runtime"
	case path != "main" && path != "" && !strings.Contains(first, ".") && !strings.HasPrefix(path, "plugin/unnamed"):
		return "the standard library"
	}
	return ""
}

// privatePath matches the end of the paths that sohost build gives to an image's own packages, also within a function's name.
var privatePath = pattern(`_g[A-Za-z0-9_-]{12}\b`)

// plainName returns a function's name as the sources have it, with the last element of its package's path.
func plainName(name string) string {
	name = privatePath().ReplaceAllString(name, "")
	receiver := strings.IndexAny(name, "([")
	if receiver < 0 {
		receiver = len(name)
	}
	return name[strings.LastIndexByte(name[:receiver], '/')+1:]
}

// relativeTo returns a file as it is called below a module.
func relativeTo(module, file string) string {
	if below, ok := strings.CutPrefix(file, module+"/"); ok && module != "" {
		return below
	}
	return file
}
