#!/bin/sh
# The arrows of the house point down: tools/check-layers.lua holds for this tree, and finds each kind of fault in others.
. t/lib/tap.sh

check() { lua5.4 tools/check-layers.lua "$@"; }

holds 'includes and calls of src/ point down' check src

case ${SAN-} in
'') holds "symbols of $build/*.a are on their lists" check src "$build" ;;
*) pass 'symbols are looked at in a build without sanitizers' ;;
esac

# tree FILE: a tree of one sound file in each room, and FILE, which is read from stdin.
mkdir "$tmp/headers"
(cd src && find . -name '*.h' -exec cp --parents -t "$tmp/headers" {} +)
tree() {
	rm -rf "$tmp/src"
	cp -r "$tmp/headers" "$tmp/src"
	mkdir -p "$tmp/src/$(dirname "$1")"
	cat >"$tmp/src/$1"
}
# wrong FILE LINE MESSAGE: one line in a file is a fault.
wrong() {
	echo "$2" | tree "$1"
	fails "a fault: $2 in $1" check "$tmp/src"
	like "$tmp/out" "$1:1: $3" "… told with file, line and reason"
}
echo '#include "core/core.h"' | tree policy/sound.c
holds 'a tree without a fault passes' check "$tmp/src"
wrong base/x.c '#include "core/core.h"' 'base may not include "core/core.h"'
wrong core/x.c '#include "adapters/loop.h"' 'core may not include'
wrong core/x.c '#include "host/host.h"' 'core may not include'
wrong core/x.c '#include <time.h>' 'the core is pure: no <time.h>'
wrong core/x.h '  #  include <unistd.h>' 'the core is pure: no <unistd.h>'
wrong policy/x.c '#include "host/host.h"' 'policy may not include'
wrong policy/x.c '#include "adapters/loop.h"' 'policy may not include'
wrong host/x.c '#include "policy/policy.h"' 'host may not include'
wrong host/x.c '#include "core/core.h"' 'host may not include'
wrong host/x.c '#include "adapters/libevent.h"' 'host may not include'
wrong adapters/x.c '#include "core/core.h"' 'adapters may not include'
wrong shell/x.c '#include "bin/run.h"' 'shell may not include'
wrong curfew.c '#include "shell/http.h"' 'curfew may not include'
wrong host/x.c '#include <lua.h>' '<lua.h> may be seen by policy module only'
wrong curfew.c '#include <event2/event.h>' '<event2/event.h> may be seen by'
wrong policy/x.c '	lua_pcall(L, 0, 0, 0);' 'only policy/guard.c may call lua_pcall'
wrong policy/x.c '	int n = lua_resume(co, L, 0, &r);' 'only policy/guard.c may call lua_resume'
echo '/* lua_pcall(L) */ const char *s = "lua_pcall(";' | tree policy/x.c
holds 'a comment or a string is no call' check "$tmp/src"
echo '	lua_pcall(L, 0, 0, 0);' | tree policy/guard.c
holds 'guard.c may enter Lua' check "$tmp/src"
echo '' | tree attic/x.c
fails 'a room that is not drawn is a fault' check "$tmp/src"
fails 'an empty tree proves nothing' check "$tmp/nowhere"

# object ROOM CODE: archives of one empty object a room, and CODE's in ROOM.
object() {
	rm -rf "$tmp/b"
	mkdir "$tmp/b"
	for room in base core view adapters host policy curfew sim; do
		text='typedef int empty;'
		[ $room != "$1" ] || text=$2
		echo "$text" >"$tmp/b/$room.c"
		${CC:-cc} -w -c -o "$tmp/b/$room.o" "$tmp/b/$room.c" && ar rcs "$tmp/b/$room.a" "$tmp/b/$room.o"
	done
}
# leaks ROOM CODE SYMBOL
leaks() {
	object "$1" "$2"
	fails "a fault: $3 in $1.a" check "$tmp/src" "$tmp/b"
	like "$tmp/out" "$1/$1.o.*$3" '… told with the object'
}
echo '' | tree core/sound.c
object core 'unsigned long strlen(const char *); unsigned long f(char *s) { return strlen(s); }'
holds 'the core may call strlen' check "$tmp/src" "$tmp/b"
leaks core 'int write(); int f(void) { return write(1, "x", 1); }' write
leaks core 'void *malloc(); void *f(void) { return malloc(1); }' malloc
leaks core 'long cfw_time_now(); long f(void) { return cfw_time_now(); }' cfw_time_now
leaks core 'void *curfew_new(); void *f(void) { return curfew_new(0, 0); }' curfew_new
leaks base 'int socket(); int f(void) { return socket(0, 0, 0); }' socket
leaks base 'void *cfw_core_new(); void *f(void) { return cfw_core_new(0, 0); }' cfw_core_new
leaks policy 'void exit(); void f(void) { exit(1); }' exit
leaks host 'int printf(); void f(void) { printf("%d", 1); }' printf
leaks curfew 'void abort(); void f(void) { abort(); }' abort
fails 'archives that are not there prove nothing' check "$tmp/src" "$tmp/nowhere"
finish
