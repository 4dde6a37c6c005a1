#!/bin/sh
# Builds sohost, and then every plugin below plugins/ into build/plugins/. Arguments are passed to "sohost build":
#
#	scripts/build-plugins.sh                  build all plugins
#	scripts/build-plugins.sh --jobs 1 -v      one at a time, printing what is compiled
#	GO=/opt/go/bin/go scripts/build-plugins.sh
set -eu

cd "$(dirname "$0")/.."
go=${GO:-go}

# With -trimpath, plugins built in any directory or repository fit the host. The go command skips what is up to date.
scripts/build-host.sh

# A directory that contains a package main is a plugin.
set -- "$@" --
for dir in plugins/*/; do
	if grep -qs '^package main' "$dir"*.go; then
		set -- "$@" "./${dir%/}"
	fi
done

PATH="$(dirname "$(command -v "$go")"):$PATH" exec build/sohost build "$@"
