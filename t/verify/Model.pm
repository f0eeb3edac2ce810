# Model.pm: makes a verifier of the model in one of its worlds, with or without a mistake, and runs it.
package Model;
use strict;
use warnings;
use File::Path ();
use Exporter 'import';

our @EXPORT = qw(worlds seeds explore verify_dir cells_left_out unreached);

my $build = $ENV{BUILD} || 'build';
my $here = 't/verify';
my $tables = "$build/t/verify/tables";
my @sources = qw(model core server stop feed world props words conform);

# The lines of a file: but for comments.
sub table_lines {
	my ($name) = @_;
	open my $f, '<', "$here/$name" or die "$here/$name: $!\n";
	return grep { /\S/ && !/^#/ } <$f>;
}

# [ name, { key => value } ], in the order of the file.
sub worlds {
	return map { my ($name, @say) = split; [ $name, { map { split /=/, $_, 2 } @say } ] } table_lines('worlds');
}

# { name, world, how, what, why }
sub seeds {
	return map {
		chomp;
		my %s;
		@s{qw(name world how what why)} = split /\s+~\s+/;
		die "seeds: not five columns: $_\n" unless defined $s{why};
		\%s;
	} table_lines('seeds');
}

sub bits { my $m = 0; $m |= 1 << $_ for split //, $_[0] // ''; return $m }

# All that depends on each, itself included; the matrix the other way round is what each depends on.
sub closure {
	my @m = @_;
	for (1 .. @m) {
		for my $s (0 .. $#m) {
			for my $on (0 .. $#m) { $m[$s] |= $m[$on] if $m[$s] >> $on & 1 }
		}
	}
	return @m;
}

my %hook_of = (a => 0, b => 1, c => 2, d => 3, e => 4);

# The constants and the arrays of a world.
sub config {
	my ($w) = @_;
	my @deps = map { $_ eq '-' ? 0 : bits($_) } split m{/}, $w->{after};
	my $n = @deps;
	my ($of_servers, $global) = split /\+/, $w->{hooks};
	my @hooks = split m{/}, $of_servers;
	my %a;
	for my $s (0 .. $n - 1) {
		my %has = map { $hook_of{$_} => 1 << 5 * $s + $hook_of{$_} } grep { $_ ne '-' } split //, $hooks[$s];
		$_ //= 0 for @has{ 0 .. 4 };
		push @{ $a{pre_start} }, $has{0};
		push @{ $a{post_start} }, $has{1};
		push @{ $a{pre_stop} }, $has{2} | $has{3};
		push @{ $a{post_stop} }, $has{4};
		push @{ $a{all_hooks} }, $has{0} | $has{1} | $has{2} | $has{3} | $has{4};
	}
	$a{deps} = \@deps;
	$a{downs} = [ closure(map { $deps[$_] | 1 << $_ } 0 .. $n - 1) ];
	$a{ups} = [ map { my $s = $_; my $m = 0; $m |= ($a{downs}[$_] >> $s & 1) << $_ for 0 .. $n - 1; $m } 0 .. $n - 1 ];
	my $or = sub { my $m = 0; $m |= $_ for map { @{ $a{$_} } } @_; $m };
	my $pre = ($global // '') =~ /g/ ? 1 << 5 * $n : 0;
	my $post = ($global // '') =~ /h/ ? 2 << 5 * $n : 0;
	my $all = (1 << 5 * $n + 2) - 1;
	my %c = (
		SERVERS => $n, GLOBAL_PRE => $pre, GLOBAL_POST => $post, HAS => $or->('all_hooks') | $pre | $post,
		PRE_STOPS => $or->('pre_stop') | $pre, STOP_HOOKS => $or->('pre_stop', 'post_stop') | $pre | $post,
		HEIR => $w->{reload} // 0, OLD => $n - 2, NEW => $n - 1, STAGED => $w->{reload} ? 1 << $n - 1 : 0,
		SWAPS => $w->{reload} // 0, QUESTIONS => 5, TRIGGERS_AT_ONCE => $w->{slow} ? 2 : 1,
		EXIT_TIMEOUT => 4, MARGIN => 1, CUT_WAIT => 1, OWN_CUT_WAIT => 10, START_LIMIT => $w->{start_limit} // 2, RETRIES => $w->{retries} // 1,
		STOP_LIMIT => $w->{stop_limit} // 0, HOOK_LIMIT => $w->{hook_limit} // 0,
		RESTARTS => bits($w->{restart}), RESTART_MAX => $w->{tries} // 1,
		STARTS => $w->{starts} // 1, TRIGGERS => $w->{triggers}, MUTE => bits($w->{mute}), HANG => $w->{hang} ? $all : 0,
		map { uc $_ => $w->{$_} // 0 } qw(fails deaths bads exits ops slow patient soft kills));
	$c{OLD} = 0 if $n < 2;
	return (\%c, \%a);
}

sub write_file {
	my ($path, $text) = @_;
	open my $f, '>', $path or die "$path: $!\n";
	print $f $text;
	close $f or die "$path: $!\n";
}

sub read_file {
	my ($path) = @_;
	open my $f, '<', $path or die "$path: $!\n";
	local $/;
	return <$f>;
}

# Ends by saying what went wrong when the command fails.
sub output_of {
	my ($dir, @command) = @_;
	my $line = join ' ', map { "'$_'" } @command;
	my $out = `cd '$dir' && $line 2>&1`;
	die "$line\n$out" if $?;
	return $out;
}

# The text that a mistake replaces has to be there once; \n in it is the end of a line and what indents the next.
sub mistaken {
	my ($seed, $file, $text) = @_;
	my ($in, $old, $new) = $seed->{what} =~ /^(\w+): (.*?) => (.*)$/s or die "seeds: $seed->{name}: FILE: OLD => NEW\n";
	return $text if $in ne $file;
	my $line_ends = join q{\n\s*}, map { quotemeta } split /\\n/, $old;
	my $n = () = $text =~ /$line_ends/g;
	die "seeds: $seed->{name}: \"$old\" stands $n times in $in.pml\n" if $n != 1;
	$text =~ s/$line_ends/$new/;
	return $text;
}

sub prepare {
	my ($dir, $world, $seed) = @_;
	File::Path::remove_tree($dir);
	File::Path::make_path($dir);
	my ($c, $a) = config($world);
	my $constants = join '', map { "#define $_ $c->{$_}\n" } sort keys %$c;
	write_file("$dir/config.pml",
		$constants . join '', map { "hidden int $_\[SERVERS] = { " . join(', ', @{ $a->{$_} }) . " };\n" } sort keys %$a);
	write_file("$dir/config.h", $constants . "#define AFTER { " . join(', ', @{ $a->{deps} }) . " }\n");
	my @wrong = $seed && $seed->{how} ne 'text' ? ("--$seed->{how}", $seed->{what}) : ();
	write_file("$dir/tables.pml", output_of('.', $tables, @wrong));
	for my $file (@sources) {
		my $text = read_file("$here/$file.pml") if -e "$here/$file.pml";
		$text = mistaken($seed, $file, $text) if $seed && $seed->{how} eq 'text';
		write_file("$dir/$file.pml", $text);
	}
}

# explore(name => …, world => {…}, seed => {…}, compare => 1, cycles => 1): { errors, states, steps, compared, said, complete, cells }.
# compare: the real core beside it. cycles: look for a run without end instead of for what is wrong at a step.
sub explore {
	my (%o) = @_;
	my $dir = "$build/t/verify/$o{name}";
	prepare($dir, $o{world}, $o{seed});
	output_of($dir, 'spin', ($o{compare} ? '-DCONFORM' : ()), '-a', 'model.pml');
	my $cc = $ENV{CC} || 'cc';
	my $top = `pwd`;
	chomp $top;
	my $archives = $build =~ m{^/} ? $build : "$top/$build";
	my @pan = ($o{seed} ? "-O0" : "-O2", "-w", '-DNOREDUCE', '-DMEMLIM=6000', $o{cycles} ? '-DNP' : '-DSAFETY', "-I$top/src", "-I$top/$here", "-I$top/$here/src", '-I.');
	my @with = $o{compare} ? ("$top/$here/src/conform.c", "$archives/core.a", "$archives/base.a") : ();
	output_of($dir, $cc, @pan, '-o', 'pan', 'pan.c', @with);
	my $said = `cd '$dir' && ./pan -n -m400000 -w@{[ $o{seed} ? 20 : 24 ]} @{[ $o{cycles} ? '-l' : '' ]} 2>&1`;
	my %r = (said => $said);
	($r{errors}) = $said =~ /errors: (\d+)/;
	($r{states}) = $said =~ /^\s*([\d.e+]+) states, stored/m;
	($r{steps}) = $said =~ /^\s*([\d.e+]+) transitions/m;
	($r{compared}) = $said =~ /^compared (\d+)/m;
	$r{cells} = { map { $_ => 1 } $said =~ /^((?:cell|life) \d+ \d+)$/mg };
	$r{complete} = defined $r{errors} && $said !~ /not completed|too small|out of memory|truncated/i;
	return \%r;
}

sub verify_dir { return "$build/t/verify" }

# How many cells of both tables do something, and which of those no step of the model ever used: "STATE,EVENT".
sub cells_left_out {
	my ($used) = @_;
	my $text = output_of('.', $tables);
	my %word;
	while ($text =~ /^#define (S|SE|L|LE|DO)_(\w+) (\d+)$/mg) { $word{$1}{$3} = $2 unless $2 eq 'COUNT' }
	my @cell = (split /,\s*/, ($text =~ /hidden byte cell\[\d+\] = \{\s*(.*?)\s*\}/s)[0]);
	my @life = (split /,\s*/, ($text =~ /hidden byte life_after\[\d+\] = \{\s*(.*?)\s*\}/s)[0]);
	my ($events, $life_events) = (scalar keys %{ $word{SE} }, scalar keys %{ $word{LE} });
	my ($n, @left) = 0;
	for my $i (0 .. $#cell) {
		next if $word{DO}{ $cell[$i] } =~ /^(NOTHING|LATE)$/;
		$n++;
		my ($s, $e) = (int($i / $events), $i % $events);
		push @left, "$word{S}{$s},$word{SE}{$e}" unless $used->{"cell $s $e"};
	}
	for my $i (0 .. $#life) {
		my ($s, $e) = (int($i / $life_events), $i % $life_events);
		next if $life[$i] == $s;
		$n++;
		push @left, "$word{L}{$s},$word{LE}{$e}" unless $used->{"life $s $e"};
	}
	return ($n, @left);
}

# What no world reaches, and why.
sub unreached {
	return map { chomp; split /\s+/, $_, 2 } table_lines('unreached');
}

1;
