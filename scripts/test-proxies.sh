#!/usr/bin/env bash
# test-proxies.sh tests behind nginx and haproxy, of Debian's packages, which it installs if they are missing. It starts no service.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
for program in nginx haproxy; do
  [ -x "/usr/sbin/$program" ] || command -v "$program" >/dev/null || missing+=("$program")
done
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update -q
  # In runlevel 1 a package starts nothing.
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
fi
exec "${GO:-go}" test -trimpath -count=1 -timeout 20m -run TestProxies -v ./integration -args -proxies "${LASTS:-60s}" -pause 1ms
