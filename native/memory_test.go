package native

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestCool(t *testing.T) {
	child(t, func(t *testing.T) {
		im := mustOpen(t, image("alpha"))
		call(t, im, "Secret")
		before, err := im.Memory()
		if err != nil {
			t.Fatal(err)
		}
		page := int64(os.Getpagesize())
		if want := (im.Info().MemSize + page - 1) &^ (page - 1); before.Mapped != want {
			t.Errorf("%d bytes are mapped, the headers say %d", before.Mapped, want)
		}
		given, err := im.Cool()
		if err != nil {
			t.Fatal(err)
		}
		after, err := im.Memory()
		if err != nil {
			t.Fatal(err)
		}
		if given < before.Resident/2 || before.Resident-after.Resident < given {
			t.Errorf("%d of %d bytes given back, %d left", given, before.Resident, after.Resident)
		}
		if after.PrivateDirty != before.PrivateDirty {
			t.Errorf("%d bytes were written before, %d after", before.PrivateDirty, after.PrivateDirty)
		}
		pages, err := memoryByPage([]*Image{im})
		// The kernel may have made one mapping of its zeroed variables and what is behind them, of which more is in RAM.
		if maps, err2 := memoryByMapping([]*Image{im}); err != nil || err2 != nil || pages[0].Mapped != maps[0].Mapped ||
			maps[0].Resident-pages[0].Resident != maps[0].PrivateDirty-pages[0].PrivateDirty || maps[0].PrivateDirty < pages[0].PrivateDirty {
			t.Errorf("its pages are %+v, %v; its mappings %+v, %v", pages, err, maps, err2)
		}
		// It must run, and know what it knew.
		call(t, im, "Secret")
		if calls, err := Lookup[int](im, "Calls"); err != nil || *calls != 2 {
			t.Errorf("Calls = %d, %v", *calls, err)
		}
		other := mustOpen(t, image("cone"))
		all, err := MemoryOf(other, im)
		if err != nil || len(all) != 2 || all[1].Mapped != before.Mapped || all[0].Resident == 0 {
			t.Errorf("memory of two: %+v, %v", all, err)
		}
	})
}

func TestParseMaps(t *testing.T) {
	const text = `1000-3000 r-xp 00000000 fe:00 7                          /a b.so (deleted)
Rss:                   8 kB
Private_Dirty:         8 kB
VmFlags: rd ex
3000-5000 rw-p 00002000 fe:00 7                          /a b.so (deleted)
Rss:                   4 kB
Anonymous:             4 kB
5000-6000 rw-p 00000000 00:00 0 
Rss:                   4 kB
Anonymous:             4 kB
6000-7000 rw-p 00000000 00:00 0 
Rss:                   4 kB
7000-8000 r--s 00000000 fe:00 9                          /other
Rss:                   4 kB
8000-9000 rw-p 00000000 00:00 0                          [heap]
Swap:                  4 kB
`
	maps, err := parseMaps(strings.NewReader(text), []string{"/a b.so", "/none"})
	if err != nil {
		t.Fatal(err)
	}
	want := []mapping{
		{start: 0x1000, end: 0x3000, readOnly: true, file: true, resident: 8192},
		{start: 0x3000, end: 0x5000, file: true, resident: 4096, changed: 4096},
		{start: 0x5000, end: 0x6000, resident: 4096, changed: 4096},
	}
	got := maps["/a b.so"]
	if len(got) != len(want) || len(maps["/none"]) != 0 {
		t.Fatalf("got %+v", maps)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %+v, want %+v", got[i], want[i])
		}
	}
	if _, err := parseMaps(strings.NewReader("what\n"), nil); err == nil {
		t.Error("no error for what is no map")
	}
}

// TestOfImage: behind a small image anything can be mapped, such as the heap.
func TestOfImage(t *testing.T) {
	page := uintptr(os.Getpagesize())
	file := mapping{start: 10 * page, end: 12 * page, file: true, resident: 2 << 20}
	behind := mapping{start: 12 * page, end: 1000 * page, resident: 500 * int64(page), changed: 400 * int64(page), swapped: 1}
	if got := ofImage([]mapping{file, behind}, 2*int64(page)); !slices.Equal(got, []mapping{file}) {
		t.Errorf("without variables: %+v", got)
	}
	part := mapping{start: 12 * page, end: 13 * page, resident: int64(page), changed: int64(page), swapped: 1}
	if got := ofImage([]mapping{file, behind}, 2*int64(page)+8); !slices.Equal(got, []mapping{file, part}) {
		t.Errorf("with variables: %+v", got)
	}
	if got := ofImage([]mapping{file, part}, 3*int64(page)); !slices.Equal(got, []mapping{file, part}) {
		t.Errorf("with nothing behind them: %+v", got)
	}
}

// TestCoolSmall: a small image isn't even looked for.
func TestCoolSmall(t *testing.T) {
	im := &Image{path: "/none", info: &Info{MemSize: minCool - 1}}
	if n, err := im.Cool(); n != 0 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestMemoryNotMapped(t *testing.T) {
	im := &Image{path: "/none"}
	if _, err := im.Memory(); !errors.Is(err, ErrNotMapped) {
		t.Error(err)
	}
	if _, err := im.Cool(); !errors.Is(err, ErrNotMapped) {
		t.Error(err)
	}
}
