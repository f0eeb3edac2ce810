/* The far edges of what scripts and instances may do: an instance that refuses, requests that are over, files of other owners, coroutines
 * that left by an exit. */
#define _GNU_SOURCE
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/exchange.h"

#define FAILS "local function fails(...) say((select(2, pcall(...)))) end "

static struct fake *with(const struct cfw_policy_ops *ops, const struct cfw_policy_config *config)
{
	struct curfew_err err = {0};
	struct fake *f = fake_make(ops, config, &err);
	if (!f->p)
		tap_bail("no policy: %s", err.msg);
	return f;
}

static void says(const char *script, const char *want, const char *words)
{
	struct fake *f = fake_new(0);
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_buf_printf(&b, FAILS "%s", script);
	fake_load(f, b.data);
	is_str(said(f), want, "%s", words);
	if (strcmp(loaded(f), "ok;"))
		tap_diag("loaded: %s", loaded(f));
	cfw_buf_clear(&b);
	fake_free(f);
}

static void tables(void)
{
	says("fails(c.service, 'x', {1, nil, 3})", "policy.lua:1: x: a list has holes;", "a list with a hole in its middle");
	says("fails(table.concat, 7) fails(table.sort, 7) fails(table.remove, 7, 1) fails(table.insert, 7, 1, 1)",
	     "bad argument #1 to 'table.concat' (table expected, got number);"
	     "bad argument #1 to 'table.sort' (table expected, got number);"
	     "bad argument #1 to 'table.remove' (table expected, got number);"
	     "bad argument #1 to 'table.insert' (table expected, got number);",
	     "no tables");
	says("local t = {} for i = 1, 5000 do t[i] = i end table.sort(t, function(a, b) return a > b end) "
	     "table.sort(t, math.ult) say(t[1], t[5000])",
	     "1 5000;", "a long sort by a function of C's");
	says("fails(table.move, {1}, 2)", "bad argument #3 to 'table.move' (number expected, got no value);",
	     "a move to nowhere");
	says("local p = setmetatable({1, 2, 3}, {__len = function() return 3 end}) "
	     "for _, pos in ipairs{0, -1, 6} do fails(table.insert, p, pos, 'x') fails(table.remove, p, pos) end "
	     "table.insert(p, 1, 'x') say(p[1], p[2], p[3], p[4]) say(table.remove(p, 1), p[1], p[2])",
	     "bad argument #2 to 'table.insert' (position out of bounds);bad argument #2 to 'table.remove' (position out of "
	     "bounds);"
	     "bad argument #2 to 'table.insert' (position out of bounds);bad argument #2 to 'table.remove' (position out of "
	     "bounds);"
	     "bad argument #2 to 'table.insert' (position out of bounds);bad argument #2 to 'table.remove' (position out of "
	     "bounds);"
	     "x 1 2 3;x 1 2;",
	     "positions in a table with a length of its own");
}

static void decisions(void)
{
	says("for _, code in ipairs{-1, 256, 1.5, '3'} do fails(c.decision, 'abort', code) end",
	     "policy.lua:1: an exit code is an integer from 0 to 255, got -1;"
	     "policy.lua:1: an exit code is an integer from 0 to 255, got 256;"
	     "policy.lua:1: an exit code is an integer from 0 to 255, got 1.5;"
	     "policy.lua:1: an exit code is an integer from 0 to 255, got 3;",
	     "S2.18: codes that are none");
	says("local d = c.decision('abort', 3) say(tostring(d == io.stdout), tostring(io.stdout == d))", "false false;",
	     "a decision is no other thing");
}

static void coroutines(void)
{
	says("CO = coroutine.create(function() os.exit(0) end) W = coroutine.wrap(function() os.exit(0) end) "
	     "c.spawn(function() coroutine.resume(CO) end) c.spawn(function() W() end) c.sleep(1) "
	     "fails(function() W() end) say(tostring(coroutine.resume(CO))) say(tostring(coroutine.close(CO)), "
	     "coroutine.status(CO))",
	     "policy.lua:1: cannot resume dead coroutine;false;true dead;", "S5.1: coroutines that left by an exit are dead");
	says("local w = coroutine.wrap(function() c.sleep(5) end) c.spawn(w) c.sleep(1) fails(function() w() end)",
	     "policy.lua:1: cannot resume non-suspended coroutine;", "one that waits is resumed by nobody else");
	says("say(coroutine.wrap(c.where)(), tostring(c.where(50)))", "policy.lua:1 nil;",
	     "where, seen from a coroutine of C's");
	says("say(tostring((c.told())), tostring((select(2, c.told()))), select('#', c.due()))", "false false 0;",
	     "outside of any hook nothing is told, nothing due");
}

