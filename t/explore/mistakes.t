#!/usr/bin/perl
# mistakes.t: mistakes that are put into copies of the core are found by random schedules, and what is printed of each fails again as
# a test, with the mistake, and holds without it.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $BUILD = $ENV{BUILD} || 'build';
my $MOST = 100_000; # schedules that each has to be found in
my $dir = File::Temp->newdir('curfew-mistakes-XXXXXX', TMPDIR => 1);
my $root = "$FindBin::Bin/../..";
my $flags = `pkg-config --cflags lua5.4 jansson libevent_core`;
my $libs = `pkg-config --libs libevent_core libevent_extra lua5.4 jansson`;
chomp($flags, $libs);
my $san = $ENV{SAN} ? "-fsanitize=$ENV{SAN} -fno-sanitize-recover=all" : '';
my $archives = join ' ', map { "$BUILD/$_.a" } qw(shell sim curfew view policy host adapters core base);

# name, file, what stands there, what stands there instead, the policy that shows it, the words that tell of it
my @mistakes = (
	['code', 'stop', "if (code > c->code)\n\t\tc->code = code;", 'c->code = code;', 'rules',
		'S4.3: the last code, not the highest', qr/the code of the end is/],
	['margin', 'stop', 'st->margin_ns = st->deadline_ns == CFW_NEVER ? CFW_NEVER : st->deadline_ns - st->margin_len_ns;',
		'st->margin_ns = st->deadline_ns;', 'hooks', 'S4.7: no margin', qr/S4\.12|S4\.8|never called|S4\.11/],
	["timeout", "stop", "st->deadline_ns = cfw_time_add(st->began_ns, conf->exit_timeout_ns);",
		"st->deadline_ns = cfw_time_add(st->began_ns, conf->exit_timeout_ns + CFW_SEC);", "hooks", "S4.6: the exit timeout a second late", qr/S4\.6/],
	['abort', 'stop', "cfw_hooks_all_pre_stop(c, NULL);\n\tto_all(c, CFW_SE_ABORT);", 'to_all(c, CFW_SE_ABORT);', 'rules',
		'S4.5: an abort that forgets the hooks of nobody', qr/./, 'reload'],
	['owed', 'down', "if (s->owed)\n\t\tcfw_hooks_all_pre_stop(c, s);\n\tif (draining", 'if (draining', 'deps',
		'S4.2: an abort that forgets hooks', qr/S4\.12/],
	['order', 'server', 's->blockers += cfw_server_get(c, c->edges[e - 1].from)->active;', 's->blockers += 0;', 'deps',
		'S4.1: a server does not wait for those that depend on it', qr/S4\.1:/],
	['waits', 'server', 's->blockers += cfw_server_get(c, c->edges[e - 1].to)->state != CFW_S_STARTED;',
		's->blockers += cfw_server_get(c, c->edges[e - 1].to)->state == CFW_S_DOWN;', 'deps',
		'S3.1: a server starts while what it depends on is starting', qr/S3\.1/],
	['twice', 'hooks', "if (!h || h->call_run == h->run) {\n\t\tcfw_core_late", "if (!h) {\n\t\tcfw_core_late", 'hooks', undef],
	['late-hook', 'hooks', 'return h->run == run && h->running ? h : NULL;', 'return h->running ? h : NULL;', 'deps',
		'an answer for an earlier run of a hook is taken for this one', qr/too late|twice|S4/],
	['attempt', 'core', '(!any_attempt && ev->attempt != s->attempt)', 'false', 'children',
		'an answer for an earlier start is taken for this one', qr/an answer \(of a server\)|S4|runs on/],
	['flaw', 'hooks', "if (outcome == CFW_FAILED)\n\t\tcfw_stop_flaw(c);", '', 'hooks', 'S4.9: a hook that fails leaves the code as it is',
		qr/S4\.9/],
	['backoff', 'down', "s->stop_wanted = s->retry = false;", 's->stop_wanted = false;', 'deps', undef],
	['again', 'down', 'bool again = s->after == CFW_AFTER_START && !c->stop.running;', 'bool again = s->after == CFW_AFTER_START;',
		'reload', undef],
	['leave', 'retire', "if (s->leaving || c->stop.running) /* a stop tells all of them */\n\t\treturn;", "return;", 'reload', undef],
	['reload', 'ask', "if (c->stop.running) {\n\t\tnote(c, CFW_J_REFUSED, t, d, false);", "if (false) {\n\t\tnote(c, CFW_J_REFUSED, t, d, false);",
		'reload', 'S7.4: a reload during a stop', qr/S7\.4/],
	['drop', 'retire', "core->pre_owed -= s->owed ? s->pre_hooks - s->pre_ended : 0;\n", '', 'reload', undef],
	['staged', 'registry', "while (hook && cfw_hook_get(core, hook)->staged);", "while (false);", 'reload',
		'S7.1: what is being built is seen', qr/S7\.1|S4\.12/],
	['memory', 'ask', "if (!id) { /* no memory to ask: the default, at once */\n\t\tdecide(c, &t, (struct cfw_decision){CFW_D_NONE, 0}, waiter);\n",
		"if (!id) {\n", 'rules', undef],
	['edge', 'registry', "cfw_strfree(&c->alloc, s->name);\n\t\tcfw_strfree(&c->alloc, s->kind);\n\t\tcfw_slots_del(&c->servers, id);\n\t\treturn 0;",
		"return 0;", 'deps', 'a registration that fails half way leaves something behind', qr/registered though there was no memory|./],
);

sub mutant {
	my ($name, $file, $is, $becomes) = @_;
	my $source = slurp("$root/src/core/$file.c");
	my $n = () = $source =~ /\Q$is\E/g;
	is($n, 1, "$name: its place in $file.c") or return;
	$source =~ s/\Q$is\E/$becomes/;
	spew("$dir/$name.c", $source);
	my $binary = "$dir/$name";
	my $said = `cc -std=c11 -O1 -w $san -I'$root/src' $flags -c -o '$dir/$name.o' '$dir/$name.c' 2>&1 && cc $san -Wl,--as-needed -o '$binary' $BUILD/bin/*.o $BUILD/templates.o '$dir/$name.o' $archives $libs -lpthread 2>&1`;
	is($?, 0, "$name: it compiles") or diag $said;
	return $? ? undef : $binary;
}

for (@mistakes) {
	my ($name, $file, $is, $becomes, $policy, $what, $words) = @$_;
	my $binary = mutant($name, $file, $is, $becomes) or next;
	my $path = "$FindBin::Bin/policies/$policy.lua";
	my $out = `timeout 60 '$binary' test --explore $MOST --faults --seed 1 '$path' 2>&1`;
	my ($n) = $out =~ /: (\d+) schedules from/;
	diag "$name: code $? after $n\n" . join "\n", grep { /^# / } split /\n/, $out;
}
done_testing;
