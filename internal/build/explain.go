package build

import (
	"debug/elf"
	"debug/gosym"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sohost/sohost/native"
)

// PackageOrigin says of a package of an image where it comes from.
type PackageOrigin struct {
	Package string `json:"package"` // import path

	// Origin is standard, abi or contract for the host's packages, and private or fresh for the image's own.
	Origin string `json:"origin"`

	// Contract is the contract because of which the package is the host's: itself, or one that imports it.
	Contract string `json:"contract,omitempty"`

	Module string `json:"module,omitempty"` // path and version; only the path if the source is a directory

	// Named is the package's path in the image, if that has it under another than its import path.
	Named string `json:"named,omitempty"`

	// Size is how many bytes of its code and variables the image's file has. Types and strings don't count, because no package has them
	// to itself. It is 0 if the image leaves the package to the host.
	Size int64 `json:"size"`
}

// explain returns where the packages of an image come from, sorted by origin and path, those of the standard library last.
func (s *surveyed) explain(p *plan, info *native.Info, image string) ([]PackageOrigin, error) {
	sizes, err := packageSizes(image)
	if err != nil {
		return nil, fmt.Errorf("read the sizes of packages: %w", err)
	}
	named := map[string]string{info.Path: info.PluginPath}
	if info.Seal != nil {
		for _, compiled := range info.Seal.Private {
			named[compiled[:len(compiled)-len(renamed("", ""))-idLen]] = compiled
		}
	}
	out := []PackageOrigin{}
	for _, pkg := range s.listing.all {
		if pkg.ImportPath == "unsafe" {
			continue
		}
		o := PackageOrigin{Package: pkg.ImportPath, Origin: string(p.from.of(pkg)), Contract: p.Contracts[pkg.ImportPath], Named: named[pkg.ImportPath]}
		if m := pkg.Module; m != nil {
			if o.Module = m.Path; m.used().version != "" {
				o.Module = m.used().String()
			}
		}
		if o.Size = sizes[pkg.ImportPath]; o.Named != "" {
			o.Size = sizes[o.Named]
		}
		out = append(out, o)
	}
	order := []origin{originFresh, originPrivate, originContract, originABI, originStandard}
	slices.SortStableFunc(out, func(a, b PackageOrigin) int {
		if d := slices.Index(order, origin(a.Origin)) - slices.Index(order, origin(b.Origin)); d != 0 {
			return d
		}
		return strings.Compare(a.Package, b.Package)
	})
	return out, nil
}

// packageSizes adds up the sizes of an image's functions and variables by the packages that they belong to, under the paths that these
// have in it. Functions of slim images are only in the table that the runtime has of them.
func packageSizes(image string) (map[string]int64, error) {
	f, err := elf.Open(image)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	sizes := make(map[string]int64)
	symbols, err := f.DynamicSymbols()
	if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, err
	}
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF || int(s.Section) >= len(f.Sections) || f.Sections[s.Section].Type == elf.SHT_NOBITS {
			continue // it is elsewhere, or takes no room in the file
		}
		if pkg := symbolPackage(s.Name); pkg != "" && elf.ST_TYPE(s.Info) != elf.STT_FUNC {
			sizes[pkg] += int64(s.Size)
		}
	}
	table, text := f.Section(".gopclntab"), f.Section(".text")
	if table == nil || text == nil {
		return sizes, nil
	}
	b, err := table.Data()
	if err != nil {
		return nil, err
	}
	functions, err := gosym.NewTable(nil, gosym.NewLineTable(b, text.Addr))
	if err != nil {
		return nil, err
	}
	for _, fn := range functions.Funcs {
		if pkg := symbolPackage(fn.Name); pkg != "" {
			sizes[pkg] += int64(fn.End - fn.Entry)
		}
	}
	return sizes, nil
}

// symbolPackage returns the path of the package that a symbol such as "example.com/p%2ev1.(*T).M" belongs to, or "" if none has it to
// itself, as types and strings.
func symbolPackage(name string) string {
	if end := strings.IndexAny(name, "([:"); end >= 0 {
		if name[end] == ':' {
			return "" // type:…, go:…
		}
		name = name[:end] // what comes after it can have slashes of its own
	}
	slash := strings.LastIndexByte(name, '/')
	dot := strings.IndexByte(name[slash+1:], '.')
	if dot < 0 {
		return ""
	}
	return strings.ReplaceAll(name[:slash+1+dot], "%2e", ".")
}
