#!/usr/bin/perl
# sarif.t: the SARIF that `curfew check` writes against the parts of the SARIF 2.1.0 schema that its objects are made of: names of
# properties (no others), types, what is required, ranges, words. The checker itself is tried on logs with one fault each.
use strict;
use warnings;
use File::Temp ();
use JSON::PP ();
use Test::More;

my $BIN = $ENV{CURFEW} || (($ENV{BUILD} || 'build') . '/curfew');

sub int_from { return { type => 'integer', minimum => $_[0] } }
sub list_of { my ($items, %o) = @_; return { type => 'array', items => $items, %o } }
sub words { return { type => 'string', enum => [@_] } }
my $string = { type => 'string' };
my $bag = { type => 'object', open => 1 };

# Objects of the schema: required names, an anyOf of required names, and properties. All of them refuse other properties.
my %schema = (
	log => {
		required => ['version', 'runs'],
		properties => { '$schema' => { type => 'string', uri => 1 }, version => words('2.1.0'), runs => list_of('run'), properties => $bag },
	},
	run => {
		required => ['tool'],
		properties => {
			tool => 'tool', columnKind => words('utf16CodeUnits', 'unicodeCodePoints'), artifacts => list_of('artifact', unique => 1),
			results => list_of('result'), invocations => list_of($bag), language => $string, properties => $bag,
		},
	},
	tool => { required => ['driver'], properties => { driver => 'component', extensions => list_of('component'), properties => $bag } },
	component => {
		required => ['name'],
		properties => {
			name => $string, version => $string, semanticVersion => $string, fullName => $string,
			informationUri => { type => 'string', uri => 1 }, rules => list_of('descriptor', unique => 1), properties => $bag,
		},
	},
	descriptor => {
		required => ['id'],
		properties => {
			id => $string, name => $string, shortDescription => 'multiformat', fullDescription => 'multiformat', help => 'multiformat',
			helpUri => { type => 'string', uri => 1 }, defaultConfiguration => 'configuration', properties => $bag,
		},
	},
	multiformat => { required => ['text'], properties => { text => $string, markdown => $string, properties => $bag } },
	configuration => {
		required => [],
		properties => {
			enabled => { type => 'boolean' }, level => words('none', 'note', 'warning', 'error'), rank => { type => 'number' },
			properties => $bag,
		},
	},
	artifact => {
		required => [],
		properties => { location => 'artifactLocation', sourceLanguage => $string, mimeType => $string, length => int_from(-1), properties => $bag },
	},
	artifactLocation => {
		required => [],
		properties => { uri => { type => 'string', uri => 1 }, uriBaseId => $string, index => int_from(-1), properties => $bag },
	},
	result => {
		required => ['message'],
		properties => {
			ruleId => $string, ruleIndex => int_from(-1), level => words('none', 'note', 'warning', 'error'), message => 'message',
			kind => words('notApplicable', 'pass', 'fail', 'review', 'open', 'informational'), locations => list_of('location'),
			relatedLocations => list_of('location', unique => 1), codeFlows => list_of('codeFlow'),
			partialFingerprints => $bag, properties => $bag,
		},
	},
	message => {
		required => [], any_of => ['text', 'id'],
		properties => { text => $string, markdown => $string, id => $string, arguments => list_of($string), properties => $bag },
	},
	location => {
		required => [],
		properties => { id => int_from(-1), physicalLocation => 'physical', message => 'message', properties => $bag },
	},
	physical => {
		required => [], any_of => ['address', 'artifactLocation'],
		properties => { artifactLocation => 'artifactLocation', region => 'region', contextRegion => 'region', properties => $bag },
	},
	region => {
		required => [],
		properties => {
			(map { $_ => int_from(1) } qw(startLine startColumn endLine endColumn)), charOffset => int_from(-1), snippet => $bag,
			properties => $bag,
		},
	},
	codeFlow => {
		required => ['threadFlows'],
		properties => { message => 'message', threadFlows => list_of('threadFlow', least => 1), properties => $bag },
	},
	threadFlow => {
		required => ['locations'],
		properties => { id => $string, message => 'message', locations => list_of('threadFlowLocation', least => 1), properties => $bag },
	},
	threadFlowLocation => {
		required => [],
		properties => {
			index => int_from(-1), location => 'location', nestingLevel => int_from(0), executionOrder => int_from(-1),
			importance => words('important', 'essential', 'unimportant'), properties => $bag,
		},
	},
);

