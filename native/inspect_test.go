package native

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSplitVersion(t *testing.T) {
	for version, want := range map[string][2]string{
		"go1.26.8": {"go1.26.8", ""}, "go1.26.8-X:a,b": {"go1.26.8", "a,b"}, "go1.25 X:a": {"go1.25", "a"}, "X:a": {"", "a"}, "": {"", ""},
		"go1.26.8-distro": {"go1.26.8-distro", ""},
	} {
		if release, experiments := splitVersion(version); release != want[0] || experiments != want[1] {
			t.Errorf("%s: %q and %q", version, release, experiments)
		}
	}
}

func TestInspectPlugin(t *testing.T) {
	i := facts(t, image("alpha"))
	if i.Kind != KindPlugin || i.OS != "linux" || i.Arch != runtime.GOARCH || i.PluginPath != "example.com/app/alpha" || i.Isolated {
		t.Errorf("%+v", i)
	}
	if i.Toolchain != strings.Fields(runtime.Version())[0] || i.Settings["-buildmode"] != "plugin" ||
		i.Main.Path != "example.com/app" {
		t.Errorf("%+v", i)
	}
	if want := []string{"Calls", "Plugin", "Secret"}; !slices.Equal(i.Symbols, want) {
		t.Errorf("symbols: %v", i.Symbols)
	}
	hash := regexp.MustCompile(`^[0-9a-f]{16}$`)
	for _, p := range []string{"example.com/app/alpha", "example.com/app/contract", "example.com/app/private", "runtime"} {
		if !hash.MatchString(i.Packages[p]) {
			t.Errorf("hash of %s: %q", p, i.Packages[p])
		}
	}
	if len(i.CSymbols) != 0 || len(i.CPackages) != 0 {
		t.Errorf("C symbols without C: %v of %v", i.CSymbols, i.CPackages)
	}
	musl := func(l string) bool { return strings.Contains(l, "musl") }
	if !slices.Contains(i.Libraries, "libc.so.6") && !slices.ContainsFunc(i.Libraries, musl) {
		t.Errorf("libraries: %v", i.Libraries)
	}
	if again := facts(t, image("alpha")); !reflect.DeepEqual(i, again) {
		t.Error("a second reading differs")
	}

	i = facts(t, image("first"))
	if !i.Isolated || i.PluginPath != "example.com/app/first_g0123456789ab" || !slices.Equal(i.Symbols, []string{"Runs"}) {
		t.Errorf("%+v", i)
	}

	i = facts(t, image("cone"))
	if !slices.Contains(i.CSymbols, "answer") || !slices.Equal(i.CPackages, []string{"example.com/app/cone"}) {
		t.Errorf("C symbols: %v of %v", i.CSymbols, i.CPackages)
	}
	for _, s := range i.CSymbols {
		if s != "answer" && !strings.HasSuffix(s, "_Cfunc_answer") {
			t.Errorf("C symbol %s is not the plugin's", s)
		}
	}
}

func TestInspectKinds(t *testing.T) {
	dir := filepath.Dir(image("alpha"))
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		kind Kind
	}{
		{exe, KindGoExecutable},
		{filepath.Join(dir, "tool"), KindGoExecutable},
		{image("alpha"), KindPlugin},
		// Nothing but the table of dynamic symbols makes a plugin one.
		{copyFile(t, image("alpha"), func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("go:link.pkghashbytes."), []byte("go:link.pkghashbytes_"))
		}), KindGoShared},
		{copyFile(t, image("alpha"), func(b []byte) []byte {
			binary.LittleEndian.PutUint16(b[16:], uint16(elf.ET_CORE))
			return b
		}), KindOther},
		{copyFile(t, image("alpha"), func(b []byte) []byte {
			binary.LittleEndian.PutUint16(b[16:], uint16(elf.ET_REL))
			return b
		}), KindObject},
	} {
		if i := facts(t, c.path); i.Kind != c.kind {
			t.Errorf("%s is %s, want %s", c.path, i.Kind, c.kind)
		}
	}
	tiny := tinyELF()
	i, err := Inspect(bytes.NewReader(tiny), int64(len(tiny)))
	if err != nil || i.Kind != KindPlugin || i.PluginPath != "a/b" || i.Toolchain != "go1.26.8" ||
		!slices.Equal(i.CSymbols, []string{"f"}) {
		t.Errorf("the smallest plugin: %+v, %v", i, err)
	}
	tiny = bytes.ReplaceAll(tiny, []byte(" Go buildinf:"), []byte(" no buildinf:"))
	i, err = Inspect(bytes.NewReader(tiny), int64(len(tiny)))
	if err != nil || i.Kind != KindCLibrary || !slices.Equal(i.Libraries, []string{"liba.so"}) {
		t.Errorf("a C library: %+v, %v", i, err)
	}
}