static void collected(void)
{
	says("do local t = c.spawn(function() end) t:await() "
	     "setmetatable({}, {__gc = function() fails(t.done, t) end}) end collectgarbage() collectgarbage() c.sleep(5)",
	     "policy.lua:1: the task was collected;", "a finalizer that reaches for a task that went with its object");
}

static void text(void)
{
	says("say(('aba'):gsub('b', 7)) say(('aba'):gsub('b', string.upper)) say(('aba'):gsub('b', {b = 'x'}))",
	     "a7a 1;aBa 1;axa 1;", "each kind of replacement");
	says("fails(string.rep, 'x', 1 << 62, 'yy') say(#('x'):rep(3, 'yy'), ('x'):rep(-1))", "resulting string too large;7 ;",
	     "repeated, too often, never");
}

static void looks(void)
{
	says("say(tostring(c.any({}, 1000)))", "nil;", "any of nothing, for a while");
	says("say((debug.getlocal((coroutine.running()), 1, 1))) fails(debug.getlocal, -1, 1)",
	     "c;bad argument #1 to '?' (level out of range);", "locals by the running coroutine, and of no level");
	says("say(tostring(('abxy'):match('(ab)%1')), #string.upper(('x'):rep(1 << 20)), string.upper(7))", "nil 1048576 7;",
	     "a capture that does not come again, a long string, a number");
}

/* ---- an instance that refuses ---- */

static int silent_refusal(void *ud, cfw_token token, enum cfw_request what, cfw_id server, bool flag, struct curfew_err *err)
{
	(void)ud, (void)token, (void)what, (void)server, (void)flag;
	err->code = CURFEW_EREFUSED;
	return CURFEW_EREFUSED;
}

static cfw_id no_hook(void *ud, const struct cfw_hook_opts *opts, struct curfew_err *err)
{
	(void)ud, (void)opts;
	cfw_err_set(err, CURFEW_ELIMIT, "hooks enough");
	return 0;
}

static int no_rule(void *ud, enum cfw_trigger_kind kind, int signo, struct curfew_err *err)
{
	(void)ud, (void)kind, (void)signo;
	return cfw_err_set(err, CURFEW_EREFUSED, "not that signal");
}

static void refusals(void)
{
	struct cfw_policy_ops ops = fake_ops;
	ops.hook_new = no_hook;
	ops.rule_added = no_rule;
	struct fake *f = with(&ops, NULL);
	fake_load(f, "say(select(2, c.hook_new{phase = 'pre_stop', name = 'h', fn = print})) "
		     "say(select(2, c.rule('SIGTERM', print)))");
	is_str(said(f), "hooks enough ELIMIT;not that signal EPERM;", "a hook and a rule that the instance refuses");
	is_int(cfw_policy_ask(f->p, &(struct cfw_trigger){.kind = CFW_T_SIGNAL, .signo = 15, .count = 1}, NULL, NULL).what,
	       CFW_D_NONE, "the rule is none");
	fake_free(f);

	ops = fake_ops;
	ops.request = silent_refusal;
	f = with(&ops, NULL);
	fake_load(f, "c.hook_new{phase = 'pre_stop', fn = function() for _, what in ipairs{'stop', 'reload', 'deactivate'} do "
		     "say(select(2, c.request(what))) end end}");
	fake_call(f, 0, 1);
	fake_run(f, f->now);
	is_str(said(f), "failed EPERM;failed EPERM;failed EPERM;", "refused without a word, in a hook");
	fake_free(f);

	says("for _, id in ipairs{-1, 0, 1 << 40} do say(select(2, c.server_info(id))) end",
	     "server gone ESRCH;server gone ESRCH;server gone ESRCH;", "numbers of no server");
}

static void note_source(void *ud, const char *path)
{
	struct fake *f = ud;
	snprintf(f->service[0].name, sizeof f->service[0].name, "%s", path);
}

static struct cfw_value *info_alone(void *ud, cfw_id server, bool with_stats)
{
	(void)with_stats;
	return fake_server_info(ud, server, false);
}

