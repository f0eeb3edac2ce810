# Works.pm: what is measured: each work with its probe, its figures and who does it.
#
# A work: key (names it in bench/compare), work (its title), mode, n, ports, args (of the probe), rounds, who, and figures:
# [ what the probe calls it => label, unit, how, aim, better ]. how: 'ratio' is held to 1.3 times the minimal program, 'plain' to
# the aim, 'sum' is added up. better: 'more', 'none' (neither is), or by default less. needs: who has other than 0 in that figure
# (and what is said of it) does not do this work, so that it ends sooner means nothing.
package Works;
use strict;
use warnings;
use Rivals;

my ($here, $bin, $curfew);

sub minimal { my ($name, $command) = @_; return { name => $name, strict => 1, run => sub { { command => $command->(@_) } } } }

sub policy {
	my ($file, %env) = @_;
	return { name => 'curfew', strict => 1, run => sub { { command => [ $curfew, 'run', "$here/policies/$file.lua" ], env => \%env } } };
}

sub min_http   { my ($delay) = @_; sub { [ "$bin/min_http", $delay, @{ $_[0]{ports} } ] } }
sub min_parent { my ($n, @options) = @_; minimal('minimal (a parent in C)', sub { [ "$bin/min_parent", @options, $n, $_[0]{child} ] }) }
sub on_ports   { [ '-p', join(',', @{ $_[0]{ports} }) ] }
sub on_file    { [ '-f', $_[0]{ready} ] }
sub children   { [ '-m', $_[0]{marks}, '-n', $_[0]{n} ] }

sub http_row {
	return {
		key => 'http-1', work => 'one HTTP server', mode => 'life', ports => 1, args => sub { [ @{ on_ports(@_) }, '-H' ] }, rounds => 25,
		figures => [
			[ stop_ms => 'idle, SIGTERM to exit', 'ms', 'ratio' ], [ ready_ms => 'exec to its first 200', 'ms', 'plain', 5 ],
			[ pss_kb => 'memory when idle (PSS)', 'KB', 'plain', 2048 ],
		],
		who => [ minimal('minimal (evhttp)', min_http(0)), policy('http'), Rivals::http_servers() ],
	};
}

sub listeners_row {
	my ($n, $rounds) = @_;
	my $title = $n >= 1000 ? '1,000' : $n;
	return {
		key => "http-$n", work => "$title HTTP listeners in one process", mode => 'life', ports => $n, args => \&on_ports, rounds => $rounds,
		figures => [
			[ ready_ms => 'exec to all listening', 'ms', 'ratio' ], [ stop_ms => 'SIGTERM to exit', 'ms', 'ratio' ],
			[ pss_kb => 'memory (PSS)', 'KB', 'ratio' ],
		],
		who => [ minimal("minimal ($title evhttp)", min_http(0)), policy('listeners'), Rivals::http_servers() ],
	};
}

sub hooks_row {
	return {
		key => 'hooks', work => '1,000 pre_stop hooks that wait 10 ms, side by side', mode => 'life', n => 1000, args => \&on_file,
		rounds => 11, figures => [ [ stop_ms => 'SIGTERM to exit', 'ms', 'ratio' ] ],
		who => [
			minimal('minimal (timers)', sub { [ "$bin/min_timers", 1000, 10, $_[0]{ready} ] }),
			minimal('minimal (Lua coroutines)', sub { [ "$bin/min_coroutines", 1000, 10, $_[0]{ready} ] }),
			policy('hooks'), Rivals::hooks(),
		],
	};
}

sub command_row {
	return {
		key => 'command', work => 'one command', mode => 'children', n => 1, args => \&children, rounds => 25,
		figures => [
			[ handler_ms => "SIGTERM to the child's handler", 'ms', 'ratio' ], [ stop_ms => 'SIGTERM to both gone', 'ms', 'ratio' ],
			[ pss_kb => 'memory of its parent (PSS)', 'KB', 'plain', 2048 ],
		],
		who => [
			min_parent(1), minimal('no parent', sub { [ $_[0]{child} ] }),
			{ name => 'curfew', strict => 1, run => sub { { command => [ $curfew, 'run', '--', $_[0]{child} ] } } },
			Rivals::inits(), Rivals::supervisors(1),
		],
	};
}

sub children_row {
	my ($n, $rounds) = @_;
	return {
		key => "children-$n", work => "$n children", mode => 'children', n => $n, args => \&children, rounds => $rounds,
		figures => [
			[ start_ms => 'exec to all ready', 'ms', 'ratio' ], [ stop_ms => 'SIGTERM to all gone', 'ms', 'ratio' ],
			[ pss_kb => 'memory of their supervisor (PSS)', 'KB', 'plain', 2048 ],
		],
		who => [ min_parent($n), policy('children'), Rivals::supervisors($n) ],
	};
}

sub order_row {
	my $n = 10;
	return {
		key => 'order', work => "$n children in a chain, each of which takes 20 ms to end", mode => 'children', n => $n, args => \&children,
		rounds => 9, needs => [ disorder => 'no order' ],
		figures => [
			[ disorder => 'told to stop too early (of 9)', '', 'plain', 0 ],
			[ stop_ms => 'SIGTERM to all gone', 'ms', 'ratio' ], [ start_ms => 'exec to all ready', 'ms', 'plain', undef, 'none' ],
		],
		env => { BENCH_LINGER => 20 }, who => [ min_parent($n, '-o'), policy('chain'), Rivals::chains() ],
	};
}

# A second of grace for all who can be told so.
sub stubborn_row {
	return {
		key => 'stubborn', work => 'a child that ignores SIGTERM, with 1 s of grace', mode => 'children', n => 1,
		args => sub { [ @{ children(@_) }, '-b', 8000 ] }, rounds => 5, needs => [ left => 'not gone' ],
		figures => [
			[ left => 'still there after 8 s (of 1)', '', 'plain', 0 ], [ stop_ms => 'SIGTERM to all gone', 'ms', 'ratio' ],
		],
		env => { BENCH_IGNORE => 1 }, who => [ min_parent(1, '-k', 1000), policy('stubborn'), Rivals::stubborn() ],
	};
}

sub load_row {
	my ($key, $title, @args) = @_;
	return {
		key => $key, work => "drain under load: 1,000 keep-alive connections, 20 ms requests, $title", mode => 'load', ports => 1,
		rounds => 10, args => sub { [ @{ on_ports(@_) }, '-n', 1000, @args ] }, needs => [ lost => 'loses requests' ],
		figures => [
			[ owed => 'owed at the stop', '', 'sum', undef, 'none' ], [ owed_lost => 'of the owed ones lost', '', 'sum', 0 ],
			[ late => 'sent late', '', 'sum', undef, 'none' ], [ late_lost => 'of the late ones lost', '', 'sum', 0 ],
			[ stop_ms => 'signal to exit', 'ms', 'plain' ], [ rate => 'replies a second before', '', 'plain', undef, 'more' ],
		],
		who => [ minimal('minimal (evhttp, plain drain)', min_http(20)), policy('http', BENCH_DELAY => '20ms'), Rivals::drains() ],
	};
}

sub rows {
	($here, $bin, $curfew) = @_;
	return (
		http_row(), listeners_row(10, 15), listeners_row(100, 11), listeners_row(1000, 9), hooks_row(), command_row(),
		children_row(10, 15), children_row(100, 9), children_row(1000, 5), order_row(), stubborn_row(),
		load_row('load', 'asking when they like'), load_row('waves', 'asking in waves', '-w'),
	);
}

1;
