package native

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// foreign returns the symbols that can collide. It leaves out those that are meant to be shared: the Go runtime's, the standard
// library's, and what C++ compilers repeat in every file. It also returns the packages that use cgo.
func (i *Info) foreign(s *symbols) (names, packages []string) {
	for _, p := range s.cgo {
		if !i.Standard(p) {
			packages = append(packages, p)
		}
	}
	slices.Sort(packages)
	packages = slices.Compact(packages)
	for _, n := range s.c {
		if hash, ok := wrapper(n); ok {
			// Only the package's variable calls the wrapper; without it nothing does.
			if p := s.cgo[hash]; p != "" && !i.Standard(p) {
				names = append(names, n)
			}
		} else if !runtimeSymbol(n) {
			names = append(names, n)
		}
	}
	return names, packages
}

// runtimeSymbol reports whether a name without a package belongs to the Go runtime, the standard library's assembly, the linker
// or a language runtime. A test compares the list with the sources of the standard library.
func runtimeSymbol(name string) bool {
	switch name {
	case "crosscall1", "crosscall2", "_crosscall2_ptr", "x_crosscall2_ptr", "fatalf", "threadentry", "main", "addMulVVWx",
		"p256IsZero", "p256MulInternal", "p256SqrInternal", "p256SubInternal",
		"_init", "_fini", "_start", "_end", "_edata", "_etext", "__bss_start", "__bss_start__", "__bss_end__", "_bss_end__", "__end__",
		"data_start", "__data_start", "_IO_stdin_used", "__TMC_END__", "__dso_handle":
		return true
	}
	if strings.HasPrefix(name, "_Z") && (strings.Contains(name, "__tsan") || strings.Contains(name, "__sanitizer")) {
		return true // the race detector's
	}
	for _, p := range []string{
		"_cgo_", "x_cgo_", "_rt0_", "expandAVX512_",
		"__tsan_", "__sanitizer_", "__interceptor_", "__ubsan_", "__msan_", "__asan_", "__lsan_",
		"_ZNSt", "_ZNKSt", "_ZSt", "_ZTISt", "_ZTSSt", "_ZTVSt",
	} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// wrapper returns the 12 hexadecimal digits in the name of a function that calls C for a package, which has the form
// _cgo_<hash>_Cfunc_<function>. The runtime's own names, such as _cgo_yield, have none.
func wrapper(name string) (hash string, ok bool) {
	rest, ok := strings.CutPrefix(name, "_cgo_")
	if !ok || len(rest) < 13 || rest[12] != '_' || strings.Trim(rest[:12], "0123456789abcdef") != "" {
		return "", false
	}
	return rest[:12], true
}

// isExported reports whether a name can be used outside its package.
func isExported(name []byte) bool {
	r, _ := utf8.DecodeRune(name)
	return unicode.IsUpper(r)
}
