#!/usr/bin/perl
# installed.t: the library as `make install` leaves it: each C example is built with what its first lines say, which is nothing but
# pkg-config, and the hosts among them end properly.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Cwd 'getcwd';
use IO::Socket::INET;
use Test::More;

plan skip_all => 'a program that is not instrumented does not load a library that is' if $ENV{SAN};

my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
my $build = $ENV{BUILD} || 'build';
my $root = "$dir/opt";
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS)};

# (exit code, all that it says)
sub sh {
	my ($line) = @_;
	my $said = `( $line ) 2>&1`;
	return ($? >> 8, $said);
}

my ($code, $said) = sh("make --no-print-directory BUILD=$build PREFIX=$root install-lib");
is($code, 0, 'install-lib ends well') or diag $said;
$ENV{PKG_CONFIG_PATH} = "$root/lib/pkgconfig";
$ENV{LD_LIBRARY_PATH} = "$root/lib";
my $version = slurp('src/version.h') =~ /CURFEW_VERSION "(.*)"/ ? $1 : '?';
is((sh('pkg-config --modversion curfew'))[1], "$version\n", 'pkg-config knows it');
is((sh('pkg-config --libs --cflags curfew'))[1] =~ s/\s+$//r, "-I$root/include -L$root/lib -lcurfew", 'what a program needs: neither Lua nor libevent');
like((sh('pkg-config --static --libs curfew'))[1], qr/-lcurfew .*-llua5\.4.*-ljansson/, 'what a static one needs');
like((sh("readelf -d $root/lib/libcurfew.so"))[1], qr/SONAME\D+\[libcurfew\.so\.0\]/, 'its soname');

# What is exported is what the header names, under its version; of the static one all else is local.
my %header = map { $_ => 1 } slurp('src/include/curfew.h') =~ /^CURFEW_API [^(]*?\b(curfew_\w+)\(/mg;
my %shared = map { $_ => 1 } (sh("nm -D --defined-only $root/lib/libcurfew.so"))[1] =~ / T (\S+)$/mg;
is(join(' ', sort keys %shared), join(' ', map { "$_\@\@CURFEW_0" } sort keys %header), 'exported is what curfew.h declares');
my %static = map { $_ => 1 } (sh("nm -g --defined-only $root/lib/libcurfew.a"))[1] =~ / [A-Z] (\S+)$/mg;
is(join(' ', sort keys %static), join(' ', sort keys %header), 'and so it is of the static one');

# ---- the examples

my @greets;
for my $source (sort glob "$root/share/curfew/examples/embed/*.c") {
	my ($name) = $source =~ m{([^/]+)\.c$};
	my ($line) = slurp($source) =~ /^ \*\s+(cc -o $name $name\.c .*)$/m;
	ok($line, "$name.c says how it is built") or next;
	SKIP: {
		my ($needs) = $line =~ /pkg-config --cflags --libs ([^)]*)\)/;
		skip "$needs: not all is here", 1 if (sh("pkg-config --exists $needs"))[0];
		($code, $said) = sh("cd $root/share/curfew/examples/embed && $line -Wall -Wextra -Werror -Wno-unused-parameter");
		is($code, 0, "$name.c: $line") or diag $said;
		push @greets, $name if !$code && slurp($source) =~ /listening on 127\.0\.0\.1/;
	}
}
cmp_ok(scalar(@greets), '>=', 1, 'some are hosts') or BAIL_OUT('no example was built');

# A host that runs: what it says goes to a file.
my $hosts = 0;
sub host {
	my ($name, @policy) = @_;
	my $r = { name => $name, out => "$dir/" . ++$hosts . '.out' };
	$r->{pid} = fork // die "fork: $!";
	if (!$r->{pid}) {
		chdir "$root/share/curfew/examples/embed" or POSIX::_exit(99);
		open STDOUT, '>', $r->{out} or POSIX::_exit(99);
		open STDERR, '>&', \*STDOUT or POSIX::_exit(99);
		exec { "./$name" } $name, '0', @policy or POSIX::_exit(98);
	}
	Curfew::wait_until(sub { ($r->{at}) = (slurp($r->{out}) // '') =~ /^listening on (\S+)$/m; $r->{at} || waitpid($r->{pid}, POSIX::WNOHANG()) > 0 });
	return $r;
}
sub code_of {
	my ($r) = @_;
	my $status;
	Curfew::wait_until(sub { return if waitpid($r->{pid}, POSIX::WNOHANG()) != $r->{pid}; $status = $?; 1 });
	if (!defined $status) {
		kill 'KILL', $r->{pid};
		waitpid $r->{pid}, 0;
		return 'it does not end';
	}
	return $status & 127 ? "signal $status" : $status >> 8;
}
sub greet {
	my ($s, $name) = @_;
	print {$s} "$name\n";
	my $line = <$s>;
	return $line;
}

for my $name (@greets) {
	my $r = host($name, 'greet.lua');
	ok($r->{at}, "$name: listens") or diag(slurp($r->{out})), next;
	my $early = connect_to($r->{at});
	is(greet(connect_to($r->{at}), 'one'), "hello one\n", "$name: answers");
	kill 'TERM', $r->{pid};
	my $late = connect_to($r->{at});
	ok($late, "$name: the listener is still open in its pre_stop hook");
	is($late && greet($late, 'two'), "hello two\n", "$name: and served");
	# the hook takes 200 ms; then nobody comes in any more, and who is in is waited for
	ok(Curfew::wait_until(sub { !connect_to($r->{at}) }), "$name: then it closes");
	is(waitpid($r->{pid}, POSIX::WNOHANG()), 0, "$name: somebody is in");
	is(greet($early, 'three'), "hello three\n", "$name: who is answered");
	is(code_of($r), 0, "$name: and it ends with 0");

	$r = host($name, 'greet.lua');
	my $silent = connect_to($r->{at});
	greet(connect_to($r->{at}), 'one'); # its loop turns: the policy is in force
	kill 'INT', $r->{pid};
	is(code_of($r), 130, "$name: SIGINT is an abort, as the policy says, whoever is in");

	$r = host($name);
	kill 'TERM', $r->{pid};
	is(code_of($r), 0, "$name: no policy is fine");

	spew("$dir/bad.lua", "local x = \n= 1\n");
	$r = host($name, "$dir/bad.lua");
	is($r->{at} && code_of($r), undef, "$name: a bad policy: it does not begin");
	like(slurp($r->{out}), qr/bad\.lua:2: /, "$name: its line is named");
}

# static
unlink "$root/lib/libcurfew.so";
($code, $said) = sh("cd $root/share/curfew/examples/embed && cc -o static afternoon.c \$(pkg-config --static --cflags --libs curfew)");
is($code, 0, 'the static one') or diag $said;
unlike((sh("ldd $root/share/curfew/examples/embed/static"))[1], qr/libcurfew/, 'is in the program');
SKIP: { # down to the C library, where the archives of the others are here
	my ($libdir) = (sh('pkg-config --variable=libdir jansson'))[1] =~ /(\S+)/;
	skip 'the other libraries are not here as archives', 2 if !$libdir || grep { !-e "$libdir/lib$_.a" } qw(jansson lua5.4 m);
	($code, $said) = sh("cd $root/share/curfew/examples/embed && cc -static -o whole afternoon.c \$(pkg-config --static --cflags --libs curfew)");
	is($code, 0, 'a program that is static as a whole') or diag $said;
	my $r = host('whole', 'greet.lua');
	kill 'TERM', $r->{pid};
	is($r->{at} && code_of($r), 0, 'runs and ends');
}
my $r = host('static', 'greet.lua');
is($r->{at} && greet(connect_to($r->{at}), 'one'), "hello one\n", 'which runs');
kill 'TERM', $r->{pid};
is(code_of($r), 0, 'and ends');

($code, $said) = sh("make --no-print-directory BUILD=$build PREFIX=$root uninstall");
is($code, 0, 'uninstall');
is(join(' ', glob("$root/include/* $root/lib/*.* $root/lib/pkgconfig/*")), '', 'leaves nothing');
done_testing;
