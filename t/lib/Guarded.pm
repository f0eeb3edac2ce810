# Guarded.pm: what tests of the guardian share: who is below it, and policies whose hooks leave traces on disk.
package Guarded;
use strict;
use warnings;
use Exporter 'import';
use Curfew;

our @EXPORT = qw(children orchestrator wait_started traces build_module);

# Children of a process, zombies included.
sub children {
	my ($pid) = @_;
	return split ' ', (slurp("/proc/$pid/task/$pid/children") // '');
}

# The pid of the orchestrator below a guardian; waits until there is one.
sub orchestrator {
	my ($r) = @_;
	my $pid;
	wait_until(sub { ($pid) = children($r->{pid}); $pid }) or die "no orchestrator:\n" . $r->log;
	return $pid;
}

sub wait_started {
	my ($r) = @_;
	$r->wait_log(qr/> up/);
	return orchestrator($r);
}

# Lines that hooks appended to a file: they outlive who wrote them.
sub traces {
	my ($r) = @_;
	return split /\n/, (slurp("$r->{dir}/traces") // '');
}

# A C module of a script in DIR; false when it cannot be built or loaded.
sub build_module {
	my ($dir, $name, $text) = @_;
	return if $ENV{SAN};
	spew("$dir/$name.c", $text);
	my $cflags = `pkg-config --cflags lua5.4`;
	chomp $cflags;
	return system("cc -shared -fPIC $cflags -o $dir/$name.so $dir/$name.c") == 0;
}

1;
