#!/usr/bin/perl
# completions.t: what the shells complete is what curfew understands, and all of it; in bash it is tried.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $curfew = $Curfew::BIN =~ m{^/} ? $Curfew::BIN : "$FindBin::Bin/../../$Curfew::BIN";

# As the binary says it: { command => { option => 1 } }.
my %commands;
$commands{$1} = {} while `$curfew help` =~ /^  curfew (\w+)/mg;
for my $command (keys %commands) {
	my $help = `$curfew help $command`;
	my ($usage) = $help =~ /^usage: (.*)/m;
	my %all = map { $_ => 1 } ("$usage\n" . join("\n", $help =~ /^ {2,6}(-[\w-]+(?:, --[\w-]+)?)/mg)) =~ /(?:^|[\s\[|,])(--[a-z][\w-]*)/mg;
	delete $all{'--help'};
	$commands{$command} = \%all;
}
cmp_ok(scalar(keys %commands), '>=', 19, 'curfew help names commands');
ok($commands{run}{'--black-box'} && $commands{timeline}{'--file'} && $commands{test}{'--explore'}, 'and curfew help COMMAND their options');

# Of a file: the options that it gives to each command.
my %of = (
	'curfew.bash' => sub {
		my ($text) = @_;
		my ($client) = $text =~ /local client="([^"]*)"/;
		my %found;
		my ($cases) = $text =~ /if \[\[ \$cur == -\* \]\]; then\s+case \$command in(.*?)esac/s;
		while ($cases =~ /^\t\t([\w| ]+)\) _curfew_words "([^"]*)"/mg) {
			my ($names, $words) = ($1, $2);
			$words =~ s/\$client/$client/;
			$found{$_} = { map { $_ => 1 } grep { /^--./ } split ' ', $words } for split / *\| */, $names;
		}
		my ($list) = $text =~ /local commands="([^"]*)"/;
		$found{$_} //= {} for split ' ', $list;
		return \%found;
	},
	'_curfew' => sub {
		my ($text) = @_;
		my ($client) = $text =~ /^\tclient=\((.*)\)$/m;
		my ($list) = $text =~ /commands=\((.*?)\n\t\)/s;
		my %found = map { $_ => {} } $list =~ /'(\w+):/g;
		my ($cases) = $text =~ /case \$words\[1\] in(.*)esac/s;
		while ($cases =~ /^\t([\w| ]+)\)\s*(.*?);;/msg) {
			my ($names, $words) = ($1, $2);
			$words =~ s/\$client/$client/;
			my %options = map { $_ => 1 } $words =~ /(--[a-z][\w-]*)/g;
			$found{$_} = {%options} for split / *\| */, $names;
		}
		return \%found;
	},
	'curfew.fish' => sub {
		my ($text) = @_;
		my %found = map { $_ => {} } $text =~ /-n __curfew_needs_command -a (\w+)/g;
		my ($clients) = $text =~ /^set -l clients (.*)$/m;
		$text =~ s/\$clients/$clients/g;
		while ($text =~ /^complete -c curfew -n ["']__curfew_is ([\w ]+)["'](?: -s \w)? -l ([\w-]+)/mg) {
			my ($names, $option) = ($1, $2);
			$found{$_}{"--$option"} = 1 for split ' ', $names;
		}
		return \%found;
	},
);
for my $file (sort keys %of) {
	my $found = $of{$file}->(slurp("completions/$file"));
	is(join(' ', sort keys %$found), join(' ', sort keys %commands), "$file: the commands that there are");
	for my $command (sort keys %commands) {
		delete $found->{$command}{'--help'};
		is(join(' ', sort keys %{ $found->{$command} }), join(' ', sort keys %{ $commands{$command} }), "$file: the options of $command");
	}
}

# ---- in bash

my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
spew("$dir/$_", '') for 'policy.lua', 'other.txt';
mkdir "$dir/sub";
my $script = <<'BASH';
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
compopt() { :; }
_curfew
printf '%s\n' "${COMPREPLY[@]}"
BASH
sub completes {
	my (@words) = @_;
	my $pid = open(my $out, '-|') // die "fork: $!";
	if (!$pid) {
		my $here = "$FindBin::Bin/../..";
		$here = POSIX::getcwd() . "/$here" unless $here =~ m{^/};
		chdir "$dir" or POSIX::_exit(99);
		exec 'bash', '--norc', '-c', $script, 'bash', "$here/completions/curfew.bash", $curfew, @words or POSIX::_exit(98);
	}
	my @lines = grep { length } map { chomp; s/ +$//r } <$out>;
	close $out;
	return join ' ', sort @lines;
}
SKIP: {
	skip 'bash is not installed', 1 if system 'command -v bash >/dev/null';
	is(completes('st'), 'status stop', 'bash: commands');
	is(completes('run', '--log-l'), '--log-level', 'bash: an option');
	is(completes('run', '--log-level', ''), 'debug error info warn', 'bash: its values');
	is(completes('run', ''), 'policy.lua sub/', 'bash: policies and folders, nothing else');
	is(completes('init', '--for', 'n'), 'nginx node', 'bash: stacks');
	is(completes('plan', '--format', 's'), 'svg', 'bash: forms of the plan');
	is(completes('check', '--format', 's'), 'sarif', 'bash: forms of findings');
	is(completes('trigger', 'SIGT'), 'SIGTERM', 'bash: triggers');
	is(completes('timeline', '--'), join(' ', sort '--file', '--help', '--json', '--socket', '--svg', '--trace'), 'bash: of one command only what it knows');
	is(completes('server', ''), 'restart start stop', 'bash: what to do with a server');
	is(completes('server', 'stop', '-s', "$dir/none", ''), '', 'bash: nobody answers: nothing, and no message');

	my $r = curfew(before => ['--control', 'control.sock'], policy => <<'LUA');
local curfew = require "curfew"
for _, name in ipairs { "web", "worker", "db" } do curfew.server { name = name, start = function() end } end
LUA
	$r->wait_log(qr/started 3 servers/);
	my $socket = "$r->{dir}/control.sock";
	is(completes('server', 'stop', '-s', $socket, 'w'), 'web worker', 'bash: servers of the curfew that answers there');
	is(completes('skip', '--socket', $socket, ''), 'db web worker', 'bash: all of them');
	local $ENV{CURFEW_SOCKET} = $socket;
	is(completes('skip', 'd'), 'db', 'bash: $CURFEW_SOCKET');
	$r->signal('TERM');
	$r->wait_exit;
}
for (['zsh', '-n', 'completions/_curfew'], ['fish', '-n', 'completions/curfew.fish']) {
	my ($shell, @args) = @$_;
	SKIP: {
		skip "$shell is not installed", 1 if system "command -v $shell >/dev/null";
		is(system($shell, @args), 0, "$shell: it can be read");
	}
}
SKIP: {
	skip 'fish is not installed', 1 if system 'command -v fish >/dev/null';
	local $ENV{HOME} = "$dir";
	my $got = `fish --no-config -c 'source completions/curfew.fish; complete -C"curfew st"' 2>&1`;
	is(join(' ', sort map { (split /\t/)[0] } split /\n/, $got), 'status stop', 'fish: commands');
}
done_testing;
