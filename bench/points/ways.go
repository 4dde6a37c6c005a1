package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// way is a program in which a field is doubled.
type way struct {
	name   string
	factor float64 // of what comes out to what went in
	start  func(dir string, cores int) (*process, error)
}

const starlark = "Telegraf, starlark"

// process is a program that runs and takes points at a URL.
type process struct {
	cmd *exec.Cmd
	url string
}

func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Wait()
}

// ways builds what is measured.
func (b *bench) ways() ([]way, error) {
	image := filepath.Join(b.dir, "scale.so")
	if err := run(b.sohost, "build", "-o", image, "./plugins/scale"); err != nil {
		return nil, err
	}
	ways := []way{{"**sohost**, `write:*`", 2, func(dir string, cores int) (*process, error) { return b.server(dir, image, cores) }}}
	if b.telegraf == "" {
		return ways, nil
	}
	pipe := filepath.Join(b.dir, "scalepipe")
	if err := run("go", "build", "-trimpath", "-o", pipe, "./plugins/scalepipe"); err != nil {
		return nil, err
	}
	for _, with := range []struct {
		name, processor string
		factor          float64
	}{
		{starlark, "[[processors.starlark]]\n  source = '''\ndef apply(metric):\n  metric.fields[\"busy\"] *= 2\n  return metric\n'''\n", 2},
		{"Telegraf, execd", fmt.Sprintf("[[processors.execd]]\n  command = [%q]\n", pipe), 2},
		{"Telegraf, no processor", "", 1},
	} {
		ways = append(ways, way{with.name, with.factor, func(dir string, cores int) (*process, error) { return b.startTelegraf(dir, with.processor, cores) }})
	}
	return ways, nil
}

func run(program string, args ...string) error {
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", program, args, err, out)
	}
	return nil
}

func (b *bench) server(dir, image string, cores int) (*process, error) {
	config := fmt.Sprintf(`
listen  = "127.0.0.1:0"
store   = "store"
control = "control.sock"
writes  = true

[plugin.scale]
image   = %q
trigger = [{ spec = "write:*" }]

[sink.out]
kind = "file"
path = "out.lp"
`, image)
	file := filepath.Join(dir, "sohost.toml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(b.sohost, "run", "--config", file, "--log-format", "json")}
	p.cmd.Env = append(os.Environ(), fmt.Sprint("GOMAXPROCS=", cores))
	log, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		var l struct{ Msg, URL string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "serving" {
			p.url = l.URL + "/write?db=bench"
			go func() {
				for lines.Scan() { // until it ends
				}
			}()
			return p, nil
		}
	}
	p.stop()
	return nil, errors.New("sohost doesn't serve")
}

const telegrafConfig = `
[agent]
  interval = "1s"
  flush_interval = "100ms"
  flush_jitter = "0s"
  metric_batch_size = 5000
  metric_buffer_limit = 10000000
  omit_hostname = true
[[inputs.http_listener_v2]]
  service_address = "tcp://%s"
  paths = ["/points"]
  data_format = "influx"
%s
[[outputs.file]]
  files = [%q]
  data_format = "influx"
`

func (b *bench) startTelegraf(dir, processor string, cores int) (*process, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String() // a free one
	l.Close()
	file := filepath.Join(dir, "telegraf.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, telegrafConfig, address, processor, filepath.Join(dir, "out.lp")), 0o644); err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(b.telegraf, "--config", file, "--quiet", "--non-strict-env-handling"), url: "http://" + address + "/points"}
	p.cmd.Env = append(os.Environ(), fmt.Sprint("GOMAXPROCS=", cores))
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return p, nil
		}
	}
	p.stop()
	return nil, errors.New("telegraf doesn't listen")
}
