package native

import (
	"bytes"
	"cmp"
	"debug/elf"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// takes returns the symbols that the file refers to and doesn't define, sorted, without those that belong to no Go package: C libraries
// supply these. The names are parts of one string.
func (t *symbolTable) takes() ([]string, error) {
	var all []byte
	var ends []int
	for b := t.table; len(b) >= t.entry && t.entry == elf.Sym64Size; b = b[t.entry:] {
		order := t.f.ByteOrder
		if elf.SectionIndex(order.Uint16(b[6:])) != elf.SHN_UNDEF || elf.ST_BIND(b[4]) != elf.STB_GLOBAL {
			continue
		}
		name := t.names.at(uint64(order.Uint32(b)))
		if !bytes.ContainsAny(name, ".:") && !runtimeSymbol(string(name)) {
			continue
		}
		all = append(all, name...)
		if ends = append(ends, len(all)); len(all)+16*len(ends) > maxKept {
			return nil, fmt.Errorf("%w: more than %d bytes of names that it doesn't define", ErrMalformed, maxKept)
		}
	}
	if len(ends) == 0 {
		return nil, nil
	}
	names, text, begin := make([]string, 0, len(ends)), string(all), 0
	for _, end := range ends {
		names = append(names, text[begin:end])
		begin = end
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// TakesByPackage returns how many symbols the image takes of each package of the host, by import path. Those of types without a
// package, and of what has no Go name, are counted under "".
func (i *Info) TakesByPackage() map[string]int {
	counts := map[string]int{}
	for _, name := range i.Takes {
		counts[symbolPackage(name)]++
	}
	return counts
}

// symbolPackage returns the import path of the package that a symbol belongs to, or "": that of the function, variable or type that is
// in its name first.
func symbolPackage(name string) string {
	for _, prefix := range []string{"go:link.pkghashbytes.", "go:link.pkghash."} {
		if pkg, ok := strings.CutPrefix(name, prefix); ok {
			return pkg // as it is: these names aren't escaped
		}
	}
	for _, prefix := range []string{"go:itab.", "type:", ".eq.", ".hash.", "namedata:"} {
		name = strings.TrimPrefix(name, prefix)
	}
	name, _, _ = strings.Cut(strings.TrimLeft(name, "*[]"), ",")
	if strings.HasPrefix(name, "go:") {
		return ""
	}
	return functionPackage(name)
}

// maxMissing is how many packages the reasons name of which the host lacks something.
const maxMissing = 12

// supplied compares what the image takes with what the host program has. What other open images define doesn't count: such an image
// could be opened only as long as they are.
func (c *checker) supplied() {
	if len(c.img.Takes) == 0 {
		return
	}
	lacking, err := c.program.lacks(c.img.Takes)
	if err != nil {
		c.add(Reason{Code: MissingSymbols, Want: "a host of which the symbols can be read", Found: err.Error(), Remedy: "try it again"})
		return
	}
	missing := map[string][]string{}
	for _, name := range lacking {
		pkg := symbolPackage(name)
		missing[pkg] = append(missing[pkg], name)
	}
	known := func(pkg string) bool { // another reason explains it
		return slices.ContainsFunc(c.reasons, func(r Reason) bool {
			return r.Code == WrongPackage && (r.Subject == pkg || r.Subject == "std" && c.img.Standard(pkg))
		})
	}
	packages := slices.DeleteFunc(slices.Sorted(maps.Keys(missing)), known)
	if len(packages) > 1 && packages[0] == "" {
		packages = append(packages[1:], "") // names of packages say more
	}
	remedy := "build it for this host, or with --full" // and, once, in more words
	for i, pkg := range packages {
		r := Reason{Code: MissingSymbols, Subject: cmp.Or(pkg, "types without a package"), Want: "a host that has what the slim image leaves to it", Remedy: remedy}
		if r.Found = "one without " + list(missing[pkg]); len(missing[pkg]) > 8 {
			r.Found += fmt.Sprintf(" (%d in all)", len(missing[pkg]))
		}
		if i == 0 {
			r.Remedy = c.missingRemedy(packages)
		}
		if i == maxMissing {
			r.Subject, r.Found = fmt.Sprintf("%d more packages", len(packages)-i), "one without some of each"
		}
		c.add(r)
		if i == maxMissing {
			return
		}
	}
}

// missingRemedy says what to do about an image that takes something of these packages that the host lacks.
func (c *checker) missingRemedy(packages []string) string {
	r := "build it with `sohost build --host HOST`, which brings along what that host lacks, or with --full, which brings everything"
	if c.exe.Packages[stdPath] == "" && slices.ContainsFunc(packages, func(p string) bool { return p != "" && c.img.Standard(p) }) {
		r += fmt.Sprintf("; or have the host import %q", stdPath)
	}
	return r
}

// stdPath is the import path of the package that keeps the standard library in a program.
const stdPath = "github.com/sohost/sohost/native/std"
