#!/usr/bin/env bash
# build-influxdb.sh builds a real InfluxDB from its module, the last that has Flux and needs no Rust, below build/, unless it is there. It
# prints the program's path.
set -euo pipefail
cd "$(dirname "$0")/.."

go=${GO:-go} version=v1.7.11 folder=$PWD/build/influx
if [ ! -x "$folder/influxd-$version" ]; then
  mkdir -p "$folder"
  printf 'module influxd\n' >"$folder/go.mod"
  (
    cd "$folder"
    "$go" get "github.com/influxdata/influxdb/cmd/influxd@$version"
    "$go" build -trimpath -o "influxd-$version" github.com/influxdata/influxdb/cmd/influxd
  ) >&2
fi
echo "$folder/influxd-$version"
