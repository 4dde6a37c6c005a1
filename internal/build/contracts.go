package build

import (
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/sohost/sohost/native"
)

// contractPackages returns the packages of the listing that are the host's because it names them contracts, or because a contract
// imports them, each with the contract that it belongs to.
func contractPackages(named []string, l *listing) map[string]string {
	packages := make(map[string]string)
	var add func(path, contract string)
	add = func(path, contract string) {
		p := l.find(path)
		if p == nil || p.Standard || path == abiPath || packages[path] != "" {
			return
		}
		packages[path] = contract
		for _, imported := range p.Imports {
			add(imported, contract)
		}
	}
	for _, path := range named { // first, so that each of them belongs to itself
		if p := l.find(path); p != nil && !p.Standard && path != abiPath {
			packages[path] = path
		}
	}
	for _, path := range named {
		if p := l.find(path); p != nil && packages[path] != "" {
			for _, imported := range p.Imports {
				add(imported, path)
			}
		}
	}
	return packages
}

// checkHost refuses a host whose contracts can't be known, or aren't in it.
func checkHost(name string, exe *native.Info) error {
	if exe.ContractsFault != "" {
		return &Refusal{Kind: ErrHost, Reason: fmt.Sprintf("%s names contracts, but %s", name, exe.ContractsFault),
			Remedy: "correct it and build the host again"}
	}
	for _, path := range exe.Contracts {
		if _, ok := exe.Packages[path]; !ok {
			return &Refusal{Kind: ErrHost, Reason: fmt.Sprintf("%s names the contract %s and doesn't contain it", name, path),
				Remedy: "import the package in the host, or correct " + native.ContractsVariable + ", and build the host again"}
		}
	}
	return nil
}

// checkContracts refuses a plugin that has other versions of the host's packages, as far as modules tell. What they don't tell shows
// when the packages are compiled: see check.
func checkContracts(main string, exe *native.Info, contracts map[string]string, l *listing) error {
	var reasons []native.Reason
	for _, p := range l.all {
		contract := contracts[p.ImportPath]
		if contract == "" {
			continue
		}
		if _, ok := exe.Packages[p.ImportPath]; !ok {
			reasons = append(reasons, native.Reason{Code: native.WrongPackage, Subject: p.ImportPath,
				Want: "a contract " + contract + " that doesn't import it, as in the host", Found: "one that does" + at(p),
				Remedy: remedy(exe, l.find(contract))})
			continue
		}
		want, found := usedByHost(hostModule(exe, p.ImportPath)), p.Module.used()
		if want.version != "" && found.version != "" && want != found {
			reasons = append(reasons, native.Reason{Code: native.WrongPackage, Subject: p.ImportPath, Want: want.String() + because(p, contract),
				Found: found.String(), Remedy: remedy(exe, p)})
		}
	}
	if len(reasons) == 0 {
		return nil
	}
	return &ContractError{Package: main, Rejection: &native.Rejection{Reasons: reasons}}
}

// because says which contract makes a package the host's, if it isn't one itself.
func because(p *listed, contract string) string {
	if p.ImportPath == contract {
		return ""
	}
	return ", because the contract " + contract + " imports it"
}

func at(p *listed) string {
	if m := p.Module.used(); m.version != "" {
		return ", from " + m.String()
	}
	return ", from " + p.Dir
}

// moduleVersion is a module as it is built: the replacement, if there is one. It has no version if its source is a directory.
type moduleVersion struct{ path, version string }

func (m moduleVersion) String() string { return m.path + " " + m.version }

// used returns the module that the package's source comes from.
func (m *listedModule) used() moduleVersion {
	switch {
	case m == nil || m.Main:
		return moduleVersion{}
	case m.Replace != nil:
		return moduleVersion{m.Replace.Path, m.Replace.Version}
	}
	return moduleVersion{m.Path, m.Version}
}

// usedByHost is used for a module as build info has it. Only modules that were downloaded have a checksum.
func usedByHost(m *debug.Module) moduleVersion {
	if m != nil && m.Replace != nil {
		m = m.Replace
	}
	if m == nil || m.Sum == "" {
		return moduleVersion{}
	}
	return moduleVersion{m.Path, m.Version}
}

// hostModule returns the module that a package of the host belongs to, with its replacement, or nil.
func hostModule(exe *native.Info, pkg string) *debug.Module {
	return moduleOf(&debug.BuildInfo{Main: exe.Main, Deps: exe.Deps}, pkg)
}

// moduleOf returns the module of the build that a package belongs to, or nil.
func moduleOf(info *debug.BuildInfo, pkg string) *debug.Module {
	var best *debug.Module
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path != "" && within(pkg, m.Path) && (best == nil || len(m.Path) > len(best.Path)) {
			best = m
		}
	}
	return best
}

// recordedDir returns the directory under which a build with -trimpath records the files of a package. The linker's package hash
// covers it, so a plugin must record the same one.
func recordedDir(info *debug.BuildInfo, pkg string) (dir string, ok bool) {
	m := moduleOf(info, pkg)
	if m == nil {
		return "", false
	}
	versioned := m.Path + "@" + m.Version + strings.TrimPrefix(pkg, m.Path)
	if m == &info.Main {
		// A version here doesn't mean that the package was recorded as module@version: the go command also derives versions from the
		// repository's tags. It knows the checksum only of a downloaded main module.
		if m.Sum != "" {
			return versioned, true
		}
		return pkg, true
	}
	if m.Version == "" || m.Version == "(devel)" { // another main module of a workspace
		return pkg, true
	}
	return versioned, true // a replacement doesn't matter: the required version counts
}

// remedy returns what makes the plugin's package the host's.
func remedy(exe *native.Info, p *listed) string {
	m := hostModule(exe, p.ImportPath)
	want := usedByHost(m)
	if want.version == "" {
		return sourceRemedy(exe, p)
	}
	steps := fmt.Sprintf("run `go get %s@%s` in the plugin's module", m.Path, m.Version)
	switch replaced := p.Module != nil && p.Module.Replace != nil; {
	case m.Replace != nil:
		steps = fmt.Sprintf("run `go mod edit -replace=%s=%s@%s && go mod tidy` in the plugin's module, as the host replaces it",
			m.Path, want.path, want.version)
	case replaced:
		steps = fmt.Sprintf("run `go mod edit -dropreplace=%s && go get %s@%s` in the plugin's module", m.Path, m.Path, m.Version)
	}
	return steps + "; or build the host with the plugin's version"
}

// sourceRemedy is remedy for a package that the host has from a directory, which no file names.
func sourceRemedy(exe *native.Info, p *listed) string {
	built := ""
	if rev := exe.Settings["vcs.revision"]; rev != "" && exe.Main.Path != "" && within(p.ImportPath, exe.Main.Path) {
		built = " (revision " + rev[:min(len(rev), 12)]
		if exe.Settings["vcs.modified"] == "true" {
			built += ", with changes"
		}
		built += ")"
	}
	return fmt.Sprintf("let the plugin's source in %s be the one that the host was built from%s, or build the host again with it", p.Dir, built)
}

// contractRemedy is the remedy for a package of a contract that was built for this host and is still another.
func contractRemedy(h host, exe *native.Info, p *listed) string {
	if !h.trimpath {
		return "build the host with -trimpath; without it, plugin and host must find " + p.ImportPath + " in the same directory"
	}
	want, found := usedByHost(hostModule(exe, p.ImportPath)), p.Module.used()
	if want.version != "" && want != found {
		return remedy(exe, p)
	}
	return sourceRemedy(exe, p)
}
