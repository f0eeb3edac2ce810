#!/usr/bin/perl
# mistakes.t: mistakes that are put into copies of the core are found by random schedules, and what is printed of each fails again as
# a test: with the mistake, and not without it.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $MOST = 100_000; # schedules in which each has to be found
my $BUILD = $ENV{BUILD} || 'build';
my $dir = File::Temp->newdir('curfew-mistakes-XXXXXX', TMPDIR => 1);
my $san = $ENV{SAN} ? "-fsanitize=$ENV{SAN} -fno-sanitize-recover=all" : '';
my $cflags = `pkg-config --cflags libevent_core lua5.4 jansson`;
my $libs = `pkg-config --libs libevent_core libevent_extra lua5.4 jansson`;
chomp($cflags, $libs);
my $archives = join ' ', map { "$BUILD/$_.a" } qw(shell sim curfew view policy host adapters core base);

# what is wrong; file of src/core; what stands there; what stands there instead; the policy; what is said of it
my @mistakes = (
	['S3.1: who starts does not wait for what it depends on', 'server',
		'cfw_server_get(c, c->edges[e - 1].to)->state != CFW_S_STARTED;',
		'cfw_server_get(c, c->edges[e - 1].to)->state == CFW_S_DOWN;', 'deps', qr/S3\.1: /],
	['S4.1: who stops does not wait for what depends on it', 'server',
		's->blockers += cfw_server_get(c, c->edges[e - 1].from)->active;', 's->blockers += 0;', 'deps', qr/S4\.1: /],
	['S4.3: the last code counts, not the highest', 'stop', "if (code > c->code)\n\t\tc->code = code;", 'c->code = code;', 'rules',
		qr/the code of the end is \d+, it has to be at least/],
	['S4.5: an abort forgets the global hooks', 'stop', "cfw_hooks_all_pre_stop(c, NULL);\n\tto_all(c, CFW_SE_ABORT);",
		'to_all(c, CFW_SE_ABORT);', 'hooks', qr/S4\.12: /],
	['S4.2: an abort forgets the hooks of servers', 'down', "if (s->owed)\n\t\tcfw_hooks_all_pre_stop(c, s);\n\tif (draining",
		'if (draining', 'deps', qr/S4\.12: /],
	['S4.6: the end comes a second later', 'stop', 'cfw_time_add(st->began_ns, conf->exit_timeout_ns);',
		'cfw_time_add(st->began_ns, conf->exit_timeout_ns + CFW_SEC);', 'hooks', qr/S4\.6: /],
	['S4.6: a hook asks for more than there is', 'stop', 'end_ns = cfw_time_min(want, st->limit_ns);', 'end_ns = want;', 'hooks',
		qr/S4\.6: the end was moved past max_exit_timeout/],
	['S4.7: there is no margin', 'stop', 'CFW_NEVER : st->deadline_ns - st->margin_len_ns;', 'CFW_NEVER : st->deadline_ns;', 'hooks',
		qr/S4\.7: /],
	['S4.9: a hook fails, and the code stays 0', 'hooks', "if (outcome == CFW_FAILED)\n\t\tcfw_stop_flaw(c);", '', 'hooks', qr/S4\.9: /],
	['an answer counts for a later run of its hook', 'hooks', 'return h->run == run && h->running ? h : NULL;',
		'return h->running ? h : NULL;', 'deps', qr/an answer \(of a hook\) that comes (too late|twice)/],
	['an answer counts for a later start of its server', 'core', '(!any_attempt && ev->attempt != s->attempt)', 'false', 'children', qr/./],
	['S7.1: a policy that is being built is seen', 'registry', 'while (hook && cfw_hook_get(core, hook)->staged);', 'while (false);',
		'reload', qr/S7\.1: /],
	['S7.2: who has left the policy runs on', 'retire', "if (s->leaving || c->stop.running) /* a stop tells all of them */\n\t\treturn;",
		'return;', 'reload', qr/S7\.2: .* has left the policy/],
	['memory ends: a hook is half there', 'registry', "cfw_strfree(&c->alloc, h->where);\n\t\tcfw_slots_del(&c->hooks, id);",
		'cfw_strfree(&c->alloc, h->where);', 'hooks', qr/registered though there was no memory/],
	['memory ends: a trigger that cannot be asked about is lost', 'ask', "decide(c, &t, (struct cfw_decision){CFW_D_NONE, 0}, waiter);\n",
		"\n", 'rules', qr/somebody|does not end|S\d/],
);

# The binary with the mistake in it, or undef.
sub mutant {
	my ($i, $file, $is, $becomes) = @_;
	my $source = slurp("src/core/$file.c");
	is(scalar(() = $source =~ /\Q$is\E/g), 1, "its place in $file.c") or return;
	$source =~ s/\Q$is\E/$becomes/;
	spew("$dir/$i.c", $source);
	my $said = `{ cc -std=c11 -O1 -w $san -Isrc $cflags -c -o '$dir/$i.o' '$dir/$i.c' &&
		cc $san -Wl,--as-needed -o '$dir/$i' $BUILD/bin/*.o $BUILD/templates.o '$dir/$i.o' $archives $libs -lpthread; } 2>&1`;
	is($?, 0, 'it compiles') or diag $said;
	return $? ? undef : "$dir/$i";
}

sub run {
	my ($command) = @_;
	my $out = `timeout 120 $command 2>&1`;
	return ($? & 127 ? "signal $?" : $? >> 8, $out);
}

for my $i (0 .. $#mistakes) {
	my ($what, $file, $is, $becomes, $policy, $words) = @{ $mistakes[$i] };
	my $binary = mutant($i, $file, $is, $becomes) or next;
	my $path = "$FindBin::Bin/policies/$policy.lua";
	my ($code, $out) = run("'$binary' test --explore $MOST --faults --seed 1 '$path'");
	is($code, 1, "$what: it is found") or diag $out;
	my ($said) = $out =~ /^# (.*)/m;
	like($said, $words, 'and told as what it is');
	my ($n) = $out =~ /^not ok 1 - .*: (\d+) schedules/m;
	my ($test) = $out =~ /^# as a test:\n((?:# .*\n)+?# \}\)\n)/m;
	ok($test, 'it is printed as a test') or diag $out;
	$test =~ s/^# //mg;
	note "$what: found in $n schedules: $said";
	spew("$dir/${i}_test.lua", $test);
	($code, $out) = run("'$binary' test '$dir/${i}_test.lua'");
	is($code, 1, 'which fails again') or diag $out;
	like($out, qr/^not ok 1 - .*\n# \Q$said\E$/m, 'in the same words');
	($code, $out) = run("'$BIN' test '$dir/${i}_test.lua'");
	is($code, 0, 'and holds without the mistake') or diag $out;
}
done_testing;
