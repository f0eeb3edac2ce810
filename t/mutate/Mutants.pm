# Mutants.pm: all the changes that are tried on a file of C: each a comparison, a condition, a constant, an operator, a cell of a table or a
# statement. A mutant is { file, line, key, text }; the key names the line by its text and not by its number.
package Mutants;
use strict;
use warnings;

my %COMPARE = (
	'==' => ['!='], '!=' => ['=='], '<' => ['<=', '>='], '<=' => ['<', '>'], '>' => ['>=', '<='], '>=' => ['>', '<'],
	'&&' => ['||'], '||' => ['&&'],
);
my %COUNT = ('+' => '-', '-' => '+', '*' => '+', '/' => '*', '++' => '--', '--' => '++', '+=' => '-=', '-=' => '+=', '|=' => '&=', '&=' => '|=',
	'|' => '&', '&' => '|', '<<' => '>>', '>>' => '<<');

# The text with comments, strings, characters, preprocessor lines and asserts blanked: what is left is to be changed.
sub blank {
	my ($text) = @_;
	my $hide = sub { $_[0] =~ s/[^\n]/ /gr };
	$text =~ s{(/\*.*?\*/|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')}{$hide->($1)}gse;
	$text =~ s{^(#(?:[^\n]*\\\n)*[^\n]*)}{$hide->($1)}gme;
	$text =~ s{(\bassert\s*\([^;]*\);)}{$hide->($1)}gse;
	return $text;
}

# Cells of the tables: each becomes another value that the same table has.
sub cells {
	my ($code, $add) = @_;
	while ($code =~ /\bstatic\b[^;{}()]*\bconst\b[^;{}()]*=\s*(\{(?:[^{}]|\{[^{}]*\})*\})\s*;/gs) {
		my ($from, $body) = ($-[1], $1);
		my @cells;
		while ($body =~ /(?<=[{,=])\s*([A-Za-z_]\w*)\s*(?=[,}])/g) {
			push @cells, [$from + $-[1], $1];
		}
		my %names;
		my @names = grep { !$names{$_}++ } map { $_->[1] } @cells;
		my %index = map { $names[$_] => $_ } 0 .. $#names;
		next if @names < 2;
		for my $cell (@cells) {
			my ($at, $name) = @$cell;
			$add->($at, length $name, $names[($index{$name} + 1) % @names]);
			$add->($at, length $name, $names[($index{$name} + 2) % @names]) if @names > 2;
		}
	}
}

sub operators {
	my ($code, $add) = @_;
	# Two-character operators first; -> is none, nor is a sign, an address or a dereference.
	while ($code =~ /(->|<<=|>>=|<<|>>|\+\+|--|[-+|&*\/<>=!]=|&&|\|\||[-+|&*\/<>!])/g) {
		my ($op, $at) = ($1, $-[1]);
		next if $op eq '->';
		my $before = substr($code, 0, $at);
		my $binary = $before =~ /[\w)\]]\s*$/ && $before !~ /\b(?:return|case)\s*$/;
		if ($COMPARE{$op}) {
			$add->($at, length $op, $_) for @{ $COMPARE{$op} };
		} elsif ($op eq '!') {
			$add->($at, 1, '');
		} elsif ($COUNT{$op}) {
			next if $op =~ /^[-+*&\/|]$/ && !$binary;
			next if $op eq '*' && ($before =~ /\b(?:void|char|struct \w+|const|int|unsigned|cfw_\w+|size_t)\s*$/ || substr($code, $at + 1) =~ /^(?:const\b|\))/);
			next if $op eq '&' && $before =~ /\)\s*$/ && $before =~ /\((?:struct \w+|const \w+)\s*\*?\)\s*$/;
			$add->($at, length $op, $COUNT{$op});
		}
	}
}

