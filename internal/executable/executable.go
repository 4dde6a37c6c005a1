// Package executable writes programs that the process that writes them may start at once, for tests and benchmarks.
package executable

import (
	"os"
	"syscall"
)

// Write writes a program to a file, which it creates with mode 0755 or overwrites. Whoever starts the program after that, this process or
// another, doesn't fail with ETXTBSY.
//
// os.WriteFile doesn't give that. Where another goroutine starts a program meanwhile, its child has a copy of the open file until it runs
// that program, and the kernel starts nothing that is open for writing: go.dev/issue/22315. Write blocks until no program is being started,
// and no program is started while it writes.
func Write(name string, content []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(name, content, 0o755); err != nil {
		return err
	}
	return os.Chmod(name, 0o755) // for a file that was there, and whatever the umask is
}
