package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed web
var web embed.FS

// assets answers with the parts of the page. A browser asks each time whether they are still the same: they change with the program.
type assets struct {
	files http.Handler
	tags  map[string]string // by path
}

func newAssets() *assets {
	root, err := fs.Sub(web, "web")
	if err != nil {
		panic(err) // never: it is embedded
	}
	a := &assets{http.FileServerFS(root), map[string]string{}}
	fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			text, _ := fs.ReadFile(root, name) // embedded
			sum := sha256.Sum256(text)
			a.tags["/"+name] = `"` + hex.EncodeToString(sum[:8]) + `"`
		}
		return err
	})
	a.tags["/"] = a.tags["/index.html"]
	return a
}

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tag, has := a.tags[path.Clean(r.URL.Path)]
	if !has {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "no-cache")
	if strings.HasSuffix(r.URL.Path, ".js") {
		w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	}
	a.files.ServeHTTP(w, r)
}
