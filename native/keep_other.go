//go:build !linux || !(amd64 || arm64)

package native

// keepAPI is never called. Slim images are made for other architectures than this.
func keepAPI() {}
