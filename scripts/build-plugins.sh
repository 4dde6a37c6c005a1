#!/bin/sh
# Builds sohost, and with it every plugin below plugins/ into build/plugins/. Arguments go to "sohost build":
#
#	scripts/build-plugins.sh                  all plugins
#	scripts/build-plugins.sh --jobs 1 -v      one after the other, naming what is compiled
#	GO=/opt/go/bin/go scripts/build-plugins.sh
set -eu

cd "$(dirname "$0")/.."
go=${GO:-go}

# -trimpath matters: with it, plugins built in any directory or repository fit the host. The go command finds out by itself
# whether there is anything to do.
"$go" build -trimpath -o build/sohost ./cmd/sohost

# A directory with a package main directly in it is a plugin.
set -- "$@" --
for dir in plugins/*/; do
	if grep -qs '^package main' "$dir"*.go; then
		set -- "$@" "./${dir%/}"
	fi
done

PATH="$(dirname "$(command -v "$go")"):$PATH" exec build/sohost build "$@"
