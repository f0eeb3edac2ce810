/* S2.11, S2.12: what the rules of a script answer. */
#define _GNU_SOURCE
#include "fake.h"

static const struct cfw_trigger term = {.kind = CFW_T_SIGNAL, .signo = 15, .count = 2, .at_ns = 3 * CFW_SEC};

static struct fake *with(const char *script)
{
	struct fake *f = fake_new(5 * CFW_MS);
	char buf[4096];
	snprintf(buf, sizeof buf, "local D = function(...) return c.decision(...) end %s", script);
	fake_load(f, buf);
	if (strcmp(loaded(f), "ok;") != 0)
		tap_bail("%s: %s", script, loaded(f));
	return f;
}

static void decides_on(const struct cfw_trigger *t, const char *script, const char *want, const char *words)
{
	struct fake *f = with(script);
	char got[64];
	struct cfw_decision d = cfw_policy_ask(f->p, t, "the text", "the trace");
	fake_run(f, f->now + CFW_SEC);
	snprintf(got, sizeof got, "%s %d", d.what == CFW_D_NONE ? "none" : cfw_decision_name(d.what), d.code);
	is_str(got, want, "%s", words);
	fake_free(f);
}

static void decides(const char *script, const char *want, const char *words)
{
	decides_on(&term, script, want, words);
}

static void order(void)
{
	decides("", "none 0", "S2.11: no rule, no decision");
	decides("c.rule('SIGTERM', D('graceful', 3))", "graceful 3", "S2.11: a decision is a rule");
	decides("c.rule('SIGTERM', function() return D('abort') end)", "abort 1",
		"S2.11: a function's answer; abort means code 1");
	decides("c.rule('SIGTERM', D('graceful')) c.rule('SIGTERM', D('abort', 4))", "abort 4", "S2.11: the newest first");
	decides("c.rule('SIGTERM', D('graceful', 5)) c.rule('SIGTERM', function() end)", "graceful 5",
		"S2.11: nil falls to the older");
	decides("c.rule('*', D('abort', 9)) c.rule('SIGTERM', D('graceful', 5)) c.rule('*', D('abort', 8))", "graceful 5",
		"S2.11: its own rule before \"*\"");
	decides("c.rule('*', D('abort', 9)) c.rule('SIGTERM', function() end)", "abort 9", "S2.11: then \"*\"");
	decides("c.rule('SIGTERM', D('abort', 7), 'default') c.rule('*', D('abort', 9), 'script')", "abort 9",
		"S2.11: \"*\" before the default");
	decides("c.rule('SIGTERM', D('abort', 7), 'default')", "abort 7", "S2.11: the default last");
	decides("c.rule('SIGINT', D('abort', 7)) c.rule('exit', D('abort', 7))", "none 0",
		"S2.11: other triggers' rules are not asked");
	decides("c.rule('SIGTERM', function(t) return D('graceful', t.count) end)", "graceful 2",
		"S2.13: a rule sees the count");
	decides("c.rule('SIGTERM', function(t) assert(t.name == 'SIGTERM' and t.at == 3.0 and t.error == 'the text' and "
		"t.traceback == "
		"'the trace' and not t.server) return D('ignore') end)",
		"ignore 0", "S2: the trigger's table");
	decides("c.on_trigger(function(t) t.more = 6 return t end) c.rule('SIGTERM', function(t) return D('abort', t.more) "
		"end)",
		"abort 6", "the Lua layer prepares the table");
}