sub constants {
	my ($code, $add) = @_;
	while ($code =~ /(?<![\w.])(\d+)(u?l?l?)(?![\w.])/gi) {
		my ($n, $at, $len) = ($1, $-[0], $+[0] - $-[0]);
		$add->($at, $len, ($n + 1) . $2);
		$add->($at, $len, ($n - 1) . $2) if $n > 0;
	}
	while ($code =~ /\b(true|false)\b/g) {
		$add->($-[1], length $1, $1 eq 'true' ? 'false' : 'true');
	}
	while ($code =~ /\b(CFW_NEVER)\b/g) {
		$add->($-[1], length $1, '0');
	}
}

# A condition that is a bare value: if (x), while (x), x ? a : b, && x.
sub conditions {
	my ($code, $add) = @_;
	my $bare = sub { my ($at, $what) = @_; $add->($at, length $what, "!($what)") if $what !~ /^[A-Z\d]/ };
	while ($code =~ /(?:\bif|\bwhile)\s*\(([\w.>-]+(?:\([^()]*\))?)\)/g) {
		$bare->($-[1], $1);
	}
	while ($code =~ /(?:&&|\|\|)\s*([\w.]+(?:->[\w.]+)*(?:\([^()]*\))?)(?=\s*(?:&&|\|\||\)|\?|;|,))/g) {
		$bare->($-[1], $1);
	}
	while ($code =~ /(?:=|return|\()\s*([\w.]+(?:->[\w.]+)*(?:\([^()]*\))?)(?=\s*(?:&&|\|\||\?))/g) {
		$bare->($-[1], $1);
	}
}

# A statement that is an assignment or a call goes; returns stay, for the compiler.
sub statements {
	my ($code, $add) = @_;
	while ($code =~ /(?:(?<=[;{}\n)])|(?<=else))([ \t]*\n?[ \t]+)((?:[\w*]+(?:->|\.|\[[^\]\n]*\])?)+\s*(?:[-+|&]?=(?!=)[^;{}]*|\([^;{}]*\)|\+\+|--)|return|break|continue);/g) {
		my ($at, $what) = ($-[2], $2);
		next if $what =~ /^\s*(?:if|for|while|switch|return|sizeof)\b/ && $what ne 'return';
		$add->($at, length $what, $what =~ /^(?:return|break|continue)$/ ? '(void)0' : '(void)0');
	}
	while ($code =~ /\breturn\s+([^;{}]+);/g) {
		my ($at, $what) = ($-[1], $1);
		$add->($at, length $what, "!($what)") if $what =~ /^[\w.>-]+\(.*\)$/s || $what =~ /^[a-z]\w*$/ && $what !~ /^(?:true|false|\d+|NULL)$/;
	}
}

sub of {
	my ($file) = @_;
	open my $in, '<', $file or die "$file: $!\n";
	my $text = do { local $/; <$in> };
	my $code = blank($text);
	my (@found, %at);
	my $add = sub {
		my ($at, $len, $to) = @_;
		push @found, [$at, $len, $to] if !$at{"$at $to"}++;
	};
	$_->($code, $add) for \&cells, \&operators, \&constants, \&conditions, \&statements;
	my (@mutants, %times);
	for my $f (sort { $a->[0] <=> $b->[0] || $a->[2] cmp $b->[2] } @found) {
		my ($at, $len, $to) = @$f;
		my $start = rindex($text, "\n", $at - 1) + 1;
		my $line = 1 + (substr($text, 0, $start) =~ tr/\n//);
		my $end = index($text, "\n", $at);
		my $source = substr($text, $start, $end - $start) =~ s/^\s+//r;
		my $column = 1 + ($at - $start) - (substr($text, $start, $end - $start) =~ /^(\s*)/ ? length $1 : 0);
		my $from = substr($text, $at, $len) =~ s/\s+/ /gr;
		my $key = "$file: $source\t$column: $from -> " . ($to eq '' ? '(nothing)' : $to =~ s/\s+/ /gr);
		$times{$key}++;
		$key .= " (time $times{$key})" if $times{$key} > 1;
		push @mutants, { file => $file, line => $line, key => $key, text => substr($text, 0, $at) . $to . substr($text, $at + $len) };
	}
	return @mutants;
}

1;
