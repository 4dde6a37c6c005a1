package build

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
)

// plan describes how each package of a plugin is built. Everything in it that changes an image is also part of the marks.
type plan struct {
	Main    string              // import path of the plugin
	Roles   map[string]role     // by import path; without packages of the standard library
	GCFlags string              // -gcflags to record in the image's build info: the host's
	DWARF   bool                // whether the image gets debugging information
	Aliases map[string][]string // by import path: symbols named by go:linkname directives of other packages
	Hide    []string            // symbols to keep inside the image, besides those of C code
	Slim    bool                // whether packages are compiled so that the image can leave out what the host has
	Full    bool                // whether it is to be linked in full nevertheless
	Host    string              // the host's file, for a slim image

	key string // a hash of everything that the image is built from
	why string // why the image is full, if it is known before it is linked
	api string // the plugin API; "" for sohost's own

	// Contracts has the packages that are the host's because of its contracts, by import path, each with the contract that it
	// belongs to. All of them are shared.
	Contracts map[string]string

	from    *origins
	marks   map[string]mark   // by import path
	modules map[string]string // by import path: the path of the module, if there is one
}

// makePlan decides the role of every package.
func makePlan(ctx context.Context, s *surveyed, opts Options) (*plan, error) {
	main := s.listing.main
	p := &plan{Main: main.ImportPath, Roles: make(map[string]role), GCFlags: s.host.gcflags, DWARF: opts.DWARF,
		Aliases: make(map[string][]string), Contracts: contractPackages(s.exe.Contracts, s.listing),
		marks: make(map[string]mark), modules: make(map[string]string)}
	var err error
	if p.api, err = s.listing.apiOf(opts); err != nil {
		return nil, err
	}
	if p.api != "" {
		s.settings = append(s.settings, "api "+p.api)
	}
	if err := p.decideSlim(s, opts); err != nil {
		return nil, err
	}
	if err := checkContracts(p.Main, s.exe, p.Contracts, s.listing); err != nil {
		return nil, err
	}
	if p.from, err = s.origins(opts, p.Contracts); err != nil {
		return nil, err
	}
	var private []*listed
	for _, pkg := range s.listing.all {
		switch role := p.from.of(pkg).role(); role {
		case "":
		case roleShared:
			p.Roles[pkg.ImportPath] = role
			dir := ""
			if s.host.trimpath {
				dir, _ = recordedDir(&debug.BuildInfo{Main: s.exe.Main, Deps: s.exe.Deps}, pkg.ImportPath)
			}
			p.marks[pkg.ImportPath] = mark{role: role, value: dir}
		default:
			p.Roles[pkg.ImportPath] = role
			private = append(private, pkg)
			if pkg.Module != nil {
				p.modules[pkg.ImportPath] = pkg.Module.Path
			}
		}
	}
	slices.SortFunc(private, func(a, b *listed) int { return strings.Compare(a.ImportPath, b.ImportPath) })
	in, err := scan(private, s.scanned)
	if err != nil {
		return nil, err
	}
	if err := p.linkNames(private, in); err != nil {
		return nil, err
	}
	for _, pkg := range private {
		p.Hide = append(p.Hide, in[pkg.ImportPath].Bare...)
	}
	cKeys := make(map[string]string)
	for _, pkg := range private {
		var err error
		if cKeys[pkg.ImportPath], err = cKey(pkg, s.outer(ctx, pkg), s.env.GOMODCACHE); err != nil {
			return nil, err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err // the keys lack what couldn't be asked
	}
	return p, p.mark(private, append(slices.Clone(s.settings), fmt.Sprintf("dwarf=%t", p.DWARF)), cKeys, s.env.GOMODCACHE)
}

// origins returns what decides where packages come from. It refuses directives and flags that contradict that.
func (s *surveyed) origins(opts Options, contracts map[string]string) (*origins, error) {
	main := s.listing.main
	written, err := freshPatterns(main)
	if err != nil {
		return nil, err
	}
	from := &origins{main: main, own: s.listing.own(), contracts: contracts, notFresh: newMatcher(opts.NotFresh, opts.Dir),
		fresh: slices.Concat(newMatcher(opts.Fresh, opts.Dir), newMatcher(written, main.Dir))}
	var hosts []*listed // packages that the host has
	for _, pkg := range s.listing.all {
		if r := from.of(pkg).role(); r == "" || r == roleShared {
			hosts = append(hosts, pkg)
		}
	}
	if err := checkPatterns(written, main, s.listing.all, hosts); err != nil {
		return nil, err
	}
	from.variables, err = stringVariables(s.flags.ldflags, hosts)
	return from, err
}

// mark sets the mark of each private package.
func (p *plan) mark(private []*listed, settings []string, cKeys map[string]string, modCache string) error {
	key, err := freshKey(settings, private, cKeys, modCache)
	if err != nil {
		return err
	}
	p.key = key
	for _, pkg := range private {
		m := mark{role: p.Roles[pkg.ImportPath], value: key}
		if m.role == rolePrivate {
			m.value = cKeys[pkg.ImportPath]
		}
		p.marks[pkg.ImportPath] = m
	}
	return nil
}

// ownTree reports whether pkg lies in the directory own or below, and belongs to its module or to one that was put there by
// hand. Neither vendored modules nor a module cache below that directory are the plugin's own.
func ownTree(pkg, main *listed, own string) bool {
	if !within(pkg.Dir, own) {
		return false
	}
	m := pkg.Module
	if m == nil || main.Module == nil {
		return m == main.Module
	}
	if m.Path == main.Module.Path {
		return true
	}
	// Without a directory it is vendored, and with a version it was downloaded.
	return m.Dir != "" && (m.Main || m.Replace != nil && m.Replace.Version == "")
}

// private reports whether the package with that import path gets a new path.
func (p *plan) private(path string) bool {
	r := p.Roles[path]
	return r == rolePrivate || r == roleFresh
}
