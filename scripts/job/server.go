package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// server is a program that runs beside the job.
type server struct {
	cmd *exec.Cmd
	url string
}

// The windows are short so that the job is; they take rows long after their end because clients may send them again.
const configuration = `
listen      = "127.0.0.1:0"
store       = "store"
control     = "control.sock"
writes      = true
checkpoints = "3s"

[plugin.downsample]
image = "downsample-0.so"
mode  = "prod"
args  = { window = "1s", late = "10m", calculations = "sum count" }

[[plugin.downsample.trigger]]
spec = "write:*"

[[plugin.downsample.trigger]]
spec = "every:1s"

[sink.stored]
kind = "file"
path = "stored.lp"
`

// serve starts a server with the plugin, and waits until it serves.
func (j *job) serve(ctx context.Context) (*server, error) {
	file := filepath.Join(j.dir, "sohost.toml")
	if err := os.WriteFile(file, []byte(configuration), 0o644); err != nil {
		return nil, err
	}
	s := &server{cmd: exec.CommandContext(ctx, j.sohost, "run", "--config", file, "--log-format", "json")}
	log, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(log)
	for s.url == "" && lines.Scan() {
		var l struct{ Msg, URL string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "serving" {
			s.url = l.URL
		}
	}
	go func() {
		for lines.Scan() { // until it ends
			var l struct{ Level, Msg, Err string }
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.Level == "ERROR" {
				fmt.Println("the server logs:", l.Msg, l.Err)
			}
		}
	}()
	if s.url == "" {
		s.stop()
		return nil, fmt.Errorf("the server ended: %v", s.cmd.ProcessState)
	}
	return s, nil
}

// stop ends the program, and waits for that.
func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
}
