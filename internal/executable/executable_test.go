package executable

import (
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// TestWrite starts programs as soon as they are written, beside others who do the same. With os.WriteFile it fails.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		wg.Go(func() {
			for range 50 {
				file := filepath.Join(dir, name)
				if err := Write(file, []byte("#!/bin/sh\nexit 0\n")); err != nil {
					t.Error(err)
				}
				if err := exec.Command(file).Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
