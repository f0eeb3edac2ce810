# The one child that matters ends by itself with 3.
use strict;
use warnings;
use Field;
use Setups;

pain(9, 'supervisor#712', 'the main child died, the container stays up or ends with 0');

sub result { my ($r) = @_; my $code = $r->code(3); return has(!$code, defined $code ? "ends with $code" : 'stays up') }

my $dies = 'sleep 0.2; exit 3';
on(curfew => sub {
	my $run = init('curfew', $dies)->code(3);
	my $policy = curfew_policy("sh('p', '$dies')")->code(3);
	return has(!$run || !$policy, "run -- ends with " . ($run // 'nothing') . ', a policy with ' . ($policy // 'nothing'));
});
on(tini        => sub { result(init('tini', $dies)) });
on('dumb-init' => sub { result(init('dumb-init', $dies)) });
on(supervisord => sub { result(supervisord(p => "command=sh -c '$dies'\nautorestart=false")) });
# As s6's documentation has it for containers: finish says that this was the end, and with what.
on(s6 => sub {
	my $r = s6(
		p => { run => "#!/bin/sh\n$dies\n", finish => "#!/bin/sh\necho \$1 >../code\ns6-svscanctl -t ..\n" },
		'.s6-svscan' => { finish => "#!/bin/sh\nread code <code\nexit \$code\n" },
	);
	return result($r);
});

1;