/* It tells less than others. */
static void little(void)
{
	struct cfw_policy_ops ops = fake_ops;
	ops.log = NULL;
	ops.on_source = note_source;
	ops.server_info = info_alone;
	struct fake *f = with(&ops, NULL);
	fake_load(f, "say('nobody hears it') c.server_new{name = 's'} assert(c.server_info(1, true).stats == nil) "
		     "package.path = ('x'):rep(5000) .. '/?.lua;/nowhere/?.lua' assert(not pcall(require, 'gone'))");
	is_str(loaded(f), "ok;", "an instance without a log, whose servers count nothing");
	is_str(f->service[0].name, "/nowhere/gone.lua", "where a module was looked for is told, but for what is no path");
	struct cfw_trigger t = {.kind = CFW_T_CUSTOM, .custom = 1, .count = 1};
	fake_load(f, "c.rule('custom:deploy', function(t) NAME = t.name return c.decision('abort', 3) end)");
	is_int(cfw_policy_ask(f->p, &t, NULL, NULL).what, CFW_D_NONE,
	       "a trigger of the program's that has no name has no rule");
	fake_free(f);
}

static int reports, exit_code;

static void report(void *ud, const struct cfw_report *r)
{
	(void)ud;
	reports++;
	exit_code = r->exit_code;
}

/* It knows nothing of why and until when, nor of its servers. */
static void knows_nothing(void)
{
	struct cfw_policy_ops ops = fake_ops;
	struct cfw_env env = {.report = report};
	struct curfew_err err = {0};
	ops.stop_cause = NULL;
	ops.server_info = NULL;
	ops.start_until = NULL;
	ops.hook_until = NULL;
	struct fake *f = with(&ops, NULL);
	fake_load(f, "c.server_new{name = 's', start = function(x) say(tostring(x.deadline)) end, stop = function(x) "
		     "say(tostring(x.trigger)) end, abort = function() error('boom') end} "
		     "c.hook_new{phase = 'pre_stop', fn = function() say(select('#', c.due())) end}");
	void *s = cfw_policy_kind.open(f->p, &env, 1, f->def[0], &err);
	cfw_policy_kind.start(s, 1);
	fake_run(f, f->now);
	cfw_policy_kind.stop(s, &(struct cfw_stop){.attempt = 1, .deadline_ns = CFW_NEVER});
	fake_run(f, f->now);
	cfw_policy_kind.cut(s, 2);
	fake_run(f, f->now);
	fake_call(f, 0, 1);
	fake_run(f, f->now);
	is_str(said(f), "nil;nil;0;", "no deadline, no trigger, nothing due");
	ok(reports == 3 && exit_code == 1, "S4.9: an abort that fails is reported with its code");
	ok(has(logged(f), "?: abort failed: policy.lua:1: boom"), "and logged, though nobody knows the server's name");
	cfw_policy_kind.free(s);
	fake_free(f);
}

/* What stands between a trigger and its rules fails, answers nothing, or no table. */
static void entries(void)
{
	static const char *const bodies[] = {"error('x')", "", "return 7"};
	struct cfw_trigger t = {.kind = CFW_T_SIGNAL, .signo = 15, .count = 1};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		char script[256];
		struct fake *f = fake_new(0);
		snprintf(script, sizeof script,
			 "c.on_trigger(function() %s end) c.rule('SIGTERM', function(t) return c.decision('abort', t.count) "
			 "end)",
			 bodies[i]);
		fake_load(f, script);
		struct cfw_decision d = cfw_policy_ask(f->p, &t, NULL, NULL);
		ok(d.what == CFW_D_ABORT && d.code == 1, "S2.12: the rules decide all the same: \"%s\"", bodies[i]);
		fake_free(f);
	}
}

/* ---- what the command line gives ---- */

static void arguments(void)
{
	char name[] = "policy.lua", one[] = "one", two[] = "two";
	char *args[] = {name, one, two, NULL};
	struct cfw_policy_config config;
	cfw_policy_config_default(&config);
	config.args = args;
	struct fake *f = with(&fake_ops, &config);
	struct curfew_err err = {0};
	static const char script[] = "local c = require 'curfew.core' c.log('info', table.concat({#arg, arg[0], arg[1], "
				     "arg[2], select('#', ...), ...}, ' '))";
	cfw_policy_load(f->p, "policy.lua", script, sizeof script - 1, &err);
	fake_run(f, f->now);
	is_str(said(f), "2 policy.lua one two 2 one two;", "arg and ... are what Lua's own interpreter makes of them");
	fake_free(f);

	static const char shell[] = "#!/usr/bin/lua";
	f = with(&fake_ops, NULL);
	is_int(cfw_policy_load(f->p, "policy.lua", shell, sizeof shell - 1, &err), 0, "a script of one line for the shell");
	fake_run(f, f->now);
	is_str(loaded(f), "ok;", "is one that does nothing");
	fake_free(f);
}

