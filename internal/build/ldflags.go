package build

import (
	"fmt"
	"slices"
	"strings"
)

// checkLDFlags refuses linker flags that take an isolated image's identity from it.
func checkLDFlags(lists []string) error {
	for _, list := range lists {
		items, err := splitQuoted(list)
		if err != nil {
			return &Refusal{Kind: ErrFlags, Reason: "-ldflags: " + err.Error(), Remedy: "correct the flags"}
		}
		for _, item := range items {
			name, _, _ := strings.Cut(strings.TrimLeft(item, "-"), "=")
			switch name {
			case "pluginpath", "buildid", "buildmode", "linkshared":
				return &Refusal{Kind: ErrFlags, Reason: fmt.Sprintf("-ldflags has %s, which isolated images can't be built with", item),
					Remedy: "remove it for this build: each image gets an identity of its own"}
			}
		}
	}
	return nil
}

// stringVariables returns the import paths of packages whose string variables the linker sets with -X. They have to be fresh:
// otherwise generations would share such a package, and with it the value that the first of them was linked with. For the same
// reason it refuses to set variables of packages that belong to the host.
func stringVariables(lists []string, hosts []*listed) (paths []string, err error) {
	for _, list := range lists {
		items, err := splitQuoted(list)
		if err != nil {
			return nil, err // checkLDFlags has refused it
		}
		for i := range items {
			text, ok := xFlag(items, i)
			if !ok {
				continue
			}
			path, _, ok := variable(text)
			if !ok || path == "main" { // the linker reports the former
				continue
			}
			if slices.ContainsFunc(hosts, func(p *listed) bool { return p.ImportPath == path }) {
				return nil, &Refusal{Kind: ErrFlags, Reason: fmt.Sprintf("-ldflags sets %s: this package belongs to the server, whose value counts", text),
					Remedy: "set it when the server is built"}
			}
			paths = append(paths, path)
		}
	}
	return paths, nil
}

// xFlag returns the value of a linker flag -X, which is part of an argument or the one after it.
func xFlag(args []string, i int) (text string, ok bool) {
	a := args[i]
	if strings.HasPrefix(a, "--") {
		a = a[1:]
	}
	if i > 0 && (args[i-1] == "-X" || args[i-1] == "--X") {
		return args[i], true
	}
	return strings.CutPrefix(a, "-X=")
}

// variable splits the value of -X, such as example.com/p.v=text, into the package's path and the rest.
func variable(text string) (path, rest string, ok bool) {
	name, _, _ := strings.Cut(text, "=")
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return "", "", false
	}
	return text[:dot], text[dot:], true
}

// renameStrings rewrites the package paths in the linker's -X flags. The linker calls the plugin's own package main.
func renameStrings(args []string, p *plan, paths map[string]string) {
	for i := range args {
		text, ok := xFlag(args, i)
		if !ok {
			continue
		}
		path, rest, ok := variable(text)
		to := paths[path]
		if path == p.Main {
			to = "main"
		}
		if ok && to != "" {
			args[i] = strings.TrimSuffix(args[i], text) + to + rest
		}
	}
}
