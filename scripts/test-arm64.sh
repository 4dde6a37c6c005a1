#!/usr/bin/env bash
# Builds server and plugins for arm64 and has them load, reload under load, carry state, hand over and crash under qemu-user. An argument
# says which tests to run instead of all of them.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in aarch64-linux-gnu-gcc qemu-aarch64-static; do
  command -v "$program" >/dev/null || {
    echo "$program is missing; on Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static" >&2
    exit 1
  }
done
case $(qemu-aarch64-static --version) in
*"version 7.2."*)
  echo "qemu 7.2 hangs now and then when a Go program starts its first process (golang/go#69259); 8.0 and newer don't." \
    "On Debian 12: apt-get install -t bookworm-backports qemu-user-static" >&2
  ;;
esac
exec go test -trimpath -count=1 -timeout 60m ./integration -run "${1:-TestReloadUnderLoad|TestBrokenImages|TestEmbedded|TestDeadlyInit|TestCrashes|TestHandoverState/1MB}" -v -args -arm64
