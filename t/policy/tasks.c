#define _GNU_SOURCE
#include "fake.h"

/* What the script said, in a policy of its own; all else has to be quiet. */
static void says(const char *script, const char *want, const char *words)
{
	struct fake *f = fake_new(0);
	fake_load(f, script);
	is_str(said(f), want, "%s", words);
	if (strcmp(loaded(f), "ok;") != 0 || *asked(f) || *logged(f))
		ok(false, "%s: quiet (loaded %s asked %s log %s)", words, loaded(f), asked(f), logged(f));
	fake_free(f);
}

static void sleep_and_spawn(void)
{
	says("say('a') c.sleep(5000000) say('b')", "a;b;", "S3.7: the main script may wait");
	says("local t0 = c.now_ns() c.sleep(2500000000) say(c.now_ns() - t0)", "2500000000;", "sleep takes its time");
	says("c.sleep(0) say('x')", "x;", "sleep(0) yields and comes back");
	says("c.spawn(function(...) say(...) c.sleep(2) say('late') end, 'x', 'y') say('main') c.sleep(1) say('main 2')",
	     "main;x y;main 2;late;", "spawn runs beside its caller");
	says("local t = c.spawn(function() c.sleep(5) return 1, nil, 3 end) say(select('#', t:await()), (t:await()))", "3 1;",
	     "await returns all results, again as often as asked");
	says("local t = c.spawn(function() c.sleep(50) end) local ok, msg, name = t:await(10) say(tostring(ok), msg, name)",
	     "nil timed out ETIMEDOUT;", "await with a timeout");
	says("local t = c.spawn(function() error('boom') end) local ok, msg, name = t:await() say(tostring(ok), msg, name)",
	     "nil policy.lua:1: boom ELUA;", "a failed task is nil, message, name to who awaits it");
	says("local t = c.spawn(function() c.sleep(1e9 // 1 | 0) end) c.sleep(1) say(tostring(t:done())) "
	     "say(tostring(t:cancel())) "
	     "say(tostring(t:cancel())) local _, m, n = t:await() say(m, n, tostring(t:done()))",
	     "false;true;false;canceled ECANCELED true;", "cancel ends a task once");
	says("local t = c.spawn(function() local x <close> = setmetatable({}, {__close = function() say('closed') end}) "
	     "c.sleep(1000) end) c.sleep(1) t:cancel() say('after')",
	     "closed;after;", "cancel runs <close> variables");
	says("local t t = c.spawn(function() t:cancel() say('never') end) c.sleep(1) say((select(2, t:await())))", "canceled;",
	     "a task that cancels itself is left at once");
	says("local t t = c.spawn(function() return select(2, pcall(t.await, t)) end) say((t:await()))",
	     "policy.lua:1: a task cannot await itself;", "a task cannot await itself");
	says("local a = c.spawn(function() c.sleep(20) end) local b = c.spawn(function() c.sleep(10) end) "
	     "say(c.any({a, b})) say(c.any({a, b})) say(c.any({a})) say(select(3, c.any({c.spawn(function() c.sleep(9) end)}, "
	     "1)))",
	     "2;2;1;ETIMEDOUT;", "any: the first that ends, at once when one has");
	says("for i = 1, 3 do c.spawn(function() c.sleep(4 - i) say(i) end) end", "3;2;1;", "sleepers wake in order of time");
	says("local l = {} for i = 1, 1000 do l[i] = c.spawn(function() c.sleep(10) return i end) end local s = 0 "
	     "for i = 1, 1000 do s = s + l[i]:await() end say(s)",
	     "500500;", "a thousand tasks");
}

