#!/usr/bin/env bash
# Runs the tests of what depends on the Go release, with the newest of each that slim images are made for. The arguments are others, such
# as go1.27; a release that isn't here is fetched.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- go1.26 go1.27
os_arch=$(go env GOOS)-$(go env GOARCH)
known=$(go list -m -versions golang.org/toolchain | tr ' ' '\n')
for release in "$@"; do
  newest=$(sed -n "s/^v0\.0\.1-\($release\.[0-9]*\)\.$os_arch\$/\1/p" <<<"$known" | sort -V | tail -1)
  [ -n "$newest" ] || { echo "there is no $release for $os_arch" >&2; exit 1; }
  echo "== $newest"
  export GOTOOLCHAIN=$newest
  go test -trimpath -short -vet=off -timeout 30m ./generations ./native/... ./internal/goobj ./internal/slim ./internal/state ./internal/build ./scripts/keep
  go test -trimpath -vet=off -timeout 30m ./internal/build -run 'TestSlimOnRichHost|TestLinknameRefused' # skipped by -short
  go test -trimpath -short -vet=off -timeout 30m ./integration -run 'TestReloadUnderLoad|TestEmbedded|TestForeignModule|TestContract$|TestCrashes'
done
