# A program with a SIGTERM handler of its own takes the library in.
use strict;
use warnings;
use Field;
use Setups;

pain(23, 'uvicorn#1579', "the library displaces the host's handlers");

on(curfew => sub {
	my $dir = Field::folder();
	my $flags = qx{pkg-config --cflags --libs libevent_core} =~ s/\n//r;
	my $san = $ENV{SAN} ? "-fsanitize=$ENV{SAN}" : "";
	system("cc $san -o $dir/host -I$Field::here/../../src/include $Field::here/host.c -L$BUILD -Wl,-rpath,$BUILD -lcurfew $flags >$dir/cc 2>&1") == 0
		or die slurp("$dir/cc");
	my $r = start(["$dir/host"], dir => $dir);
	$r->seen(qr/> up/);
	my $code = $r->signal('TERM')->code(5);
	my ($own, $stop) = map { $r->log =~ $_ ? 'yes' : 'no' } qr/> host/, qr/> hook/;
	return has($own eq 'no' || $stop eq 'no', "the host's handler ran: $own; the stop with its hook ran: $stop");
});
on(exiting => sub {
	my $r = exiting_hapi("process.on('SIGTERM', () => mark('host')); const s = server(); s.ext('onPreStop', () => mark('hook')); Exiting.createManager(s).start().then(() => mark('up'));");
	$r->seen(qr/> up/);
	$r->signal('TERM')->code(2);
	my ($own, $stop) = map { $r->log =~ $_ ? 'yes' : 'no' } qr/> host/, qr/> hook/;
	return has($own eq 'no', "the host's handler ran: $own; the stop with its hook ran: $stop");
});

1;
