#!/usr/bin/perl
# save.t: the three samples of a handler with an asynchronous check (S6), with the folder there and without it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cwd ();
use Curfew;
use Test::More;

my $here = Cwd::getcwd();
my %missing = ('save-unsafe.lua' => 500, 'save-pcall.lua' => 503, 'save-waiting.lua' => 503);
for my $name (sort keys %missing) {
	my $dir = File::Temp->newdir;
	for my $there (0, 1) {
		my $r = curfew(before => ["$here/examples/$name"], env => { LISTEN => '127.0.0.1:0', ROOT => $there ? "$dir" : "$dir/none" });
		my $at = $r->wait_log(qr/listening on (\S+)/);
		my $want = $there ? 200 : $missing{$name};
		is((http_get($at, '/save', method => 'POST', body => 'data'))[0], $want, "S6.2: $name, folder " . ($there ? 'there' : 'missing') . ": $want")
			for 1 .. 2;
		is((http_get($at, '/'))[1], "alive\n", "S6.2: $name: other requests do not notice");
		if ($name eq 'save-unsafe.lua' and !$there) {
			like($r->log, qr{request failed request="POST /save" error="[^"]*no folder to save to.*traceback=.*save-unsafe\.lua:\d+}, 'S6.2: logged with its traceback and the request');
		}
		is(slurp("$dir/saved"), 'data', "$name saves") if $there;
		$r->signal('TERM');
		is($r->wait_exit, 0, "$name: ends with 0");
		like($r->log, qr/web: about to stop/, "S4.12: $name: its hook ran");
	}
}
done_testing;
