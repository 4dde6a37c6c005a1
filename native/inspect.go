package native

import (
	"debug/buildinfo"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Inspect reads the facts of an image of size bytes. It runs nothing, and its memory use is bounded whatever the bytes are. It reads
// all bytes of a sealed image. The errors are those of the reader, ErrEmpty, ErrNotELF, ErrTruncated, ErrMalformed and ErrDamaged.
// A file that isn't a Go plugin is not an error: see Info.Kind.
func Inspect(r io.ReaderAt, size int64) (*Info, error) {
	return inspectVerified(r, size, true)
}

// inspectVerified is Inspect, which reads all of the file only if whole is set.
func inspectVerified(r io.ReaderAt, size int64, whole bool) (*Info, error) {
	// The seal comes first: of a damaged image, the headers are the wrong place to look for the reason.
	seal, _, err := findSeal(r, size)
	if err == nil && seal != nil && whole {
		err = seal.verify(r, size)
	}
	if err != nil {
		return nil, err
	}
	i, err := inspect(r, size, seal)
	if err == nil {
		i.Seal = seal
	}
	return i, err
}

// inspect reads the facts of an image with that seal.
func inspect(r io.ReaderAt, size int64, seal *Seal) (*Info, error) {
	f, err := readELF(r, size)
	if err != nil {
		return nil, err
	}
	i := &Info{OS: "linux", Arch: goarch(f), Size: size, MemSize: f.memSize(), Seal: seal}
	isGo := i.readBuild(r)
	if seal == nil && i.Settings[SealedSetting] == SealedValue {
		return nil, f.unsealed()
	}

	table, err := f.symbolTable()
	if err != nil {
		return nil, err
	}
	syms, err := table.read()
	if err != nil {
		return nil, err
	}
	i.Libraries = syms.libraries
	i.Packages = syms.packages
	i.PluginPath = i.pluginPath(syms.mains)
	i.Kind = f.kind(isGo, i)
	if i.Kind == KindPlugin {
		i.Faults = f.faults()
		if i.Takes, err = table.takes(); err != nil {
			return nil, err
		}
	} else {
		i.PluginPath = ""
	}
	i.Isolated = i.marked(i.PluginPath)
	if i.PluginPath != "" {
		if i.Symbols, err = table.exported(i.PluginPath); err != nil {
			return nil, err
		}
	}
	if isGo {
		i.CSymbols, i.CPackages = i.foreign(syms)
	}
	if i.CanLoadPlugins() {
		if i.Contracts, i.ContractsFault, err = table.contracts(); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// InspectFile inspects the file at path. If that isn't a regular file, the error matches ErrNotRegular; InspectFile never blocks. An
// error that isn't about access to the file is a *FileError.
func InspectFile(path string) (*Info, error) {
	i, file, err := inspectFile(path, true)
	if err == nil && i.Kind == KindPlugin {
		opened.recent.remember(file, i)
	}
	return i, err
}

// inspectFile also returns the identity of the file that was read. It reads all of the file only if whole is set.
func inspectFile(path string, whole bool) (*Info, os.FileInfo, error) {
	// Without O_NONBLOCK, opening a pipe would wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) { // a socket, or a missing device
		return nil, nil, &FileError{path, ErrNotRegular}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("inspect image: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("inspect image: %w", err)
	}
	if !st.Mode().IsRegular() {
		return nil, nil, &FileError{path, ErrNotRegular}
	}
	i, err := inspectVerified(f, st.Size(), whole)
	if err != nil {
		return nil, nil, &FileError{path, err}
	}
	return i, st, nil
}

// splitVersion splits a Go version into release and experiments, which follow a dash or, in earlier releases, a space.
func splitVersion(version string) (release, experiments string) {
	release, experiments, _ = strings.Cut(version, "X:")
	if experiments == "" {
		return version, ""
	}
	return release[:max(len(release)-1, 0)], experiments
}

// readBuild copies what the go command recorded in the file, and reports whether Go built it.
func (i *Info) readBuild(r io.ReaderAt) bool {
	b, err := buildinfo.Read(&budget{r: r, left: maxBuildInfo})
	if err != nil {
		return false
	}
	release, experiments := splitVersion(b.GoVersion)
	i.Toolchain = release
	i.Path, i.Main, i.Deps = b.Path, b.Main, b.Deps
	i.Settings = make(map[string]string, len(b.Settings))
	for _, s := range b.Settings {
		i.Settings[s.Key] = s.Value
	}
	// Bazel and other tools that call the linker directly leave no settings, but the release always names the experiments.
	if experiments != "" && i.Settings["GOEXPERIMENT"] == "" {
		i.Settings["GOEXPERIMENT"] = experiments
	}
	if goos := i.Settings["GOOS"]; goos != "" {
		i.OS = goos
	}
	return true
}

// pluginPath picks the main package among those that define a function main, because a library may have one too.
func (i *Info) pluginPath(mains []string) string {
	var best string
	for _, p := range mains {
		switch {
		case p == i.Path, i.importPath(p) == i.Path:
			return p
		case best == "", strings.HasPrefix(p, "plugin/unnamed-"):
			best = p
		}
	}
	if best == "" && i.Settings["-buildmode"] == "plugin" { // the main package need not define main
		for p := range i.Packages {
			if i.importPath(p) == i.Path || strings.HasPrefix(p, "plugin/unnamed-") {
				return p
			}
		}
	}
	return best
}

// maxBuildInfo limits how many bytes are read in search of the build information, which is at the beginning of the data.
const maxBuildInfo = 16 << 20

// budget is a reader that returns at most left bytes.
type budget struct {
	r    io.ReaderAt
	left int64
}

func (b *budget) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, io.EOF
	}
	return b.r.ReadAt(p, off)
}

// kind decides by the headers and the build information. It returns KindPlugin only if the file also has a plugin's symbols,
// because Open relies on that.
func (f *elfFile) kind(isGo bool, i *Info) Kind {
	mode := i.Settings["-buildmode"]
	switch {
	case f.Type == elf.ET_REL:
		return KindObject
	case f.Type == elf.ET_EXEC || f.Type == elf.ET_DYN && (f.interpreter() || mode == "exe" || mode == "pie"):
		if isGo {
			return KindGoExecutable
		}
		return KindExecutable
	case f.Type != elf.ET_DYN:
		return KindOther
	case isGo && (mode == "plugin" || mode == "") && i.PluginPath != "" && i.PluginPath != "main":
		return KindPlugin
	case isGo:
		return KindGoShared
	}
	return KindCLibrary
}
