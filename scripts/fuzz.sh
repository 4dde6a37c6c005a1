#!/usr/bin/env bash
# Runs each fuzz target of the module that matches an expression in turn, for the time given. What covers something new is made
# smaller with a few tries only: where maps are gone through, whose order varies, that would take all of the time.
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-30s}
which=${2:-.}

go list -f '{{.Dir}} {{join .TestGoFiles " "}} {{join .XTestGoFiles " "}}' ./... | while read -r dir files; do
  for file in $files; do
    sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir/$file" | { grep -E "$which" || true; } | while read -r target; do
      echo "== $target (${dir#"$PWD/"})"
      (cd "$dir" && go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x . </dev/null)
    done
  done
done