func TestInspectArchitecture(t *testing.T) {
	path := copyFile(t, image("alpha"), func(b []byte) []byte {
		binary.LittleEndian.PutUint16(b[18:], uint16(elf.EM_AARCH64))
		if runtime.GOARCH == "arm64" {
			binary.LittleEndian.PutUint16(b[18:], uint16(elf.EM_X86_64))
		}
		return b
	})
	i := facts(t, path)
	if i.Arch == runtime.GOARCH || i.Kind != KindPlugin {
		t.Errorf("%+v", i)
	}
	if _, err := Open(t.Context(), path); !errors.Is(err, WrongPlatform) {
		t.Errorf("Open: %v", err)
	}
}

// The dynamic loader maps a cut file and dies at the first page that isn't there.
func TestInspectTruncated(t *testing.T) {
	b, err := os.ReadFile(image("alpha"))
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{4, 63, 64, 65, len(b) * 39 / 100, len(b) - 1}
	for p := range 100 {
		sizes = append(sizes, len(b)*p/100)
	}
	for _, n := range sizes {
		_, err := Inspect(bytes.NewReader(b[:n]), int64(n))
		if want := map[bool]error{true: ErrEmpty, false: ErrTruncated}[n == 0]; !errors.Is(err, want) {
			t.Errorf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	path := copyFile(t, image("alpha"), func(b []byte) []byte { return b[:len(b)*39/100] })
	if _, err := Open(t.Context(), path); !errors.Is(err, ErrTruncated) {
		t.Errorf("Open: %v", err)
	}
}

func TestInspectOtherFiles(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := unix.Mkfifo(path("pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", path("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, text := range map[string]string{"empty": "", "script": "#!/bin/sh\n", "short": "\x7fEL", "other": "\x7fELG"} {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		path string
		want error
	}{
		{dir, ErrNotRegular},
		{path("pipe"), ErrNotRegular},
		{path("socket"), ErrNotRegular},
		{"/dev/null", ErrNotRegular},
		{"/dev/zero", ErrNotRegular},
		{path("empty"), ErrEmpty},
		{path("script"), ErrNotELF},
		{path("short"), ErrTruncated},
		{path("other"), ErrNotELF},
		{path("none"), os.ErrNotExist},
	} {
		done := make(chan error, 1)
		go func() {
			_, err := InspectFile(c.path)
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.path, err, c.want)
			}
		case <-time.After(time.Minute):
			t.Errorf("%s: blocks", c.path)
		}
	}
}

// A file of some megabytes must not take gigabytes or minutes.
func TestInspectHostile(t *testing.T) {
	names := bytes.Repeat([]byte{'a'}, 8<<20)
	symbols := make([]byte, 8<<20)
	for i := 0; i+elf.Sym64Size <= len(symbols); i += elf.Sym64Size {
		binary.LittleEndian.PutUint32(symbols[i:], uint32(i%1000))
		symbols[i+4] = byte(elf.STB_GLOBAL)<<4 | byte(elf.STT_FUNC)
		symbols[i+6] = 1
	}
	short := slices.Clone(names)
	for i := 2000; i < len(short); i += 4000 {
		short[i] = 0
	}
	for _, c := range []struct {
		name string
		file []byte
	}{
		{"overlapping names without an end", fileOf(section{elf.SHT_DYNSYM, 0, 2, symbols}, section{elf.SHT_STRTAB, 0, 0, names})},
		{"overlapping names", fileOf(section{elf.SHT_DYNSYM, 0, 2, symbols}, section{elf.SHT_STRTAB, 0, 0, short})},
		{"compressed symbols", fileOf(section{elf.SHT_DYNSYM, elf.SHF_COMPRESSED, 2, symbols}, section{elf.SHT_STRTAB, 0, 0, names})},
		{"strings out of range", fileOf(section{elf.SHT_DYNSYM, 0, 99, symbols})},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			_, err := Inspect(bytes.NewReader(c.file), int64(len(c.file)))
			runtime.ReadMemStats(&after)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
			if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 256<<20 {
				t.Errorf("allocated %d MB", bytes>>20)
			}
			if err != nil && !errors.Is(err, ErrMalformed) {
				t.Error(err)
			}
		})
	}
	huge := tinyELF()
	binary.LittleEndian.PutUint16(huge[60:], 0) // the number of sections stands elsewhere
	if _, err := Inspect(bytes.NewReader(huge), int64(len(huge))); !errors.Is(err, ErrMalformed) {
		t.Errorf("unbounded number of sections: %v", err)
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(tinyELF())
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := Inspect(bytes.NewReader(b), int64(len(b)))
		if (i == nil) == (err == nil) {
			t.Fatalf("%v, %v", i, err)
		}
		if err != nil {
			return
		}
		again, err := Inspect(bytes.NewReader(b), int64(len(b)))
		if err != nil || !reflect.DeepEqual(i, again) {
			t.Fatal("a second reading differs")
		}
		// Whatever it says of itself, it can be judged.
		Check(i, &Process{Executable: i, Loaded: []Loaded{{Info: i}}}, Requirements{Symbol: "Plugin", Shared: []string{"a"}})
	})
}

