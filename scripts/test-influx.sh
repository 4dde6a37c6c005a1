#!/usr/bin/env bash
# test-influx.sh tests with a real InfluxDB and a real VictoriaMetrics, from Debian's packages. It unpacks them below build/ and starts no service.
set -euo pipefail
cd "$(dirname "$0")/.."

servers=$PWD/build/influx
mkdir -p "$servers"

# fetch PROGRAM PACKAGE: sets the variable of that name to the program, from the machine or from the package.
fetch() {
  if command -v "$1" >/dev/null; then
    command -v "$1"
    return
  fi
  if [ ! -x "$servers/usr/bin/$1" ]; then
    (cd "$servers" && apt-get download -q "$2" >&2 && dpkg -x "$2"_*.deb . && rm "$2"_*.deb)
  fi
  echo "$servers/usr/bin/$1"
}

INFLUXD=$(fetch influxd influxdb) VICTORIA=$(fetch victoria-metrics victoria-metrics)
"${GO:-go}" test -trimpath -count=1 -timeout 20m -run TestQueryInfluxDB -v ./integration -args -influxd "$INFLUXD"
exec "${GO:-go}" test -trimpath -count=1 -timeout 20m -run TestReal -v ./internal/sinks -args -influxd "$INFLUXD" -victoria "$VICTORIA" -down "${DOWN:-60s}"
