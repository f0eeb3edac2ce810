# tap.sh: TAP from sh tests; source it first: . t/lib/tap.sh (from the top of the tree, where make test stands).
# Gives $tmp, a private directory that is gone at the end, and $build and $curfew, what is under test.
tap_n=0
tap_failed=0
build=${BUILD:-build}
curfew=${CURFEW:-$PWD/$build/curfew}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# pass WORDS, fail WORDS: one check.
pass() {
	tap_n=$((tap_n + 1))
	echo "ok $tap_n - $*"
}
fail() {
	tap_n=$((tap_n + 1))
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_n - $*"
	echo "# failed: $*" >&2
}
# diag FILE: what it says, as diagnostics.
diag() { sed 's/^/# /' "$1" >&2; }
# is GOT WANT WORDS
is() {
	if [ "$1" = "$2" ]; then
		pass "$3"
	else
		fail "$3"
		printf '%s\n' "got:  $1" "want: $2" | sed 's/^/# /' >&2
	fi
}
# like FILE PATTERN WORDS: a line of FILE matches the extended regular expression.
like() {
	if grep -Eq -e "$2" "$1"; then
		pass "$3"
	else
		fail "$3"
		echo "# no line matches: $2" >&2
		diag "$1"
	fi
}
# holds WORDS COMMAND…: the command ends with 0; what it printed is in $tmp/out either way.
holds() {
	tap_words=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		pass "$tap_words"
	else
		fail "$tap_words"
		diag "$tmp/out"
	fi
}
# fails WORDS COMMAND…: the other way round.
fails() {
	tap_words=$1
	shift
	if "$@" >"$tmp/out" 2>&1; then
		fail "$tap_words"
		diag "$tmp/out"
	else
		pass "$tap_words"
	fi
}
# until_true SECONDS COMMAND…: poll a condition; 1 when it did not come true in time.
until_true() {
	tap_end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt $tap_end ] || return 1
		sleep 0.02
	done
}
# skip_all WORDS: before the first check only.
skip_all() {
	echo "1..0 # SKIP $*"
	exit 0
}
# The last line of a test.
finish() {
	echo "1..$tap_n"
	[ $tap_failed = 0 ] && [ $tap_n -gt 0 ]
	exit
}