my $canonical = JSON::PP->new->canonical->allow_nonref;

sub is_string { return !ref $_[0] && defined $_[0] && $canonical->encode($_[0]) =~ /^"/ }
sub is_integer { return !ref $_[0] && defined $_[0] && $canonical->encode($_[0]) =~ /^-?\d+$/ }

# The faults of a value, each with its place.
sub faults {
	my ($v, $type, $at) = @_;
	return object_faults($v, $schema{$type} || die("no $type"), $at) if !ref $type;
	my $kind = $type->{type};
	if ($kind eq 'array') {
		return "$at: not an array" if ref $v ne 'ARRAY';
		my @faults = map { faults($v->[$_], $type->{items}, "$at\[$_]") } 0 .. $#$v;
		push @faults, "$at: too few" if @$v < ($type->{least} || 0);
		my %seen;
		push @faults, "$at: twice the same" if $type->{unique} && grep { $seen{ $canonical->encode($_) }++ } @$v;
		return @faults;
	}
	return ref $v eq 'HASH' ? () : "$at: not an object" if $kind eq 'object';
	return ref $v && "$v" =~ /^[01]$/ ? () : "$at: not a boolean" if $kind eq 'boolean';
	if ($kind eq 'string') {
		return "$at: not a string" if !is_string($v);
		return "$at: \"$v\" is none of its words" if $type->{enum} && !grep { $_ eq $v } @{ $type->{enum} };
		return "$at: \"$v\" is no URI reference" if $type->{uri} && $v !~ m{^[\w\-.~:/?#\[\]@!\$&'()*+,;=%]*$};
		return ();
	}
	return "$at: not an integer" if !is_integer($v);
	return $v < $type->{minimum} ? "$at: $v is below $type->{minimum}" : ();
}

sub object_faults {
	my ($v, $type, $at) = @_;
	return "$at: not an object" if ref $v ne 'HASH';
	my @faults = map { exists $v->{$_} ? () : "$at: no $_" } @{ $type->{required} };
	push @faults, "$at: none of @{ $type->{any_of} }" if $type->{any_of} && !grep { exists $v->{$_} } @{ $type->{any_of} };
	for my $name (sort keys %$v) {
		my $of = $type->{properties}{$name};
		push @faults, $of ? faults($v->{$name}, $of, "$at.$name") : "$at: unknown $name";
	}
	return @faults;
}

# What the schema cannot say: an index means that rule, an end is not before its start.
sub meaning_faults {
	my ($doc) = @_;
	my @faults;
	for my $run (@{ $doc->{runs} }) {
		my $rules = $run->{tool}{driver}{rules};
		for my $r (@{ $run->{results} }) {
			my $rule = $rules->[$r->{ruleIndex}];
			push @faults, "ruleIndex of $r->{ruleId}" if !$rule || $rule->{id} ne $r->{ruleId};
			for my $l (@{ $r->{locations} }, @{ $r->{relatedLocations} || [] }) {
				my $g = $l->{physicalLocation}{region};
				push @faults, "a region of $r->{ruleId} ends before it starts"
					if $g->{endLine} < $g->{startLine} || ($g->{endLine} == $g->{startLine} && $g->{endColumn} <= $g->{startColumn});
			}
		}
	}
	return @faults;
}

sub sarif_of {
	my $text = `'$BIN' check --format sarif @_`;
	return (JSON::PP->new->utf8->decode($text), $? >> 8);
}

# ---- the whole corpus in one log

my ($doc, $code) = sarif_of('t/check/corpus/*.lua');
is $code, 1, 'the corpus has findings';
is join("\n", faults($doc, 'log', 'log')), '', 'S6.6: SARIF 2.1.0, as its schema has it';
is join("\n", meaning_faults($doc)), '', 'indexes and regions mean something';
my %rules = map { $_->{ruleId} => 1 } @{ $doc->{runs}[0]{results} };
is join(' ', sort keys %rules),
	'blocking-call busy-loop decision-unused hook-too-long pre-stop-exit-0 server-crash unknown-trigger', 'every rule has results';

# ---- one finding, its places

{
	my ($one) = sarif_of('t/check/corpus/crash-local-function.lua');
	my ($r) = @{ $one->{runs}[0]{results} };
	is $r->{ruleId}, 'server-crash', 'S6.6: the rule id';
	is $r->{locations}[0]{physicalLocation}{region}{startLine}, 4, 'S6.6: the result stands at the raise';
	is $r->{locations}[0]{physicalLocation}{artifactLocation}{uri}, 't/check/corpus/crash-local-function.lua', '… in that file';
	my @related = @{ $r->{relatedLocations} };
	is $related[0]{physicalLocation}{region}{startLine}, 4, 'related locations lead from the raise';
	like $related[-1]{message}{text}, qr/the handler of "GET \/:name"/, '… to the handler';
	my @flow = @{ $r->{codeFlows}[0]{threadFlows}[0]{locations} };
	is $flow[-1]{location}{physicalLocation}{region}{startLine}, 4, 'the code flow ends at the raise';
	is scalar @flow, scalar @related, '… and has the same steps';
	my ($none, $clean) = sarif_of('t/check/corpus/crash-nothing-wrong.lua');
	is $clean, 0, 'no finding is code 0';
	is_deeply $none->{runs}[0]{results}, [], '… and an empty list of results';
	is join("\n", faults($none, 'log', 'log')), '', '… in a valid log';
}

# ---- the checker finds faults

sub broken { my ($change) = @_; my $copy = $canonical->decode($canonical->encode($doc)); $change->($copy); return faults($copy, 'log', 'log') }
my $first = sub { $_[0]{runs}[0]{results}[0] };
for (
	['a missing version', sub { delete $_[0]{version} }],
	['another version', sub { $_[0]{version} = '2.0.0' }],
	['an unknown property', sub { $first->($_[0])->{severity} = 'high' }],
	['a line 0', sub { $first->($_[0])->{locations}[0]{physicalLocation}{region}{startLine} = 0 }],
	['a line in words', sub { $first->($_[0])->{locations}[0]{physicalLocation}{region}{startLine} = 'one' }],
	['an unknown level', sub { $first->($_[0])->{level} = 'fatal' }],
	['no message', sub { delete $first->($_[0])->{message} }],
	['an empty message', sub { $first->($_[0])->{message} = {} }],
	['no driver', sub { $_[0]{runs}[0]{tool} = {} }],
	['an empty thread flow', sub { $_->{codeFlows} and $_->{codeFlows}[0]{threadFlows}[0]{locations} = [] for @{ $_[0]{runs}[0]{results} } }],
	['the same rule twice', sub { push @{ $_[0]{runs}[0]{tool}{driver}{rules} }, $_[0]{runs}[0]{tool}{driver}{rules}[0] }],
	['a URI with a blank', sub { $_[0]{runs}[0]{artifacts}[0]{location}{uri} = 'a b' }],
) {
	isnt scalar(broken($_->[1])), 0, "the checker sees $_->[0]";
}

# ---- odd names

{
	my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
	open my $f, '>', "$dir/a b#\xe2\x82\xac.lua" or die "$!";
	print $f "local curfew = require 'curfew'\ncurfew.on('nope', curfew.graceful)\n";
	close $f or die;
	my ($odd) = sarif_of("'$dir'/*.lua");
	is join("\n", faults($odd, 'log', 'log')), '', 'a file name with odd characters is a URI';
	like $odd->{runs}[0]{artifacts}[0]{location}{uri}, qr{/a%20b%23%E2%82%AC\.lua$}, '… escaped';
}

done_testing;
