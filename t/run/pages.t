#!/usr/bin/perl
# pages.t: the policies that the pages of the library and of nginx show are run, hooks and all, on servers of the names that they mean.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $SERVED = '(curfew.find("%1$s") or curfew.server { name = "%1$s", start = function() end, stop = function() end })';
my $shown = 0;
for my $page (qw(curfew-embed.7 curfew-nginx.7)) {
	my $text = slurp("$FindBin::Bin/../../man/$page");
	for my $policy (grep { /^local curfew = require/m } $text =~ /^\.Bd[^\n]*\n(.*?)^\.Ed/msg) {
		next if $policy =~ /curfew\.run|curfew\.host/; # scripts of lua5.4: t/module
		$shown++;
		$policy =~ s/\\e/\\/g;
		$policy =~ s/curfew\.find "(\w+)"/sprintf $SERVED, $1/ge;
		$policy =~ s{http://[^/"]+}{http://127.0.0.1:1}g; # nobody listens
		$policy =~ s/"(?:2s|200ms)"/"1ms"/g;
		my $r = curfew(policy => $policy);
		$r->wait_log(qr/started 1 server/);
		$r->signal('TERM');
		is($r->wait_exit, 0, "$page: its policy runs and stops") or diag "$policy\n", $r->log;
		unlike($r->log, qr/ERROR|failed|expected/, 'and nothing in it is wrong');
	}
}
is($shown, 2, 'each page shows one');
done_testing;
