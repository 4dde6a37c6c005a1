package routes

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// Clean returns a path that somebody has configured as a Table wants it, without a slash at its end. Requests are compared in their
// decoded form and without "//", "/./" and "/../". A path that isn't like that is refused: what is meant can only be guessed.
func Clean(given string) (string, error) {
	if !strings.HasPrefix(given, "/") {
		return "", fmt.Errorf("want a path that begins with /, not %q", given)
	}
	clean := path.Clean(given)
	if decoded, err := url.PathUnescape(given); err == nil && decoded != given {
		return "", fmt.Errorf("want the path as it is decoded, not %q: write %q if that is meant", given, path.Clean(decoded))
	}
	if clean != given && (clean == "/" || clean+"/" != given) {
		return "", fmt.Errorf("want a path without \"//\", \"/./\" and \"/../\", not %q: write %q if that is meant", given, clean)
	}
	return clean, nil
}
