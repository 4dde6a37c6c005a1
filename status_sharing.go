package sohost

import "github.com/sohost/sohost/internal/instance"

// Sharing says what the images of plugins have in common: private packages with the same content, of whose variables the process has
// one set for all of them.
type Sharing struct {
	Plugins  []string `json:"plugins"`  // by name
	Packages []string `json:"packages"` // import paths, sorted
}

// sharing returns what serving plugins share.
func sharing(plugins []*plugin) (shared []Sharing) {
	var names []string
	var images []*instance.Image
	for _, p := range plugins {
		if g := p.serving(); g != nil {
			names, images = append(names, p.Name), append(images, g.Value().Image())
		}
	}
	for _, s := range instance.SharedAmong(images) {
		of := Sharing{Packages: s.Packages}
		for _, i := range s.Images {
			of.Plugins = append(of.Plugins, names[i])
		}
		shared = append(shared, of)
	}
	return shared
}
