package build

import (
	"fmt"
	"os"
	"strings"
)

// renameImports writes a copy of an import configuration in which private packages have their own paths, and returns its
// name. The compiler, which reads import paths in the sources, needs a map from these as well.
func renameImports(file string, p *plan, link bool) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	out, err := importConfig(string(b), p, link, archiveID)
	if err != nil {
		return "", err
	}
	name := file + ".sohost"
	return name, os.WriteFile(name, []byte(out), 0o600)
}

// importConfig rewrites the text of an import configuration: lines such as "packagefile path=archive" and "importmap
// path=path". id finds the id of an archive.
func importConfig(text string, p *plan, link bool, id func(archive string) (string, error)) (string, error) {
	own := make(map[string]string) // the paths of private packages
	var order []string
	var out strings.Builder
	var maps []string
	for line := range strings.Lines(text) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		path, value, ok := strings.Cut(rest, "=")
		switch {
		case verb == "packagefile" && ok && p.private(path):
			n, err := id(value)
			if err != nil {
				return "", err
			}
			own[path] = renamed(path, n)
			order = append(order, path)
			fmt.Fprintf(&out, "packagefile %s=%s\n", own[path], value)
		case verb == "importmap" && ok && p.private(value):
			maps = append(maps, rest)
		case verb == "modinfo":
			info, err := modinfo(rest, p)
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&out, "modinfo %s\n", info)
		default:
			out.WriteString(line)
		}
	}
	if link {
		return out.String(), nil
	}
	for _, path := range order {
		fmt.Fprintf(&out, "importmap %s=%s\n", path, own[path])
	}
	for _, m := range maps {
		path, value, _ := strings.Cut(m, "=")
		if own[value] == "" {
			return "", fmt.Errorf("no archive for %s", value)
		}
		fmt.Fprintf(&out, "importmap %s=%s\n", path, own[value])
	}
	return out.String(), nil
}
