package main

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

// telegrafConfiguration passes points on to the server, by each of the outputs for InfluxDB. Each has a name for the table.
const telegrafConfiguration = `
[agent]
  interval = "1s"
  flush_interval = "500ms"
  metric_batch_size = 500
  metric_buffer_limit = 1000000
  omit_hostname = true

[[inputs.http_listener_v2]]
  service_address = "tcp://127.0.0.1:0"
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

[[outputs.influxdb_v3]]
  urls = ["%[1]s"]
  token = "any"
  database = "telegraf"
  name_prefix = "v3_"
`
