#!/usr/bin/env bash
# test-telegraf.sh builds a real Telegraf from its module, with the plugins that are needed, and runs scripts/job through it. It stays below build/.
set -euo pipefail
cd "$(dirname "$0")/.."

go=${GO:-go} version=v1.37.2 folder=$PWD/build/telegraf
if [ ! -x "$folder/telegraf-$version" ]; then
  mkdir -p "$folder"
  printf 'module telegraf\n' >"$folder/go.mod"
  tags=custom,inputs.http_listener_v2,parsers.influx,serializers.influx,outputs.influxdb,outputs.influxdb_v2
  (
    cd "$folder"
    "$go" get "github.com/influxdata/telegraf/cmd/telegraf@$version"
    "$go" build -trimpath -tags "$tags" -o "telegraf-$version" github.com/influxdata/telegraf/cmd/telegraf
  )
fi
exec "$go" run -trimpath ./scripts/job -telegraf "$folder/telegraf-$version" -lasts "${LASTS:-60s}" -reloads 20 -handovers 5
