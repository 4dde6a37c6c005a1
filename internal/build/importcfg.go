package build

import (
	"fmt"
	"os"
	"strings"
)

// renameImports writes a copy of an import configuration in which private packages have their new paths, and returns its
// name and these paths. For the compiler, which finds the old import paths in the sources, the copy also maps these to the
// new ones; the linker doesn't need that.
func renameImports(file string, p *plan, link bool) (name string, paths map[string]string, err error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	out, paths, err := importConfig(string(b), p, link, archiveID)
	if err != nil {
		return "", nil, err
	}
	name = file + ".sohost"
	return name, paths, os.WriteFile(name, []byte(out), 0o600)
}

// importConfig rewrites the text of an import configuration, which has lines such as "packagefile path=archive" and
// "importmap path=path". id returns the id of an archive.
func importConfig(text string, p *plan, link bool, id func(archive string) (string, error)) (
	config string, paths map[string]string, err error,
) {
	paths = make(map[string]string)
	var out strings.Builder
	var maps []string
	for line := range strings.Lines(text) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		path, value, ok := strings.Cut(rest, "=")
		switch {
		case verb == "packagefile" && ok && p.private(path):
			n, err := id(value)
			if err != nil {
				return "", nil, err
			}
			paths[path] = renamed(path, n)
			maps = append(maps, path+"="+path)
			fmt.Fprintf(&out, "packagefile %s=%s\n", paths[path], value)
		case verb == "importmap" && ok && p.private(value):
			maps = append(maps, rest)
		case verb == "modinfo":
			info, err := modinfo(rest, p)
			if err != nil {
				return "", nil, err
			}
			fmt.Fprintf(&out, "modinfo %s\n", info)
		default:
			out.WriteString(line)
		}
	}
	for _, m := range maps {
		path, value, _ := strings.Cut(m, "=")
		if paths[value] == "" {
			return "", nil, fmt.Errorf("no archive for %s", value)
		}
		if !link {
			fmt.Fprintf(&out, "importmap %s=%s\n", path, paths[value])
		}
	}
	return out.String(), paths, nil
}
