#!/bin/sh
# Builds build/sohost, and says how far it is while much is to be compiled.
set -eu

cd "$(dirname "$0")/.."
go=${GO:-go}
mkdir -p build

# The go command prints each package that it compiles. How many there are at most it knows before.
packages=" $("$go" list -deps ./cmd/sohost | tr '\n' ' ')"
all=$(echo "$packages" | wc -w)
terminal=
if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then
	terminal=yes
fi
{
	code=0
	"$go" build -v -trimpath -o build/sohost ./cmd/sohost 2>&1 || code=$?
	echo "exit $code"
} | {
	n=0
	while IFS= read -r line; do
		case $packages in
		*" $line "*)
			n=$((n + 1))
			if [ $terminal ]; then
				printf '\r\033[Kbuilding sohost, package %d of at most %d: %.40s' $n "$all" "$line" >&2
			elif [ $((n % 50)) = 1 ]; then
				echo "building sohost, package $n of at most $all: $line" >&2
			fi
			continue
			;;
		esac
		if [ $terminal ] && [ $n -gt 0 ]; then
			printf '\r\033[K' >&2
		fi
		case $line in
		"exit "*) exit "${line#exit }" ;;
		*) echo "$line" >&2 ;;
		esac
	done
}
