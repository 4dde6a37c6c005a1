package sohost

import "github.com/sohost/sohost/internal/instance"

// Sharing says what the images of two plugins have in common: private packages with the same content, of whose variables the process
// has one set for both.
type Sharing struct {
	With     string   `json:"with"`     // the other plugin
	Packages []string `json:"packages"` // import paths, sorted
}

// sharing returns what each of the serving plugins shares with which other.
func sharing(plugins []*plugin) map[string][]Sharing {
	type served struct {
		name  string
		image *instance.Image
	}
	var all []served
	for _, p := range plugins {
		if g := p.serving(); g != nil {
			all = append(all, served{p.Name, g.Value().Image()})
		}
	}
	shared := make(map[string][]Sharing)
	for i, a := range all {
		for j, b := range all {
			if i == j {
				continue
			}
			if packages := a.image.Private(b.image); len(packages) > 0 {
				shared[a.name] = append(shared[a.name], Sharing{b.name, packages})
			}
		}
	}
	return shared
}
