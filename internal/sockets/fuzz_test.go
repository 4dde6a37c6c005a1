package sockets

import (
	"testing"
)

// FuzzKernelAddr reads addresses of the kernel's list of sockets, with any text.
func FuzzKernelAddr(f *testing.F) {
	for _, text := range []string{"0100007F:1F90", "00000000000000000000000001000000:0050", "0000000000000000FFFF00000100007F:FFFF", ":", "0100007F:",
		"0100007F0:1", "0100007F:10000", "-100007F:1", "\xff\xff\xff\xff\xff\xff\xff\xff:1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if a, err := kernelAddr(text); (err == nil) != a.IsValid() || a.Addr().Is4In6() {
			t.Errorf("%q is %v, %v", text, a, err)
		}
	})
}
