// Package clone makes distinct images of one image without building: tests and benchmarks need more of them than can be built. The
// runtime takes each for the image of another plugin. Only their identity differs, not their code; a text in them may, too.
package clone

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// A Cloner makes clones of one image. It must not be used by several goroutines at once.
type Cloner struct {
	image  []byte
	prefix string
	id     string
	rnd    *rand.Rand
	made   map[string]bool
}

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// tail is how many characters at the end of an id make up for its beginning, which is random.
const tail = 8

// New returns a Cloner of an image whose identity is an id of letters and digits behind a prefix. Both stand in the names of its
// symbols and elsewhere. The prefix keeps others that look like the id from being replaced.
func New(image []byte, prefix, id string) (*Cloner, error) {
	if len(id) <= tail || !bytes.Contains(image, []byte(prefix+id)) {
		return nil, fmt.Errorf("the image has no id of more than %d characters that is %q", tail, prefix+id)
	}
	return &Cloner{image, prefix, id, rand.New(rand.NewPCG(1, 2)), map[string]bool{id: true}}, nil
}

// Clone returns one more image and its id. The id has the hash of the first in symbol tables (DT_GNU_HASH), so they stay valid.
// Whatever digests the image has of itself are no longer right.
func (c *Cloner) Clone() (image []byte, id string) {
	for id == "" || c.made[id] {
		id = c.candidate()
	}
	c.made[id] = true
	return bytes.ReplaceAll(c.image, []byte(c.prefix+c.id), []byte(c.prefix+id)), id
}

// candidate returns another id with the hash of the first, or "" if the random beginning has no such end. The hash takes h·33 + c
// for each character c, so the last characters are the digits, in base 33, of what is missing.
func (c *Cloner) candidate() string {
	id := make([]byte, len(c.id)-tail)
	for i := range id {
		id[i] = alphabet[c.rnd.IntN(len(alphabet))]
	}
	missing := hash(c.id) - hash(string(id))*pow33(tail) // modulo 2³²
	// The tail's sum may exceed 2³²: try the multiples that eight characters can reach.
	for multiple := range uint64(20_000) {
		if end := digits33(uint64(missing)+multiple<<32, tail); end != nil {
			return string(append(id, end...))
		}
	}
	return ""
}

func hash(s string) (h uint32) {
	for _, c := range []byte(s) {
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
	for _, c := range []byte(alphabet) {
		if uint64(c) <= n && (n-uint64(c))%33 == 0 {
			if head := digits33((n-uint64(c))/33, length-1); head != nil {
				return append(head, c)
			}
		}
	}
	return nil
}
