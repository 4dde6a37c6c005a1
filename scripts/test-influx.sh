#!/usr/bin/env bash
# test-influx.sh tests with a real InfluxDB, from its module, and a real VictoriaMetrics, from the machine or else from Debian's package. It
# puts them below build/ and starts no service.
set -euo pipefail
cd "$(dirname "$0")/.."

servers=$PWD/build/influx
mkdir -p "$servers"
influxd=$(scripts/build-influxdb.sh)
victoria=$(command -v victoria-metrics || echo "$servers/usr/bin/victoria-metrics")
if [ ! -x "$victoria" ]; then
  (cd "$servers" && apt-get download -q victoria-metrics && dpkg -x victoria-metrics_*.deb . && rm victoria-metrics_*.deb)
fi
"${GO:-go}" test -trimpath -count=1 -timeout 20m -run 'TestQuery(InfluxDB|Prometheus)' -v ./integration -args -influxd "$influxd" -victoria "$victoria"
exec "${GO:-go}" test -trimpath -count=1 -timeout 20m -run TestReal -v ./internal/sinks -args -influxd "$influxd" -victoria "$victoria" -down "${DOWN:-60s}"
