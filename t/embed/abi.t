#!/usr/bin/perl
# abi.t: programs that were compiled with an older header go on to work: abi-0.inc has what they rely on, from the first one of this
# soname on, and what has been added since. Nothing of it may be changed or left out; tools/abi.lua HEADER >t/embed/abi-0.inc takes in
# what is new.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

use Config;

plan skip_all => 'the facts are those of 64 bits' if $Config{ptrsize} != 8;
my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
my $kept = 't/embed/abi-0.inc';
spew("$dir/abi.c", <<"C" . slurp($kept));
#include <stddef.h>
#include "curfew.h"
#define SAME(a, b) _Static_assert(__builtin_types_compatible_p(a, b), "it has another type")
#define FIELD(s, f, at, type) SAME(__typeof__(((s *)0)->f), __typeof__(type)); _Static_assert(offsetof(s, f) == at, "it has moved")
#define SIZE(s, n) _Static_assert(sizeof(s) == n, "it has grown, and has no size field")
#define GROWS(s, n) _Static_assert(sizeof(s) >= n, "it has shrunk")
#define VALUE(v, n) _Static_assert((long long)(v) == n, "it has another value")
#define TYPE(t, type) SAME(t, __typeof__(type))
#define FUNCTION(f, type) SAME(__typeof__(f), __typeof__(type))
C

# (does it hold with this header, what the compiler says)
sub holds {
	my ($header) = @_;
	mkdir "$dir/include";
	spew("$dir/include/curfew.h", $header);
	my $said = `cc -std=gnu11 -fsyntax-only -I$dir/include $dir/abi.c 2>&1`;
	return ($? == 0, $said);
}
# What the header has, line by line.
sub facts {
	my ($header) = @_;
	spew("$dir/header.h", $header);
	my $facts = `cd $dir && lua5.4 $FindBin::Bin/../../tools/abi.lua header.h 2>&1`;
	return $facts;
}
# New fields of a struct lie behind all that older programs have, their padding included: it may be anything. Those that do not.
sub in_padding {
	my ($old, $new) = @_;
	my %size = $old =~ /^GROWS\((.*?), (\d+)\);/mg;
	my %known = map { $_ => 1 } $old =~ /^(FIELD.*)$/mg;
	return grep { !$known{$_} and /^FIELD\((.*?), \w+, (\d+),/ and exists $size{$1} and $2 < $size{$1} } $new =~ /^(FIELD.*)$/mg;
}

my $header = slurp('src/include/curfew.h');
my ($ok, $said) = holds($header);
ok($ok, 'what programs rely on holds') or diag $said;
is(facts($header), slurp($kept), 'and there is nothing new that nobody keeps') or diag "tools/abi.lua src/include/curfew.h >$kept";

# Each kind of change that would break programs is seen.
for (
	['a field left out', qr/^\tvoid \*ud; +\/\* of these \*\/\n/m, ''],
	['a field in the middle', qr/^(\tcurfew_log_fn \*log;)/m, "\tint more;\n\tlong and_more;\n\t\$1"],
	['a field of another type', qr/^\tuint64_t exit_timeout_ns;/m, "\tint64_t exit_timeout_ns;"],
	['two fields changed about', qr/^\tint code; [^\n]*\n\tint sys_errno; [^\n]*\n/m, "\tint sys_errno;\n\tint code;\n"],
	['a callback with one argument more', qr/\(\*on_lame\)\(void \*ud, bool on\)/, '(*on_lame)(void *ud, bool on, int why)'],
	['a callback type that returns nothing', qr/^typedef struct curfew_decision curfew_rule_fn/m, 'typedef void curfew_rule_fn'],
	['a struct without a size that grows', qr/^(struct curfew_decision \{)/m, "\$1\n\tlong extra;"],
	['an enumerator in the middle', qr/^\tCURFEW_ABORT,$/m, "\tCURFEW_LATER,\n\tCURFEW_ABORT,"],
	['an error with another number', qr/CURFEW_ELUA = -9/, 'CURFEW_ELUA = -19'],
	['a macro with another value', qr/#define CURFEW_NEVER UINT64_MAX/, '#define CURFEW_NEVER 0'],
	['a function left out', qr/^CURFEW_API int curfew_stop\([^\n]*\n/m, ''],
	['a function with another argument', qr/curfew_exit\(struct curfew \*c, int code\)/, 'curfew_exit(struct curfew *c, long code)'],
	['a function that returns something else', qr/^CURFEW_API int curfew_fd\(/m, 'CURFEW_API long curfew_fd('],
) {
	my ($what, $from, $to) = @$_;
	my $changed = $header;
	ok($changed =~ s/$from/my ($all, $one) = ($to, $1); $all =~ s{\$1}{$one}r/e, "$what: it can be tried");
	ok(!(holds($changed))[0], "$what is seen");
}
# What may grow.
for (
	['a field at the end of a struct with a size', qr/^(\tbool \(\*leader\)[^\n]*\n)/m, "\$1\tuint64_t more;\n"],
	['an enumerator at the end', qr/^\tCURFEW_IGNORE$/m, "\tCURFEW_IGNORE,\n\tCURFEW_LATER"],
	['a function', qr/^(CURFEW_API int curfew_stop\([^\n]*\n)/m, "CURFEW_API int curfew_more(struct curfew *c);\n\$1"],
) {
	my ($what, $from, $to) = @$_;
	my $changed = $header;
	ok($changed =~ s/$from/my ($all, $one) = ($to, $1); $all =~ s{\$1}{$one}r/e, "$what: it can be tried");
	($ok, $said) = holds($changed);
	ok($ok, "$what may be added") or diag $said;
	my $facts = facts($changed);
	isnt($facts, slurp($kept), "$what is to be kept from then on");
	is(join("\n", in_padding(slurp($kept), $facts)), '', "$what: and is in nobody's way");
}
(my $padded = $header) =~ s/^(\tbool watch; [^\n]*\n)/$1\tbool more;\n/m;
like(join("\n", in_padding(slurp($kept), facts($padded))), qr/curfew_options, more/, 'a field in what was padding is seen');
done_testing;
