#!/bin/sh
# Installs sohost from the files beside this script, as `make install` and the packages do:
#
#	./install.sh                                  below /usr/local
#	PREFIX=/usr SYSCONFDIR=/etc DESTDIR=root ./install.sh
#
# A configuration that is there already stays as it is.
set -eu
cd "$(dirname "$0")"

DESTDIR=${DESTDIR:-} PREFIX=${PREFIX:-/usr/local} SYSCONFDIR=${SYSCONFDIR:-/etc}
# systemd looks into these folders below /usr/local as well, for units only.
case $PREFIX in
/usr) zsh=vendor-completions config=/usr/lib ;;
*) zsh=site-functions config=$SYSCONFDIR ;;
esac
UNITDIR=${UNITDIR:-$PREFIX/lib/systemd/system}

put() { # MODE FILE PATH
	install -D -m "$1" "$2" "$DESTDIR$3"
}

put 755 sohost "$PREFIX/bin/sohost"
for page in man/*.1; do
	put 644 "$page" "$PREFIX/share/man/man1/${page##*/}"
done
put 644 completions/sohost.bash "$PREFIX/share/bash-completion/completions/sohost"
put 644 completions/sohost.zsh "$PREFIX/share/zsh/$zsh/_sohost"
put 644 completions/sohost.fish "$PREFIX/share/fish/vendor_completions.d/sohost.fish"

put 644 systemd/sysusers.conf "$config/sysusers.d/sohost.conf"
put 644 systemd/tmpfiles.conf "$config/tmpfiles.d/sohost.conf"
for unit in sohost.service sohost.socket sohost-control.socket; do
	put 644 "systemd/$unit" "$UNITDIR/$unit"
done
sed -i -e "s|@BINDIR@|$PREFIX/bin|" -e "s|@SYSCONFDIR@|$SYSCONFDIR|" "$DESTDIR$UNITDIR/sohost.service"

[ -e "$DESTDIR$SYSCONFDIR/sohost/sohost.toml" ] || put 644 sohost.toml "$SYSCONFDIR/sohost/sohost.toml"