static void timers(void)
{
	says("c.timer(5, function() say('five') end) c.timer(3, function() say('three') end)", "three;five;",
	     "timers in order");
	says("local h = c.timer(5, function() say('never') end) say(tostring(h:cancel()), tostring(h:cancel()))", "true false;",
	     "a timer is cancelled once");
	says("local n, h = 0 h = c.timer(10, function() n = n + 1 say(n) if n == 3 then h:cancel() end end, 10)", "1;2;3;",
	     "a repeating timer, cancelled from within");
	says("local n, h = 0 h = c.timer(10, function() n = n + 1 c.sleep(25) say(n, c.now_ns() - 1000000000) "
	     "if n == 2 then h:cancel() end end, 10)",
	     "1 35;2 65;", "a repeating timer does not pile up behind a slow function");
	says("c.timer(1, function() c.sleep(3) say('waits') end)", "waits;", "a timer's function may wait");
}

static void services(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "local v, m, n = c.service('fs.read', {path = '/x', max = 3}) say(v.a[2], tostring(v.b), v.c) "
		     "v, m, n = c.service('fs.read', {}) say(tostring(v), m, n) "
		     "v, m, n = c.service('none', {}) say(tostring(v), m, n)");
	is_int(f->services, 1, "a service was begun");
	is_str(f->service[0].name, "fs.read", "by its name");
	is_str(cfw_value_get_str(f->service[0].args, "path", ""), "/x", "with a string of its arguments");
	is_int(cfw_value_get_int(f->service[0].args, "max", 0), 3, "and an integer");
	struct cfw_value *v = cfw_value_map(), *list = cfw_value_list();
	cfw_value_push(list, cfw_value_int(1));
	cfw_value_push(list, cfw_value_str("two"));
	cfw_value_set(v, "a", list);
	cfw_value_set(v, "b", cfw_value_bool(true));
	cfw_value_set(v, "c", cfw_value_num(0.5));
	cfw_policy_answer(f->p, f->service[0].token, v, NULL);
	fake_run(f, f->now);
	is_str(said(f), "two true 0.5;", "its answer comes back as a table");
	cfw_policy_answer(f->p, f->service[0].token, cfw_value_int(7), NULL);
	fake_run(f, f->now);
	is_str(said(f), "two true 0.5;", "a late answer to an old token is ignored");
	struct curfew_err err;
	cfw_err_set(&err, CURFEW_ETIMEOUT, "too slow");
	cfw_policy_answer(f->p, f->service[1].token, NULL, &err);
	fake_run(f, f->now);
	is_str(said(f), "two true 0.5;nil too slow ETIMEDOUT;nil no service \"none\" ENOENT;",
	       "a failure is nil, message, name, also when it cannot begin");
	cfw_policy_answer(f->p, 0, cfw_value_int(7), NULL);
	cfw_policy_answer(f->p, ~(cfw_token)0, cfw_value_int(7), NULL);
	ok(true, "tokens of nobody are ignored");
	fake_free(f);

	f = fake_new(0);
	fake_load(f,
		  "say(tostring(c.service('x', {}, function(v, m, n) say('cb', tostring(v), tostring(n)) c.sleep(1) say('end') "
		  "end))) c.service('none', nil, function(v, m, n) say('none', n) end) "
		  "t = c.spawn(function() c.service('y', {}) end)");
	is_str(said(f), "true;none ENOENT;", "with a callback it returns at once; what cannot begin is told to the callback");
	cfw_policy_answer(f->p, f->service[0].token, cfw_value_str("v"), NULL);
	fake_run(f, f->now + 10);
	is_str(said(f), "true;none ENOENT;cb v nil;end;", "the callback has a task of its own and may wait");
	ok(cfw_policy_busy(f->p), "S2.8: what waits keeps the policy busy");
	fake_load(f, "t:cancel()");
	ok(f->service[1].canceled, "a cancelled task's service is cancelled");
	ok(!cfw_policy_busy(f->p), "S2.8: nothing is left");
	fake_free(f);

	f = fake_new(0);
	fake_load(f, "say(tostring(c.request('start'))) say((select(2, c.request('reload'))))");
	is_str(f->service[0].name, "request start", "a request to the core");
	cfw_policy_answer(f->p, f->service[0].token, cfw_value_bool(true), NULL);
	fake_run(f, f->now);
	is_str(said(f), "true;no reload during a stop;", "and its answers");
	fake_free(f);
}

