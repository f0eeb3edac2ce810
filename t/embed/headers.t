#!/bin/sh
# The public headers, each alone, as C11 and C++17, without a warning.
. t/lib/tap.sh

command -v g++ >/dev/null || skip_all 'no g++'
flags="-fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -D_GNU_SOURCE -Isrc/include"
glib=$(pkg-config --cflags glib-2.0)
for header in src/include/*.h; do
	# shellcheck disable=SC2086
	holds "${header##*/} is C11" gcc -std=c11 $flags $glib -x c "$header"
	# shellcheck disable=SC2086
	holds "${header##*/} is C++17" g++ -std=c++17 $flags $glib -x c++ "$header"
done
echo 'int x = "no";' >"$tmp/wrong.h"
# shellcheck disable=SC2086
fails 'a header that is wrong is seen' gcc -std=c11 $flags -x c "$tmp/wrong.h"
finish
