package main

import (
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/sohost/sohost/internal/program"
)

// way is a program in which a field is doubled.
type way struct {
	name   string
	factor float64 // of what comes out to what went in
	path   string  // where it takes points
	start  func(dir string, cores int) (*program.Program, error)
}

const starlark = "Telegraf, starlark"

// ways builds what is measured.
func (b *bench) ways() ([]way, error) {
	image := filepath.Join(b.dir, "scale.so")
	if err := run(b.sohost, "build", "-o", image, "./plugins/scale"); err != nil {
		return nil, err
	}
	var ways []way
	for _, with := range []struct {
		name, ack, args string
		factor          float64
	}{
		{"**sohost**, `ack = \"spool\"`", "spool", "", 2},
		{"**sohost**, `ack = \"handled\"`", "handled", "", 2},
		{"**sohost**, `handled`, without the multiplication", "handled", `pass = "yes"`, 1},
	} {
		ways = append(ways, way{with.name, with.factor, "/write?db=bench", func(dir string, cores int) (*program.Program, error) {
			return b.server(dir, image, with.ack, with.args, cores)
		}})
	}
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
		ways = append(ways, way{with.name, with.factor, "/points", func(dir string, cores int) (*program.Program, error) {
			return b.startTelegraf(dir, with.processor, cores)
		}})
	}
	return ways, nil
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return nil
}

// server starts a server whose plugin doubles the field.
func (b *bench) server(dir, image, ack, args string, cores int) (*program.Program, error) {
	return program.Server(b.sohost, dir, fmt.Sprintf(`
listen  = "127.0.0.1:0"
store   = "store"
control = "control.sock"

[writes]
ack = %q

[plugin.scale]
image   = %q
args    = { %s }
trigger = [{ spec = "write:*" }]

[sink.out]
kind = "file"
path = "out.lp"
`, ack, image, args), fmt.Sprint("GOMAXPROCS=", cores))
}

const telegrafConfiguration = `
[agent]
  interval = "1s"
  flush_interval = "100ms"
  flush_jitter = "0s"
  metric_batch_size = 5000
  metric_buffer_limit = 10000000
  omit_hostname = true
[[inputs.http_listener_v2]]
  service_address = "tcp://127.0.0.1:0"
  paths = ["/points"]
  data_format = "influx"
%s
[[outputs.file]]
  files = [%q]
  data_format = "influx"
`

// startTelegraf starts Telegraf with a processor.
func (b *bench) startTelegraf(dir, processor string, cores int) (*program.Program, error) {
	configuration := fmt.Sprintf(telegrafConfiguration, processor, filepath.Join(dir, "out.lp"))
	return program.Telegraf(b.telegraf, dir, configuration, fmt.Sprint("GOMAXPROCS=", cores))
}
