package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// telegraf is a Telegraf that passes points on to the server, by each of its outputs for InfluxDB. Each has a name for the table.
type telegraf struct {
	server
	target target
}

const telegrafConfiguration = `
[agent]
  interval = "1s"
  flush_interval = "500ms"
  metric_batch_size = 500
  metric_buffer_limit = 1000000
  omit_hostname = true

[[inputs.http_listener_v2]]
  service_address = "tcp://%[2]s"
  paths = ["/points"]
  data_format = "influx"

[[outputs.influxdb]]
  urls = ["%[1]s"]
  database = "telegraf"
  skip_database_creation = true
  name_prefix = "v1_"

[[outputs.influxdb_v2]]
  urls = ["%[1]s"]
  token = "any"
  organization = "any"
  bucket = "telegraf"
  name_prefix = "v2_"
`

// startTelegraf starts it, and waits until it listens.
func (j *job) startTelegraf(ctx context.Context, url string) (*telegraf, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String() // a free one
	l.Close()
	file := filepath.Join(j.dir, "telegraf.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, telegrafConfiguration, url, address), 0o644); err != nil {
		return nil, err
	}
	t := &telegraf{target: target{table: "cpu", url: "http://" + address + "/points", as: []string{"v1_cpu", "v2_cpu"}}}
	t.cmd = exec.CommandContext(ctx, j.telegraf, "--config", file, "--quiet", "--non-strict-env-handling")
	t.cmd.Stderr = os.Stderr
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return t, nil
		}
	}
	t.stop()
	return nil, errors.New("telegraf doesn't listen")
}
