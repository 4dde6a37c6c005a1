package native

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// sealed returns the bytes of an image that states that it is sealed, and is.
func sealed(t *testing.T) []byte {
	t.Helper()
	path := copyFile(t, image("alpha"), func(b []byte) []byte {
		return bytes.Replace(b, []byte("build\tCGO_ENABLED=1"), []byte("build\tsohost=sealed"), 1) // as long as that
	})
	if err := SealFile(path, func(pkg string) bool { return strings.HasPrefix(pkg, "example.com/app/p") }, Seal{}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(b []byte) (*Info, error) { return Inspect(bytes.NewReader(b), int64(len(b))) }

func TestSeal(t *testing.T) {
	plain := facts(t, image("alpha"))
	if plain.Seal != nil || plain.marked("example.com/app/private") {
		t.Errorf("a plain image has the seal %+v", plain.Seal)
	}
	b := sealed(t)
	i, err := read(b)
	if err != nil || i.Seal == nil || len(i.Seal.Digest) != 64 || !slices.Equal(i.Seal.Private, []string{"example.com/app/private"}) {
		t.Fatalf("%+v, %v", i.Seal, err)
	}
	path := copyFile(t, image("alpha"), func([]byte) []byte { return b })
	if err := SealFile(path, func(string) bool { return false }, Seal{Slim: true, Along: []string{"b", "a"}}); err != nil {
		t.Fatal(err)
	}
	if i := facts(t, path); len(i.Seal.Private) != 0 || !i.Seal.Slim || !slices.Equal(i.Seal.Along, []string{"a", "b"}) || i.Size >= int64(len(b)) {
		t.Errorf("sealed once more: %+v", i.Seal)
	}
	if err := SealFile(copyFile(t, image("alpha"), func(b []byte) []byte { return b[:1000] }), nil, Seal{}); !errors.Is(err, ErrTruncated) {
		t.Errorf("half an image was sealed: %v", err)
	}
}

// TestSealFindsDamage flips bits, in every byte of the seal and the headers and at random elsewhere.
func TestSealFindsDamage(t *testing.T) {
	b := sealed(t)
	_, at, err := findSeal(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	places := []int{}
	for i := range 64 {
		places = append(places, i)
	}
	for i := int(at); i < len(b); i++ {
		places = append(places, i)
	}
	for range 100 {
		places = append(places, r.IntN(int(at)))
	}
	for _, i := range places {
		bit := byte(1) << r.IntN(8)
		b[i] ^= bit
		if _, err := read(b); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "build or copy it again") {
			t.Errorf("bit %#x of byte %d, with the seal at %d: %v", bit, i, at, err)
		}
		b[i] ^= bit
	}
	zeros := slices.Clone(b)
	clear(zeros[at:])
	if _, err := read(zeros); !errors.Is(err, ErrDamaged) {
		t.Errorf("a seal of zeros: %v", err)
	}
	if _, err := read(append(slices.Clone(b), 0)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte more: %v", err)
	}
	for n := int(at); n < len(b); n++ { // as while it is being written
		if _, err := read(b[:n]); !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes of %d, with the seal at %d: %v", n, len(b), at, err)
		}
	}
	huge := slices.Clone(b)
	binary.LittleEndian.PutUint64(huge[len(huge)-len(sealEnd)-8:], 1<<62)
	if _, err := read(huge); !errors.Is(err, ErrDamaged) {
		t.Errorf("a seal of impossible length: %v", err)
	}
}

// TestMarksAreProven: the path of any package can look like a content-addressed one.
func TestMarksAreProven(t *testing.T) {
	const lookalike = "example.com/app/models_generated_api"
	with := func(s *Seal, secret string) *Info {
		i := clone(facts(t, image("alpha")))
		i.Seal, i.PluginPath = s, "example.com/app/"+secret
		i.Packages[lookalike] = "0123456789abcdef"
		i.Main.Sum = ""
		return i
	}
	self, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	check := func(first, second *Info) error {
		host := &Process{Executable: self.Executable}
		return Check(second, host.With("/first.so", first), Requirements{})
	}
	if err := check(with(nil, "one"), with(nil, "two")); !errors.Is(err, UnprovenPackage) {
		t.Errorf("plain images with different code in %s: %v", lookalike, err)
	}
	if err := check(with(&Seal{Private: []string{lookalike}}, "one"), with(nil, "two")); !errors.Is(err, UnprovenPackage) {
		t.Errorf("a plain image beside a sealed one: %v", err)
	}
	i := with(nil, "one")
	if i.Standard(lookalike) || i.importPath(lookalike) != lookalike {
		t.Errorf("%s of a plain image is taken for %s", lookalike, i.importPath(lookalike))
	}
	i.Seal = &Seal{Private: []string{lookalike}}
	if i.importPath(lookalike) != "example.com/app/models" {
		t.Errorf("%s of a sealed image is taken for %s", lookalike, i.importPath(lookalike))
	}
}
