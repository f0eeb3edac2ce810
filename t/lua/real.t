#!/bin/sh
# The Lua layer on the real core: real.lua is a policy, and a test. Its own end, os.exit, is a stop.
curfew=${CURFEW:-build/curfew}
[ -x "$curfew" ] || { echo "1..0 # SKIP $curfew is not built"; exit 0; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
DIR=$dir "$curfew" run --log-level warn t/lua/real.lua
