#!/usr/bin/env bash
# Makes what a release consists of: for each of ARCHITECTURES a tarball, a .deb and a bill of materials, and the checksums of all.
#
#	packaging/package.sh                                   of this repository, into build/package
#	SOURCE=clone OUT=folder ARCHITECTURES=amd64 packaging/package.sh
#
# It builds the commit of SOURCE that is checked out, in a clone: only there does the go command record which one that is. Two
# runs of it make the same files, with the same Go and the same compilers.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."

source=$(realpath "${SOURCE:-.}") out=${OUT:-build/package} go=${GO:-go}
read -ra architectures <<<"${ARCHITECTURES:-amd64 arm64}"
cyclonedx=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0
maintainer='The sohost authors <sohost@users.noreply.github.com>'
export GOFLAGS='' GOAMD64=v1 GOARM64=v8.0 LC_ALL=C TZ=UTC

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# compiler prints the C compiler for an architecture: that of this machine, or Debian's cross compiler.
compiler() {
  case $1 in
  "$($go env GOHOSTARCH)") echo "${CC:-gcc}" ;;
  amd64) echo x86_64-linux-gnu-gcc ;;
  arm64) echo aarch64-linux-gnu-gcc ;;
  *) echo "no sohost for $1: want amd64 or arm64" >&2 && return 1 ;;
  esac
}

compile() { # ARCHITECTURE FILE
  local cc
  cc=$(compiler "$1")
  command -v "$cc" >/dev/null || { echo "$cc is missing, which compiles for $1; on Debian: apt-get install gcc-${cc%-gcc}" >&2 && return 1; }
  CGO_ENABLED=1 CC=$cc GOOS=linux GOARCH=$1 \
    $go -C "$work/source" build -trimpath -buildvcs=true -ldflags='-s -w' -o "$2" ./cmd/sohost
}

# licences prints those of the program and of all modules in it: each wants to come with copies.
licences() {
  printf 'sohost, from https://github.com/sohost/sohost\n\n'
  cat "$work/source/LICENSE"
  printf '\n\nIt contains the following.\n\n\nThe Go standard library, from https://go.dev\n\n'
  cat "$($go env GOROOT)/LICENSE"
  $go version -m "$work/native" | awk '$1 == "dep" { print $2 "@" $3 }' | while read -r module; do
    dir=$($go -C "$work/source" mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
    printf '\n\n%s\n' "$module"
    found=
    for file in "$dir"/LICENSE* "$dir"/LICENCE* "$dir"/COPYING* "$dir"/NOTICE*; do
      if [ -f "$file" ]; then found=1 && printf '\n' && cat "$file"; fi
    done
    [ "$found" ] || { echo "$module has no licence" >&2 && return 1; }
  done
}

# lay_out ARCHITECTURE lays out everything that is installed, beside the script that does it.
lay_out() {
  local root=$work/$1/sohost-$version-linux-$1
  mkdir -p "$root/completions"
  compile "$1" "$root/sohost"
  cp -r "$work/man" "$work/source/packaging/systemd" "$work/source/packaging/sohost.toml" "$root"
  cp "$work/source/packaging/install.sh" "$work/source/README.md" "$work/source/CHANGELOG.md" "$work/licences" "$root"
  for shell in bash zsh fish; do "$work/native" completion $shell >"$root/completions/sohost.$shell"; done
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

tarball() {
  tar -C "$work/$1" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner -c "sohost-$version-linux-$1" |
    gzip -9n >"$work/made/sohost-$version-linux-$1.tar.gz"
}

# deb makes the Debian package of ARCHITECTURE.
deb() {
  local from=$work/$1/sohost-$version-linux-$1 root=$work/$1/deb debian=$work/source/packaging/debian doc size glibc
  DESTDIR=$root PREFIX=/usr UNITDIR=/lib/systemd/system "$from/install.sh"
  gzip -9n "$root"/usr/share/man/man1/*
  doc=$root/usr/share/doc/sohost
  install -D -m 644 "$work/licences" "$doc/licences"
  gzip -9n "$doc/licences"
  { cat "$work/source/LICENSE" && printf '\nIt contains modules of others, whose licences are in the file licences.gz beside this one. The text of the\n' &&
    printf 'Apache License, version 2.0, is also in /usr/share/common-licenses/Apache-2.0.\n'; } >"$doc/copyright"
  printf 'sohost (%s) unstable; urgency=medium\n\n  * See https://github.com/sohost/sohost/blob/main/CHANGELOG.md\n\n -- %s  %s\n' \
    "$version" "$maintainer" "$(date -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.gz"
  install -D -m 644 "$debian/lintian-overrides" "$root/usr/share/lintian/overrides/sohost"

  size=$(find "$root" -type f -printf '%s\n' | awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')
  glibc=$(readelf -W --dyn-syms "$from/sohost" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -1)
  install -d "$root/DEBIAN"
  sed -e "s|@VERSION@|$version|" -e "s|@ARCHITECTURE@|$1|" -e "s|@MAINTAINER@|$maintainer|" -e "s|@SIZE@|$size|" \
    -e "s|@GLIBC@|${glibc#GLIBC_}|" "$debian/control" >"$root/DEBIAN/control"
  echo /etc/sohost/sohost.toml >"$root/DEBIAN/conffiles"
  install -m 755 "$debian/postinst" "$debian/prerm" "$debian/postrm" "$root/DEBIAN"
  (cd "$root" && find . -type f ! -path './DEBIAN/*' ! -path ./etc/sohost/sohost.toml -printf '%P\n' | sort | xargs md5sum >DEBIAN/md5sums)
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group --threads-max=1 -Zxz --build "$root" "$work/made/sohost_${version}_$1.deb" >/dev/null
}

bill() {
  $go run -trimpath $cyclonedx bin -json -std -noserial -notimestamp -output "$work/made/sohost-$version-linux-$1.cdx.json" \
    "$work/$1/sohost-$version-linux-$1/sohost"
}

# release makes all files of ARCHITECTURE. As part of a condition it would go on after a failure, whatever set -e says.
release() {
  lay_out "$1"
  tarball "$1"
  deb "$1"
  bill "$1"
}

[ -z "$(git -C "$source" status --porcelain)" ] || echo "note: what is not committed in $source is not in the packages" >&2
git clone -q --shared "$source" "$work/source"
SOURCE_DATE_EPOCH=$(git -C "$work/source" log -1 --format=%ct)
export SOURCE_DATE_EPOCH
compile "$($go env GOHOSTARCH)" "$work/native"
"$work/native" man "$work/man"
licences >"$work/licences"

# Go's version as Debian sorts it: v1.2.0-rc.1 comes before v1.2.0.
version=$("$work/native" --version | sed 's/^sohost version v//; s/-/~/; s/-/./g')
mkdir "$work/made"
running=()
for architecture in "${architectures[@]}"; do
  release "$architecture" &
  running+=($!)
done
failed=
for process in "${running[@]}"; do wait "$process" || failed=yes; done
[ -z "$failed" ] || { echo "nothing was made; $out is as it was" >&2 && exit 1; }
(cd "$work/made" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
mkdir -p "$out"
rm -f "$out"/sohost-*-linux-*.tar.gz "$out"/sohost_*.deb "$out"/sohost-*-linux-*.cdx.json "$out"/SHA256SUMS
mv "$work"/made/* "$out"
cat "$out/SHA256SUMS"