static void events(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "h = c.subscribe('up', function(v) say('sub', v.name) end) say('got', c.wait_event('up').name)");
	ok(cfw_policy_busy(f->p), "S2.8: the task that waits for an event is busy");
	struct cfw_value *v = cfw_value_map();
	cfw_value_set(v, "name", cfw_value_str("web"));
	cfw_policy_emit(f->p, "down", v);
	cfw_policy_emit(f->p, "up", v);
	fake_run(f, f->now);
	ok(has(said(f), "got web;") && has(said(f), "sub web;"), "an event reaches who waits and who subscribed");
	ok(!cfw_policy_busy(f->p), "S2.8: a bare subscription is not busy");
	fake_load(f, "say(tostring(h:cancel()), tostring(h:cancel()))");
	cfw_buf_reset(&f->said);
	cfw_policy_emit(f->p, "up", v);
	fake_run(f, f->now);
	is_str(said(f), "", "a cancelled subscription hears nothing");
	cfw_value_free(v);
	fake_free(f);
}

static void conversions(void)
{
	says("local t = {} t.t = t say((select(2, pcall(c.service, 'x', t))))", "policy.lua:1: x: a table contains itself;",
	     "a cycle is refused");
	says("local t = {} for _ = 1, 40 do t = {t} end say((select(2, pcall(c.service, 'x', t))))",
	     "policy.lua:1: x: tables are nested more than 16 deep;", "so is depth");
	says("say((select(2, pcall(c.service, 'x', {a = 1, 2}))))", "policy.lua:1: x: a table has both names and list items;",
	     "so is a mixture");
	says("say((select(2, pcall(c.service, 'x', {print}))))", "policy.lua:1: x: a function has no place here;",
	     "functions only where they are called for");
	says("say((select(2, pcall(c.service, 'x', {coroutine.create(print)}))))",
	     "policy.lua:1: x: a thread has no place here;", "threads nowhere");
	struct fake *f = fake_new(0);
	fake_load(f,
		  "say(c.server_new{name = 'web', kind = 'http', handler = function() end, list = {1, 2, 3}}) "
		  "say((select(2, c.server_new{kind = 'http'}))) say(c.server_find('web'), tostring(c.server_find('x'))) "
		  "say(c.server_info(1).name, select(3, c.server_info(9))) say(tostring(c.server_info(1, true).stats ~= nil)) "
		  "say(select(3, c.server_after(1, 1))) say((select(2, c.configure{bad = 1})), tostring(c.configure{strict = "
		  "true}))");
	is_str(said(f), "1;a server needs a name;1 nil;web ESRCH;true;ELOOP;no such setting: bad true;",
	       "the registry's answers");
	is_int(cfw_value_type(cfw_value_get(f->def[0], "handler")), CFW_V_REF, "a function is a reference in a definition");
	is_int(cfw_value_len(cfw_value_get(f->def[0], "list")), 3, "a list is a list");
	fake_free(f);
}

static void ownership(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "c.spawn(function() error('late') end)");
	is_str(asked(f), "rejection policy.lua:1: late;", "S2.6: a failed task that nobody awaits is a rejection");
	ok(has(f->trace, "policy.lua:1: in function"), "S2.6: with its traceback");
	fake_free(f);

	f = fake_new(0);
	fake_load(f, "local t = c.spawn(function() error('late') end) c.sleep(10) say(select(3, t:await()))");
	is_str(asked(f), "rejection policy.lua:1: late;", "S2.6: awaited in a later turn is too late");
	is_str(said(f), "ELUA;", "its failure is told all the same");
	fake_free(f);

	f = fake_new(0);
	fake_load(f, "c.timer(1, function() error({}) end)");
	is_str(asked(f), "error policy.lua:1: (error object is a table value);",
	       "S2.5, S2.14: an error in a timer is a trigger");
	fake_free(f);
}

int main(void)
{
	sleep_and_spawn();
	timers();
	services();
	events();
	conversions();
	ownership();
	return tap_done();
}
