package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"
)

// kill ends the worker process as `kill -9` does. The supervisor starts another.
func (j *job) kill(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, j.sohost, "status", "--json", "--control", filepath.Join(j.dir, "control.sock")).Output()
	if err != nil {
		return fmt.Errorf("sohost status: %w", err)
	}
	var status struct{ Worker struct{ PID int } }
	if err := json.Unmarshal(out, &status); err != nil || status.Worker.PID == 0 {
		return fmt.Errorf("sohost status names no worker: %s", out)
	}
	fmt.Println("kill -9", status.Worker.PID)
	return syscall.Kill(status.Worker.PID, syscall.SIGKILL)
}
