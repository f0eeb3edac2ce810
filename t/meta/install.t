#!/bin/sh
# make install and make uninstall, under a DESTDIR of our own.
. t/lib/tap.sh

[ -x "$curfew" ] || skip_all "no $curfew"
make() { command make --no-print-directory BUILD="$build" SAN="${SAN-}" DESTDIR="$tmp/root" "$@"; }
unset MAKEFLAGS MAKELEVEL MFLAGS

holds 'install ends well' make PREFIX=/opt/c install
cd "$tmp/root" || exit 1
find . -type f | sort >"$tmp/files"
cd "$OLDPWD" || exit 1
like "$tmp/files" '^\./opt/c/bin/curfew$' 'the binary is there'
[ -x "$tmp/root/opt/c/bin/curfew" ] && pass 'it may be run' || fail 'it may be run'
like "$tmp/files" '^\./opt/c/share/man/man1/curfew\.1$' 'curfew(1) is there'
like "$tmp/files" '^\./opt/c/share/man/man1/curfew-check\.1$' 'curfew-check(1) is there'
like "$tmp/files" '^\./opt/c/share/man/man5/curfew-policy\.5$' 'curfew-policy(5) is there'
like "$tmp/files" '^\./opt/c/share/doc/curfew/LICENSE$' 'the licence is there'
for example in examples/*.lua; do
	like "$tmp/files" "^\\./opt/c/share/curfew/$example\$" "$example is there"
done
for file in bash-completion/completions/curfew zsh/site-functions/_curfew fish/vendor_completions.d/curfew.fish; do
	like "$tmp/files" "^\\./opt/c/share/$file\$" "$file is there"
done
for file in curfew.lua sim.lua luacheckrc; do
	like "$tmp/files" "^\\./opt/c/share/curfew/meta/$file\$" "the annotations: $file is there"
done
is "$(grep -cv '^\./opt/c/' "$tmp/files")" 0 'nothing lies outside PREFIX'
holds 'the installed binary runs' "$tmp/root/opt/c/bin/curfew" version
like "$tmp/out" "$(sed -n 's/.*CURFEW_VERSION "\(.*\)"/\1/p' src/version.h)" '… and tells its version'

holds 'uninstall ends well' make PREFIX=/opt/c uninstall
is "$(find "$tmp/root" -type f)" '' '… and no file is left'
finish
