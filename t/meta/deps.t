#!/bin/sh
# make deps: asks apt only for what is missing, and says what it cannot do. dpkg-query, apt-get, id and sudo are stand-ins here;
# each call of apt-get and sudo leaves a line in $tmp/calls.
. t/lib/tap.sh

bin=$tmp/bin
mkdir "$bin"
# stand_in NAME: its script is read from stdin.
stand_in() {
	{
		echo '#!/bin/sh'
		cat
	} >"$bin/$1"
	chmod +x "$bin/$1"
}
deps() {
	: >"$tmp/calls"
	PATH="$bin:$PATH" CALLS="$tmp/calls" tools/deps "$@"
}
stand_in apt-get <<'E'
echo "apt-get $*" >>"$CALLS"
E
stand_in id <<'E'
echo "${FAKE_UID:-0}"
E
stand_in sudo <<'E'
echo "sudo $*" >>"$CALLS"
E

stand_in dpkg-query <<'E'
printf installed
E
holds 'nothing is missing: it ends well' deps run test lint
is "$(cat "$tmp/calls")" '' '… and apt is not asked'
is "$(deps --list run test lint)" '' '… and lists nothing'

stand_in dpkg-query <<'E'
for last; do :; done
case $last in wrk) exit 1 ;; nginx) printf config-files ;; *) printf installed ;; esac
E
is "$(deps --list run)" '' 'a set is about its own packages'
is "$(deps --list run test test | sort | tr '\n' ' ')" 'nginx wrk ' 'what is missing is told once'
FAKE_UID=1000
export FAKE_UID
holds 'a user has it installed by sudo' deps run test
is "$(cat "$tmp/calls")" 'sudo tools/deps run test' '… which is asked for the same again'
# Neither root nor sudo: a PATH where the shell's own tools are and sudo is not.
rm "$bin/sudo"
for tool in sh sed cat printf; do ln -s "$(command -v $tool)" "$bin/$tool"; done
nosudo() { env PATH="$bin" CALLS="$tmp/calls" sh tools/deps "$@"; }
: >"$tmp/calls"
fails 'without root and sudo it fails' nosudo run test
like "$tmp/out" 'as root: apt-get install.* wrk' '… and says what root would do'
is "$(cat "$tmp/calls")" '' '… and asks apt for nothing'
rm "$bin/dpkg-query"
holds 'without dpkg it leaves the matter to the build' nosudo run
like "$tmp/out" 'no Debian.* libevent-dev' '… and says what is needed'
fails 'an unknown set is an error' deps rum
like "$tmp/out" 'no set "rum"' '… that names it'
finish
