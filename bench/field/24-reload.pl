# A reload with a file that does not parse. What runs has to run on, the same processes.
use strict;
use warnings;
use Field;
use Setups;

pain(24, "supervisor#729; memcached's proxy", 'a reload kills everything, or is half applied');

sub still_serves {
	my ($r, $port, $break, $reload) = @_;
	$break->();
	$reload->();
	sleep 1;
	my $serves = !$r->ended && ask($port, '/') =~ / 200 /;
	return has(!$serves, $serves ? 'serves on' : 'serves no more');
}

# The pid of the child before and after.
sub same_child {
	my ($r, $reload) = @_;
	my $pid = $r->seen(qr/child (\d+)/);
	$reload->();
	wait_for(sub { !kill 0, $pid }, 4);
	my $lives = kill 0, $pid;
	return has($r->ended || !$lives, 'the child ' . ($lives ? 'lives on' : 'is gone') . ($r->ended ? ', and so is the manager' : ''));
}

my $child = 'echo child $$; exec sleep 99';
on(curfew => sub {
	my $r = curfew_policy("curfew.on('SIGHUP', curfew.reload) sh('p', [[$child]])");
	return same_child($r, sub { spew("$r->{dir}/policy.lua", "curfew.process {\n"); $r->signal('HUP') });
});
# Its HUP is documented to stop and start everything; supervisorctl update is the way to reload a part.
on(supervisord => sub {
	my $r = supervisord(p => "command=sh -c '$child'");
	return same_child($r, sub { spew("$r->{dir}/conf", slurp("$r->{dir}/conf") =~ s/command=sh/comand=sh/r); $r->signal('HUP') });
});
on(nginx => sub {
	my ($r, $port) = nginx('', '');
	return still_serves($r, $port, sub { spew("$r->{dir}/conf", "nonsense {\n") }, sub { $r->signal('HUP') });
});
on(haproxy => sub {
	my ($r, $port) = haproxy('', '-W');
	return still_serves($r, $port, sub { spew("$r->{dir}/conf", "nonsense {\n") }, sub { $r->signal('USR2') });
});

1;