// section is one of a file that fileOf makes.
type section struct {
	typ   elf.SectionType
	flags elf.SectionFlag
	link  uint32
	data  []byte
}

// tinyELF is a file that has what makes a Go plugin of package a/b, and nothing else.
func tinyELF() []byte {
	names := "\x00liba.so\x00go:link.pkghashbytes.a/b\x00a/b.main\x00a/b.Plugin\x00a/b._cgo_0123456789ab_Cfunc_f\x00f\x00"
	var symbols, dynamic, build bytes.Buffer
	for _, name := range strings.Split(names, "\x00")[2:7] {
		binary.Write(&symbols, binary.LittleEndian, elf.Sym64{
			Name: uint32(strings.Index(names, name+"\x00")), Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC), Shndx: 1, Value: 0x40})
	}
	binary.Write(&dynamic, binary.LittleEndian, []uint64{uint64(elf.DT_NEEDED), 1, 0, 0})
	frame := strings.Repeat("-", 15)
	text := "go1.26.8"
	module := frame + "-" + "path\ta/b\nmod\ta\t(devel)\t\nbuild\t-buildmode=plugin\n" + "-" + frame
	build.WriteString("\xff Go buildinf:\x08\x02" + strings.Repeat("\x00", 16))
	for _, part := range []string{text, module} {
		build.WriteByte(byte(len(part))) // a varint, if below 128
		build.WriteString(part)
	}
	return fileOf(
		section{elf.SHT_DYNSYM, 0, 2, symbols.Bytes()},
		section{elf.SHT_STRTAB, 0, 0, []byte(names)},
		section{elf.SHT_DYNAMIC, 0, 2, dynamic.Bytes()},
		section{elf.SHT_PROGBITS, 0, 0, build.Bytes()})
}

// fileOf makes a file of sections, all of which are mapped at their offset.
func fileOf(sections ...section) []byte {
	names := "\x00.s\x00.go.buildinfo\x00"
	sections = append(append([]section{{}}, sections...), section{typ: elf.SHT_STRTAB, data: []byte(names)})
	var body, table, file bytes.Buffer
	const head = 64 + 56
	for i, s := range sections {
		for (head+body.Len())%16 != 0 {
			body.WriteByte(0)
		}
		off := uint64(head + body.Len())
		h := elf.Section64{
			Name: min(1, uint32(i)), Type: uint32(s.typ), Flags: uint64(s.flags), Link: s.link,
			Addr: off, Off: off, Size: uint64(len(s.data)),
		}
		if s.typ == elf.SHT_PROGBITS {
			h.Name = uint32(strings.Index(names, ".go.buildinfo"))
		}
		binary.Write(&table, binary.LittleEndian, h)
		body.Write(s.data)
	}
	h := elf.Header64{Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Ehsize: 64,
		Phoff: 64, Phentsize: 56, Phnum: 1,
		Shoff: uint64(head + body.Len()), Shentsize: 64, Shnum: uint16(len(sections)), Shstrndx: uint16(len(sections) - 1)}
	copy(h.Ident[:], elf.ELFMAG)
	h.Ident[elf.EI_CLASS], h.Ident[elf.EI_DATA], h.Ident[elf.EI_VERSION] = byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1
	size := uint64(head + body.Len() + table.Len())
	binary.Write(&file, binary.LittleEndian, h)
	binary.Write(&file, binary.LittleEndian, elf.Prog64{Type: uint32(elf.PT_LOAD), Filesz: size, Memsz: size})
	file.Write(body.Bytes())
	file.Write(table.Bytes())
	return file.Bytes()
}
