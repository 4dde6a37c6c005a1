#!/usr/bin/env bash
# build-telegraf.sh builds a real Telegraf from its module, with the few of its plugins that are needed, below build/, unless it is there. It
# prints the program's path.
set -euo pipefail
cd "$(dirname "$0")/.."

go=${GO:-go} version=v1.39.3 folder=$PWD/build/telegraf
if [ ! -x "$folder/telegraf-$version" ]; then
  mkdir -p "$folder"
  printf 'module telegraf\n' >"$folder/go.mod"
  tags=custom,inputs.http_listener_v2,parsers.influx,serializers.influx,outputs.influxdb,outputs.influxdb_v2,outputs.influxdb_v3
  tags=$tags,outputs.file,processors.starlark,processors.execd
  (
    cd "$folder"
    "$go" get "github.com/influxdata/telegraf/cmd/telegraf@$version"
    "$go" build -trimpath -tags "$tags" -o "telegraf-$version" github.com/influxdata/telegraf/cmd/telegraf
  ) >&2
fi
echo "$folder/telegraf-$version"
