package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/sohost/sohost/internal/build"
)

// printExplained prints where the packages of an image come from. The standard library's are one line, except for those that a slim
// image brings along.
func printExplained(w io.Writer, r *build.Result) error {
	fmt.Fprintf(w, "\n%s\n", relative(r.Output))
	var rows [][]string
	rest, restSize := 0, int64(0)
	counted := int64(0)
	for _, p := range r.Packages {
		counted += p.Size
		along := slices.Contains(r.Along, p.Package)
		if p.Origin == "standard" && !(r.Slim && along) {
			rest, restSize = rest+1, restSize+p.Size
			continue
		}
		rows = append(rows, []string{p.Package, from(r, p), orDash(p.Module), sizeOrDash(p.Size)})
	}
	where := "the server, and in the image"
	if r.Slim {
		where = "the server"
	}
	rows = append(rows, []string{"standard library: " + count(rest, "package"), where, "-", sizeOrDash(restSize)},
		[]string{"types, strings and tables", "-", "-", sizeOrDash(max(r.Size-counted, 0))})
	return table(w, []string{"PACKAGE", "FROM", "MODULE", "IN THE IMAGE"}, rows)
}

// from says where a package comes from.
func from(r *build.Result, p build.PackageOrigin) string {
	switch p.Origin {
	case "fresh":
		return "the image: new in each generation"
	case "private":
		return "the image: shared while it is the same"
	case "contract":
		if p.Contract == p.Package {
			return "the server: a contract"
		}
		return "the server: " + p.Contract + " imports it"
	case "abi":
		return "the server: the contract of every plugin"
	}
	if why := r.WhyAlong[p.Package]; why != "" {
		return "the image: " + why
	}
	return "the server, and along in the image"
}

func sizeOrDash(n int64) string {
	if n == 0 {
		return "-"
	}
	return size(n)
}