/* ---- no page to share, no log ---- */

static void alone(void)
{
	struct cfw_policy_ops ops = fake_ops;
	struct cfw_policy_config config;
	struct curfew_err err = {0};
	cfw_policy_config_default(&config);
	config.hook_cpu_limit_ns = config.load_limit_ns = 5 * CFW_MS;
	struct fake *f = with(&ops, &config);
	struct cfw_policy *paged = f->p;
	f->p = cfw_policy_new(&ops, f, NULL, &config, &err);
	ok(f->p != NULL, "a policy without a page");
	fake_load(f, "while true do end");
	ok(has(loaded(f), "passed load_limit (5ms)"), "has its limits all the same");
	cfw_policy_free(paged);
	fake_free(f);

	f = fake_new(5 * CFW_MS);
	fake_load(f, "c.timer(1, function() local t = setmetatable({}, {__len = function() return 16000000 end}) "
		     "coroutine.wrap(table.insert)(t, 1, 'x') end)");
	ok(has(asked(f), "passed hook_cpu_limit (5ms) at policy.lua:1"),
	   "S6.5: a limit passed in a coroutine of C's is told with the line that resumed it");
	fake_free(f);
}

/* ---- sources that others open ---- */

static int how_opened;

static int open_source(void *ud, const char *path, bool module)
{
	(void)ud, (void)path, (void)module;
	if (how_opened)
		return errno = how_opened, -1;
	return open("/dev/null", O_WRONLY | O_CLOEXEC); /* not for reading */
}

static const char *find_source(void *ud, const char *key, const char **path, size_t *n)
{
	static const char src[] = "return 'kept'";
	(void)ud;
	if (strcmp(key, "module:kept.one") != 0)
		return NULL;
	*path = "/was/there/kept/one.lua";
	*n = sizeof src - 1;
	return src;
}

static void sources(void)
{
	struct cfw_policy_ops ops = fake_ops;
	struct cfw_policy_config config;
	struct cfw_value *box = cfw_value_map();
	ops.open_source = open_source;
	ops.find_source = find_source;
	cfw_policy_config_default(&config);
	config.sandbox = box;
	static const struct {
		int error;
		const char *says;
	} of[] = {
		{EPERM, "cannot open x.lua: the sandbox does not allow it (--allow-read FOLDER would);"},
		{EXDEV, "cannot open x.lua: the sandbox does not allow it (--allow-read FOLDER would);"},
		{ELOOP, "cannot open x.lua: the sandbox does not allow it (--allow-read FOLDER would);"},
		{ENOENT, "cannot open x.lua: No such file or directory;"},
		{0, "cannot open x.lua: Invalid argument;"},
	};
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		how_opened = of[i].error;
		struct fake *f = with(&ops, &config);
		fake_load(f, "say((select(2, loadfile('x.lua'))))");
		is_str(said(f), of[i].says, "S10.4: a source that cannot be opened: %s",
		       how_opened ? strerror(how_opened) : "not for reading");
		fake_free(f);
	}
	struct fake *f = with(&ops, &config);
	fake_load(f, "local load, where = c.sandbox_module('kept.one') say(load(), where)");
	is_str(said(f), "kept /was/there/kept/one.lua;", "S8.2: a module that was kept is not looked for again");
	fake_free(f);
	cfw_value_free(box);
}

/* ---- requests that are over, and connections that can do little ---- */

struct talk {
	struct cfw_exchange x;
	int rc, replies, closes;
};

static int x_reply(struct cfw_exchange *x, int status, const struct cfw_value *headers, const void *body, size_t n)
{
	(void)status, (void)headers, (void)body, (void)n;
	((struct talk *)x)->replies++;
	return 0;
}

static int x_write(struct cfw_exchange *x, const void *data, size_t n)
{
	(void)data, (void)n;
	return ((struct talk *)x)->rc;
}

static void x_close(struct cfw_exchange *x)
{
	((struct talk *)x)->closes++;
}

