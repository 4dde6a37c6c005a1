#!/usr/bin/env bash
# Builds server and plugins for arm64 and has them load, reload under load, carry state, hand over and crash under qemu-user.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in aarch64-linux-gnu-gcc qemu-aarch64-static; do
  command -v "$program" >/dev/null || {
    echo "$program is missing; on Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static" >&2
    exit 1
  }
done
exec go test -trimpath -count=1 -timeout 60m ./integration -run 'TestReloadUnderLoad|TestBrokenImages|TestEmbedded|TestDeadlyInit|TestCrashes|TestHandoverState/1MB' -v -args -arm64