static void broken(void)
{
	static const char *const bodies[][2] = {
		{"error('boom')", "fails"},
		{"error({})", "fails with an object"},
		{"c.sleep(1)", "waits"},
		{"coroutine.wrap(function() c.sleep(1) end)()", "waits in a coroutine"},
		{"c.spawn(function() end):await()", "awaits"},
		{"while true do end", "blows its budget"},
		{"while true do pcall(function() while true do end end) end", "blows its budget under pcall"},
		{"return 'graceful'", "answers a string"},
		{"return true", "answers true"},
		{"return function() end", "answers a function"},
		{"return D('restart')", "answers what the trigger does not allow"},
		{"local s = 'x' while true do s = s .. s end", "runs out of memory"},
		{"coroutine.yield()", "yields"},
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		char script[512], words[128];
		snprintf(script, sizeof script, "c.rule('SIGTERM', D('graceful', 6)) c.rule('SIGTERM', function() %s end)",
			 bodies[i][0]);
		snprintf(words, sizeof words, "S2.12: a rule that %s: the next one decides", bodies[i][1]);
		decides(script, "graceful 6", words);
		struct fake *f = with(script);
		cfw_policy_ask(f->p, &term, NULL, NULL);
		ok(has(logged(f), "a rule gave no decision trigger=SIGTERM rule=policy.lua:1"), "S2.12: and it is logged: %s",
		   bodies[i][1]);
		is_str(asked(f), "", "S2.12: it raises no trigger of its own");
		fake_free(f);
	}
	struct fake *f = with("c.rule('SIGTERM', function() c.sleep(1) end)");
	cfw_policy_ask(f->p, &term, NULL, NULL);
	ok(has(logged(f), "rules cannot wait; use curfew.spawn"), "S2.12: a rule that waits is told what to do");
	fake_free(f);
	f = with("c.rule('SIGTERM', D('graceful', 6)) c.rule('SIGTERM', function() pcall(os.exit, 3) return D('abort') end)");
	struct cfw_decision d = cfw_policy_ask(f->p, &term, NULL, NULL);
	is_int(d.what, CFW_D_GRACEFUL, "S5.2: os.exit in a rule is no answer");
	is_str(asked(f), "exit 3;", "S5.1: it is the exit trigger");
	fake_free(f);
	f = with("c.rule('SIGTERM', function() c.spawn(function() c.sleep(1) say('spawned') end) return D('ignore') end)");
	cfw_policy_ask(f->p, &term, NULL, NULL);
	fake_run(f, f->now + 10);
	is_str(said(f), "spawned;", "S2.12: a rule may spawn");
	fake_free(f);
}

static void decisions(void)
{
	struct fake *f = with("local a = D('abort') say(tostring(a), tostring(a(130)), tostring(a())) "
			      "say(tostring(D('graceful')()), tostring(D('kill')(9)), tostring(D('restart'))) "
			      "say((select(2, pcall(a, 256)))) say((select(2, pcall(D('restart'))))) "
			      "say((select(2, pcall(D('ignore'))))) say((select(2, D('reload')()))) "
			      "say(c.decision_of(a(5))) say(c.decision_of(D('ignore'))) say(tostring(c.decision_of({}))) "
			      "say(tostring(a(5) == a(5)), tostring(a(5) == a(6))) say((select(2, pcall(D, 'explode'))))");
	ok(has(said(f), "abort(1) abort(130) abort(1);graceful(0) kill(9) restart;"), "decisions are called for another code");
	ok(has(said(f), "an exit code is an integer from 0 to 255, got 256;"), "S2.18: codes are checked");
	ok(has(said(f), "curfew.restart is an answer of a rule, not a function;") && has(said(f), "curfew.ignore is an answer"),
	   "the others are not called");
	ok(has(said(f), "no reload during a stop;"), "reload called is a request");
	ok(has(said(f), "abort 5;ignore;nil;true false;"), "decisions are read and compared");
	ok(has(said(f), "unknown decision \"explode\";"), "an unknown one is an error");
	fake_free(f);
}

static void names(void)
{
	struct fake *f =
		with("say(tostring(c.rule('SIGHUP', D('reload')))) say(select(2, c.rule('SIGNOPE', D('ignore')))) "
		     "say(c.signal_number('TERM'), tostring(c.signal_number('nope'))) say(tostring(#c.trigger_names() > 8)) "
		     "say((select(2, pcall(c.rule, 'exit', 1)))) c.trigger('custom:deploy', 3) c.trigger('stop') "
		     "say(select(3, c.trigger('crash'))) say(select(2, c.trigger('deploy')))");
	ok(has(said(f), "true;unknown trigger \"SIGNOPE\" ENOENT;15 nil;true;"), "unknown triggers are refused");
	is_str(fake_text(&f->rules), "SIGHUP;", "the instance hears which triggers have a rule");
	ok(has(said(f), "policy.lua:1: on(\"exit\"): expected a function or a decision, got number;"),
	   "a rule is a function or a decision");
	is_str(asked(f), "custom 3 custom:deploy;stop;", "custom triggers and named ones are raised");
	ok(has(said(f), "EPERM;unknown trigger \"deploy\" ENOENT;"), "S10.1: what only curfew may raise is refused");
	fake_free(f);
	struct cfw_trigger custom = {.kind = CFW_T_CUSTOM};
	f = with("c.rule('custom:deploy', function(t) assert(t.name == 'custom:deploy') return D('graceful', 2) end)");
	is_int(cfw_policy_ask(f->p, &custom, "custom:deploy", NULL).code, 2, "a rule for a custom trigger");
	is_int(cfw_policy_ask(f->p, &custom, "custom:other", NULL).what, CFW_D_NONE, "and none for another");
	fake_free(f);
}

int main(void)
{
	order();
	broken();
	decisions();
	names();
	return tap_done();
}