static void x_release(struct cfw_exchange *x)
{
	(void)x;
}

/* What a handler with that body tells. */
static struct fake *serve(struct talk *t, enum cfw_exchange_kind kind, int rc, const char *body)
{
	static const struct cfw_exchange_ops plain = {
		.reply = x_reply, .write = x_write, .close = x_close, .release = x_release};
	struct fake *f = fake_new(0);
	char script[1024];
	snprintf(script, sizeof script,
		 FAILS "local function tell(...) say(select(2, ...), select(3, ...)) end c.on_serve(function(k, h, x) return "
		       "h(x) end) "
		       "c.server_new{name = 'web', handler = function(x) %s end} c.server_new{name = 'other'}",
		 body);
	fake_load(f, script);
	*t = (struct talk){.x = {.kind = kind, .ops = &plain, .request = cfw_value_map()}, .rc = rc};
	cfw_policy_serve(f->p, 1, cfw_value_to_int(cfw_value_get(f->def[0], "handler"), 0), &t->x);
	fake_run(f, f->now + CFW_SEC);
	return f;
}

static void end(struct fake *f, struct talk *t)
{
	fake_free(f);
	cfw_value_free((struct cfw_value *)(uintptr_t)t->x.request);
}

static void requests(void)
{
	struct talk t;
	struct fake *f = serve(&t, CFW_X_HTTP, 0,
			       "K = x say(tostring(x:begun())) fails(x.reply, x, 99) fails(x.begin, x, 1000) x:reply(200)");
	is_str(said(f),
	       "false;policy.lua:1: a status is from 100 to 999, got 99;policy.lua:1: a status is from 100 to 999, got 1000;",
	       "a status that is none");
	cfw_buf_reset(&f->said);
	fake_load(f, "for _, op in ipairs{'begin', 'finish', 'flush', 'read', 'close', 'hold', 'write'} do "
		     "say(op, select(2, K[op](K, op == 'begin' and 200 or op == 'write' and 'x' or nil))) end "
		     "say(tostring(K:alive()), tostring(K:begun()))");
	is_str(said(f),
	       "begin the request is over EPIPE;finish the request is over EPIPE;flush the request is over EPIPE;"
	       "read the request is over EPIPE;close the request is over EPIPE;hold the request is over EPIPE;"
	       "write the request is over EPIPE;false true;",
	       "a request that is over: every operation says so");
	is_int(t.replies, 1, "and none reaches the connection");
	end(f, &t);

	f = serve(&t, CFW_X_TCP, CURFEW_EINVAL,
		  "tell(x:write('a')) tell(x:flush()) tell(x:read(-1)) tell(x:begin(200)) x:close() say(tostring(x:begun()))");
	is_str(said(f),
	       "write: it failed EINVAL;flush: the connection was closed, or is being flushed already EBUSY;"
	       "read: the connection was closed, or is being read already EBUSY;begin: a reply was begun already EBUSY;true;",
	       "a connection that can do little");
	end(f, &t);

	f = serve(&t, CFW_X_TCP, CURFEW_ENOMEM, "tell(x:write('a'))");
	is_str(said(f), "write: out of memory ENOMEM;", "one that has no memory left");
	end(f, &t);

	f = serve(&t, CFW_X_HTTP, 0, "c.sleep(2000000000) error('boom')");
	cfw_policy_gone(f->p, &t.x);
	fake_run(f, f->now + 5 * CFW_SEC);
	ok(has(logged(f), "request failed request=tcp connection error=policy.lua:1: boom"),
	   "a failure after the client has left is logged");
	is_int(t.replies + t.closes, 0, "and nothing is done to its connection");
	uint64_t errors = 7, limits = 7;
	cfw_policy_serve(f->p, 2, cfw_value_to_int(cfw_value_get(f->def[0], "handler"), 0), &t.x);
	fake_run(f, f->now + 5 * CFW_SEC);
	cfw_policy_request_counts(f->p, 2, &errors, &limits);
	ok(errors == 1 && limits == 0, "failures are counted for each server");
	is_int(t.replies, 1, "which answers 500");
	end(f, &t);
}

int main(void)
{
	tables();
	decisions();
	coroutines();
	collected();
	text();
	looks();
	little();
	knows_nothing();
	entries();
	refusals();
	arguments();
	alone();
	sources();
	requests();
	return tap_done();
}
