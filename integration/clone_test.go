package integration

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sohost/sohost/native"
)

// cloner makes distinct images of one isolated image without building: it puts another content id of twelve characters in
// the place of the plugin's own, wherever it stands. The new one has the same GNU hash, so that the symbol tables stay valid.
type cloner struct {
	image []byte
	id    []byte
	rnd   *rand.Rand
	made  map[string]bool
	seal  native.Seal // of the image
}

const idAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// isolatedPath is what the private packages of an isolated image look like.
var isolatedPath = regexp.MustCompile(`_g[A-Za-z0-9_]{12}$`)

// newCloner clones the image of the main package with that import path.
func newCloner(t testing.TB, image, mainPackage string) *cloner {
	t.Helper()
	b, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(regexp.QuoteMeta(mainPackage) + `_g([A-Za-z0-9_]{12})`).FindSubmatch(b)
	if m == nil {
		t.Fatalf("%s is not an isolated image of %s", image, mainPackage)
	}
	info, err := native.InspectFile(image)
	if err != nil {
		t.Fatal(err)
	}
	return &cloner{seal: *info.Seal, image: b, id: m[1], rnd: rand.New(rand.NewPCG(1, 2)), made: map[string]bool{string(m[1]): true}}
}

// clone writes one more image.
func (c *cloner) clone(t testing.TB) string {
	t.Helper()
	for {
		id := c.candidate()
		if id == nil || c.made[string(id)] {
			continue
		}
		c.made[string(id)] = true
		file := filepath.Join(t.TempDir(), fmt.Sprintf("clone-%s.so", id))
		if err := os.WriteFile(file, bytes.ReplaceAll(c.image, append([]byte("_g"), c.id...), append([]byte("_g"), id...)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := native.SealFile(file, isolatedPath.MatchString, c.seal); err != nil {
			t.Fatal(err)
		}
		return file
	}
}

// candidate returns another id with the hash of the first, or nil if the random beginning has no such end. The hash of the GNU
// symbol table takes h·33 + c for each character c, so the last characters are the digits, in base 33, of what is missing.
func (c *cloner) candidate() []byte {
	const tail = 8
	id := make([]byte, len(c.id)-tail)
	for i := range id {
		id[i] = idAlphabet[c.rnd.IntN(len(idAlphabet))]
	}
	missing := gnuHash(c.id) - gnuHash(id)*pow33(tail) // modulo 2³²
	// The tail's sum may exceed 2³²: try the multiples that eight characters can reach.
	for multiple := range uint64(20_000) {
		if end := digits33(uint64(missing)+multiple<<32, tail); end != nil {
			return append(id, end...)
		}
	}
	return nil
}

func gnuHash(b []byte) (h uint32) {
	for _, c := range b {
		h = h*33 + uint32(c)
	}
	return h
}

func pow33(n int) uint32 {
	p := uint32(1)
	for range n {
		p *= 33
	}
	return p
}

// digits33 writes n as a sum of c·33^i with characters of the alphabet, the last character first, or returns nil.
func digits33(n uint64, length int) []byte {
	if length == 0 {
		if n == 0 {
			return []byte{}
		}
		return nil
	}
	for _, c := range []byte(idAlphabet) {
		if uint64(c) <= n && (n-uint64(c))%33 == 0 {
			if head := digits33((n-uint64(c))/33, length-1); head != nil {
				return append(head, c)
			}
		}
	}
	return nil
}
