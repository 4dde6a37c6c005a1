package integration

import (
	"path/filepath"
	"testing"
)

// TestJob runs the job of the README in short: points are written and summed while the plugin that does so is reloaded and handed over.
// The job fails unless the sums are exact.
func TestJob(t *testing.T) {
	if *arm64 {
		t.Skip("the job builds for the machine that it runs on")
	}
	t.Parallel()
	job := filepath.Join(scratch, "job")
	if err := goBuild(repository, job, "./scripts/job", nil); err != nil {
		t.Fatal(err)
	}
	if err := run(repository, nil, job, "-sohost", tool, "-lasts", "3s", "-reloads", "1"); err != nil {
		t.Error(err)
	}
}
