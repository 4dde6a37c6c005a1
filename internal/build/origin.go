package build

import "slices"

// origin says where a package of an image comes from. ARCHITECTURE.md has the table of what follows from it.
type origin string

const (
	originStandard origin = "standard" // the host has it: the standard library
	originABI      origin = "abi"      // the host has it: the contract of every host and plugin
	originContract origin = "contract" // the host has it: it names the package a contract, or imports it from one
	originPrivate  origin = "private"  // the image has it; images share it while its content is the same
	originFresh    origin = "fresh"    // the image has it, and every generation its own
)

// role returns how packages of that origin are compiled. Those of the standard library have no role: they are compiled as always.
func (o origin) role() role {
	switch o {
	case originABI, originContract:
		return roleShared
	case originPrivate:
		return rolePrivate
	case originFresh:
		return roleFresh
	}
	return ""
}

// origins decides where the packages of one plugin come from.
type origins struct {
	main      *listed
	own       string            // the directory of the plugin's own packages
	contracts map[string]string // see contractPackages
	notFresh  matcher           // Options.NotFresh
	fresh     matcher           // Options.Fresh, and the directives in package main
	variables []string          // import paths of packages with variables that the linker sets
}

// of decides where a package comes from. The first rule that fits counts.
func (o *origins) of(pkg *listed) origin {
	switch {
	case pkg.Standard:
		return originStandard
	case pkg.ImportPath == abiPath:
		return originABI
	case o.contracts[pkg.ImportPath] != "":
		return originContract
	case pkg == o.main, slices.Contains(o.variables, pkg.ImportPath):
		return originFresh
	case o.notFresh.match(pkg):
		return originPrivate
	case ownTree(pkg, o.main, o.own), o.fresh.match(pkg):
		return originFresh
	}
	return originPrivate
}
