#!/bin/sh
# What runs the tests: a time limit, the test's own code, and nothing left behind, whatever it did to hide.
. t/lib/tap.sh

bound=$build/t/bound
[ -x "$bound" ] || skip_all "no $bound"

# ends WITH WORDS ARG…: bound's exit code; what it printed is in $tmp/out.
ends() {
	want=$1 words=$2
	shift 2
	"$bound" "$@" >"$tmp/out" 2>&1
	is $? "$want" "$words"
}
# gone: the process whose id is in $tmp/pid is no more.
gone() { ! kill -0 "$(cat "$tmp/pid")" 2>/dev/null; }

ends 0 'a test that passes' 10 true
ends 3 'a test that fails' 10 sh -c 'exit 3'
ends 139 'a test that a signal ended' 10 sh -c 'kill -SEGV $$'
ends 127 'a test that cannot be run' 10 "$tmp/nothing"
like "$tmp/out" 'No such file' '… and why'
ends 124 'a test that does not end' 0.2 sh -c "echo \$\$ >$tmp/pid; exec sleep 100"
like "$tmp/out" 'not ended after 0.2 s' '… is told'
holds '… and is gone' gone
ends 125 'a process left behind fails the test' 10 sh -c "sleep 100 & echo \$! >$tmp/pid"
like "$tmp/out" 'left behind: [0-9]+ \(sleep\)' '… is named'
holds '… and is gone' gone
ends 125 'one in a session of its own as well' 10 setsid -f sh -c "echo \$\$ >$tmp/pid; sleep 100"
holds '… and is gone' gone
ends 0 'what ends a little later is fine' 10 sh -c 'sleep 0.1 &'
ends 2 "the test's own code comes first" 10 sh -c 'sleep 100 & exit 2'

rm -f "$tmp/pid"
"$bound" 100 sh -c "echo \$\$ >$tmp/pid.tmp; mv $tmp/pid.tmp $tmp/pid; exec sleep 100" 2>/dev/null &
until_true 10 test -s "$tmp/pid"
kill -TERM $!
wait $!
is $? 143 'told to end, it ends'
holds '… and the test with it' gone
finish
