/* Hooks, loading, memory, freeing. */
#define _GNU_SOURCE
#include "fake.h"

static void hooks(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "local function hook(f) c.hook_new{phase = 'pre_stop', name = 'h', where = 'policy.lua:1', timeout_ns = "
		     "5, fn = f} "
		     "end c.on_call(function(f, ctx) ctx.prepared = true return f(ctx) end) "
		     "hook(function(x) say(x.run, tostring(x.server), x.trigger.name, x.mode, x.phase, x.deadline - x.began, "
		     "tostring(x.result), tostring(x.prepared)) end) "
		     "hook(function() c.sleep(5) error('boom') end) hook(function() error() end) "
		     "hook(function() error(setmetatable({}, {__tostring = function() return 'object' end})) end) "
		     "hook(function() error(setmetatable({}, {__tostring = function() while true do end end})) end) "
		     "hook(function() error(10) end) hook(function() local x <close> = setmetatable({}, {__close = function() "
		     "say('closed') end}) c.sleep(1000) say('never') end)");
	for (uint32_t i = 0; i < 7; i++)
		fake_call(f, i, i + 1);
	is_int(f->dones, 0, "a hook runs in the next step");
	fake_run(f, f->now + 100);
	is_str(said(f), "1 nil SIGTERM graceful pre_stop 5.0 nil true;", "a hook's ctx");
	is_int(f->dones, 6, "hooks end");
	for (size_t i = 0; i < f->dones; i++) {
		static const char *const texts[] = {NULL,
						    NULL,
						    "policy.lua:1: boom",
						    "policy.lua:1: (error object is a nil value)",
						    "policy.lua:1: object",
						    "policy.lua:1: (error object is a table value)",
						    "policy.lua:1: 10"};
		uint32_t run = f->done[i].run;
		is_int(f->done[i].outcome, run == 1 ? CFW_OK : CFW_FAILED, "outcome of run %u", run);
		if (run > 1)
			is_str(f->done[i].text, texts[run], "S2.14: text of run %u", run);
	}
	ok(f->done[5].trace && has(f->done[5].trace, "policy.lua:1: in function"), "S4.9: its traceback");
	cfw_policy_call_cancel(f->p, 7);
	is_int(f->dones, 6, "no hook_done follows a cancelled call");
	is_str(said(f) + strlen("1 nil SIGTERM graceful pre_stop 5.0 nil true;"), "closed;", "its <close> variables run");
	ok(!cfw_policy_busy(f->p), "S2.8: nothing is left");
	cfw_policy_call_cancel(f->p, 7);
	fake_free(f);
}

static void causes(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "c.hook_new{phase = 'pre_stop', fn = function(x) say(x.trigger.name, x.trigger.error, "
		     "x.trigger.traceback) end} "
		     "c.hook_new{phase = 'pre_stop', fn = function(x) say(x.trigger.name, tostring(x.trigger.error)) end} "
		     "c.hook_new{phase = 'pre_stop', fn = function(x) local u = c.deadline(x.run) say(tostring(u)) end}");
	char text[] = "boom", trace[] = "stack traceback:";
	struct cfw_hook_call call = {
		.run = 1, .ref = f->refs[0], .trigger = {.kind = CFW_T_ERROR}, .text = text, .traceback = trace};
	cfw_policy_call(f->p, &call);
	text[0] = trace[0] = 'X'; /* they were copied */
	call = (struct cfw_hook_call){.run = 2, .ref = f->refs[1], .trigger = {.kind = CFW_T_CUSTOM}, .text = "custom:deploy"};
	cfw_policy_call(f->p, &call);
	fake_run(f, f->now);
	is_str(said(f), "error boom stack traceback:;custom:deploy nil;", "a hook's trigger: name, error, traceback");
	cfw_buf_reset(&f->said);
	static const uint64_t untils[] = {5 * CFW_SEC / 2, CFW_NEVER, 0};
	for (uint32_t i = 0; i < 3; i++) {
		f->until = untils[i];
		fake_call(f, 2, 3 + i);
		fake_run(f, f->now);
	}
	is_str(said(f), "2.5;inf;nil;", "S4.6: when a hook will be cut, as things stand: in time, never, it does not run");
	fake_free(f);
}

/* Cancels by the number of the run. */
static void cancels(void)
{
	enum { RUNS = 20000, STRIDE = 512 /* these share a bucket */ };
	struct fake *f = fake_new(0);
	fake_load(f, "c.hook_new{phase = 'pre_stop', fn = function() c.wait_event('go') end}");
	for (uint32_t i = 1; i <= RUNS; i++)
		fake_call(f, 0, i);
	fake_run(f, f->now);
	uint64_t began = cfw_time_now();
	for (uint32_t i = RUNS; i; i--)
		if (i != STRIDE + 1 && i != RUNS)
			cfw_policy_call_cancel(f->p, i);
	tap_diag("%d hooks cancelled: %.2f ms", RUNS, (double)(cfw_time_now() - began) / 1e6);
	cfw_policy_call_cancel(f->p, RUNS + STRIDE);
	cfw_policy_emit(f->p, "go", NULL);
	fake_run(f, f->now);
	is_int(f->dones, 2, "those that were not cancelled end");
	ok(f->done[0].run + f->done[1].run == STRIDE + 1 + RUNS && f->done[0].outcome == CFW_OK, "and no other");
	ok(!cfw_policy_busy(f->p), "nothing is left");
	fake_free(f);
}

static void many(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "for i = 1, 1000 do c.hook_new{phase = 'pre_stop', fn = function() c.sleep(10000000) end} end");
	uint64_t began = cfw_time_now(), start = f->now;
	for (uint32_t i = 0; i < 1000; i++)
		fake_call(f, i, i + 1);
	fake_run(f, f->now + CFW_SEC);
	is_int(f->dones, 1000, "a thousand hooks side by side");
	is_int(f->now - start, 10 * CFW_MS, "take as long as one");
	tap_diag("a thousand hooks: %.2f ms of work", (double)(cfw_time_now() - began) / 1e6);
	fake_free(f);
}

static void fairness(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "for i = 1, 1000 do c.hook_new{phase = 'pre_stop', fn = function() end} end");
	for (uint32_t i = 0; i < 1000; i++)
		fake_call(f, i, i + 1);
	int wakes = f->wakes;
	cfw_policy_step(f->p, f->now);
	ok(f->dones > 0 && f->dones < 1000, "one step runs a bounded batch");
	is_int(cfw_policy_deadline(f->p), 0, "more is ready: due at once");
	ok(f->wakes > wakes, "and it asks to be woken");
	fake_run(f, f->now);
	is_int(f->dones, 1000, "all end");
	is_int(cfw_policy_deadline(f->p), CFW_NEVER, "nothing is due");
	fake_free(f);
}

static void loading(void)
{
	struct fake *f = fake_new(0);
	struct curfew_err err = {0};
	ok(cfw_policy_load(f->p, "policy.lua", "x = = 1", 7, &err) < 0 &&
		   has(err.msg, "policy.lua:1: unexpected symbol near '='"),
	   "S3.7: a syntax error is told at once, with file and line");
	ok(cfw_policy_load(f->p, "policy.lua", "\x1bLua", 4, &err) < 0 && has(err.msg, "binary"), "bytecode is refused");
	is_int(cfw_policy_load(f->p, "policy.lua", "", 0, &err), 0, "an empty script");
	is_int(cfw_policy_load(f->p, "policy.lua", "#!/usr/bin/curfew\nerror('x')", 28, &err), 0, "a first line for the shell");
	is_int(cfw_policy_load(f->p, "next.lua", "x = 1", 5, &err), 0, "one more behind it");
	fake_run(f, f->now);
	is_str(loaded(f), "ok;policy.lua:2: x;ok;", "S3.7: failures name file and line; the rest is answered");
	fake_load(f, "say(tostring(x))");
	is_str(said(f), "nil;", "what came behind the failure did not run");
	fake_free(f);

	f = fake_new(0);
	static const char waits[] = "x = 1 require 'curfew.core'.sleep(5) x = x + 1";
	cfw_policy_load(f->p, "a.lua", waits, sizeof waits - 1, &err);
	fake_load(f, "say(x)");
	is_str(said(f), "2;", "scripts run one after another, also when the first waits");
	fake_free(f);

	f = fake_new(0);
	fake_load(f, "local function deep() error({}) end deep()");
	ok(has(loaded(f), "policy.lua:1: (error object is a table value)\nstack traceback:"),
	   "S2.14: any error object, with file and line");
	fake_free(f);

	f = fake_new(0);
	fake_load(f, "say(tostring(load(string.dump(function() end)))) say(tostring(load('return 1', 'x', 'b'))) "
		     "say(load('return 1')(), load('return ...', 'x', 'bt')(2), load('return v', 'x', 't', {v = 3})()) "
		     "local parts = {'return ', '4'} say(load(function() return table.remove(parts, 1) end)()) "
		     "say(tostring(debug.sethook), tostring(loadfile('/nowhere'))) say(tostring((pcall(dofile, '/nowhere')))) "
		     "say(tostring(getmetatable(io.stdout)))");
	is_str(said(f), "nil;nil;1 2 3;4;nil nil;false;FILE*;", "load and its kin take text only; debug.sethook is gone");
	fake_free(f);
}

static void files(void)
{
	char dir[] = "/tmp/curfew-policy-XXXXXX", path[64], script[512];
	if (!mkdtemp(dir))
		tap_bail("no directory");
	snprintf(path, sizeof path, "%s/mod.lua", dir);
	FILE *file = fopen(path, "w");
	fputs("local name = ... return {name = name, f = function() error('in mod') end}", file);
	fclose(file);
	struct fake *f = fake_new(0);
	snprintf(script, sizeof script,
		 "package.path = '%s/?.lua' local m = require 'mod' say(m.name, (select(2, pcall(m.f)))) "
		 "say((select(2, pcall(require, 'nomod'))):match(\"module 'nomod' not found\")) "
		 "say(dofile('%s').f ~= nil and 'dofile', loadfile('%s')('x').name)",
		 dir, path, path);
	fake_load(f, script);
	char want[256];
	snprintf(want, sizeof want, "mod %s:1: in mod;module 'nomod' not found;dofile x;", path);
	is_str(said(f), want, "require, dofile and loadfile of Lua files");
	file = fopen(path, "w");
	fwrite("\x1bLuaS", 1, 5, file);
	fclose(file);
	fake_load(f, "say((select(2, pcall(require, 'mod2')) and 'x')) package.loaded.mod = nil say((select(2, pcall(require, "
		     "'mod'))"
		     ":match('attempt to load a binary chunk')))");
	ok(has(said(f), "attempt to load a binary chunk;"), "none of them takes bytecode");
	remove(path);
	remove(dir);
	fake_free(f);
}

static void memory(void)
{
	static const char *const growers[][2] = {
		{"local t = {} while true do t[#t + 1] = {} end", "a table that grows for ever"},
		{"local s = 'x' while true do s = s .. s end", "a string that doubles"},
		{"local t = {} while true do pcall(function() t[#t + 1] = ('x'):rep(1 << 20) .. #t end) end",
		 "growth under pcall"},
		{"local t = {} while true do t[#t + 1] = coroutine.create(function() end) end", "coroutines"},
		{"local t = {} for i = 1, 1 << 30 do t[i] = c.spawn(function() c.sleep(1000) end) end", "tasks"},
		{"local t = {} while true do t[#t + 1] = c.timer(1000, function() end) end", "timers"},
		{"local t = {} for i = 1, 1 << 24 do t[i] = i end c.service('x', t)", "a huge argument"},
		{"string.rep('x', 1 << 40)", "one huge string"},
		{"local function f(...) return f(1, ...) end f()", "arguments for ever"},
	};
	for (size_t i = 0; i < sizeof growers / sizeof *growers; i++) {
		struct cfw_policy_config config;
		cfw_policy_config_default(&config);
		config.memory_limit = 8 << 20;
		struct fake *f = fake_new(0);
		cfw_policy_configure(f->p, &config);
		char script[512];
		snprintf(script, sizeof script,
			 "c.hook_new{phase = 'pre_stop', fn = function() %s end} c.hook_new{phase = 'pre_stop', fn = "
			 "function() say('other') end}",
			 growers[i][0]);
		fake_load(f, script);
		fake_call(f, 0, 1);
		fake_run(f, f->now + CFW_MS);
		fake_call(f, 1, 2);
		fake_run(f, f->now);
		ok(f->dones && f->done[0].run == 1 && f->done[0].outcome == CFW_FAILED, "S6.5: failed: %s (%s)", growers[i][1],
		   f->dones ? f->done[0].text : "");
		is_str(said(f), "other;", "S6.5: the state survives: %s", growers[i][1]);
		fake_free(f);
	}
	struct fake *f = fake_new(0);
	struct cfw_policy_config config;
	cfw_policy_config_default(&config);
	config.memory_limit = 4 << 20;
	cfw_policy_configure(f->p, &config);
	fake_load(f, "local t = {} while true do t[#t + 1] = {} end");
	ok(has(loaded(f), "not enough memory"), "S3.7: in the main script it is a policy that does not load");
	fake_free(f);
}

/* Every allocation of Lua fails once: nothing aborts, nothing leaks, the state goes on. */
static void sweep(void)
{
	int survived = 0;
	for (uint64_t limit = 60000; limit < 200000; limit += 500) {
		struct fake *f = fake_new(0);
		struct cfw_policy_config config;
		cfw_policy_config_default(&config);
		config.memory_limit = limit;
		cfw_policy_configure(f->p, &config);
		fake_load(f, "c.rule('SIGTERM', function(t) return c.decision('abort', t.count) end) "
			     "c.hook_new{phase = 'pre_stop', fn = function(x) local t = c.spawn(function() c.sleep(1) "
			     "error({}) end) "
			     "t:await() coroutine.wrap(function() c.sleep(1) end)() setmetatable({}, {__gc = function() end}) "
			     "c.service('x', {a = {1, 2, {b = 'c'}}}, function() end) end} "
			     "c.timer(1, function() error('x') end) c.spawn(function() while true do pcall(error, {}) "
			     "c.sleep(1000000) end end) "
			     "c.subscribe('e', function() end) c.server_new{name = 'x', start = function() end, l = "
			     "{function() end}}");
		if (f->hooks)
			fake_call(f, 0, 1);
		cfw_policy_emit(f->p, "e", NULL);
		struct cfw_trigger t = {.kind = CFW_T_SIGNAL, .signo = 15, .count = 3};
		cfw_policy_ask(f->p, &t, "text", "trace");
		for (int i = 0; i < 20; i++)
			cfw_policy_step(f->p, f->now += CFW_MS);
		survived += f->hooks && f->dones;
		fake_free(f);
	}
	ok(survived > 10, "memory limits of every size: nothing aborts (%d runs came to the hook)", survived);
}

static void smoke(void)
{
	struct fake *f = fake_new(0);
	uint64_t began = cfw_time_now();
	struct fake *g = fake_new(0);
	uint64_t made = cfw_time_now() - began;
	fake_free(g);
	fake_load(f, "local ok, m = pcall(require, 'curfew') say(ok and 'curfew' or m)");
	if (strstr(said(f), "module 'curfew' not found"))
		ok(true, "no Lua layer # SKIP");
	else
		is_str(said(f), "curfew;", "require \"curfew\" loads");
	tap_diag("a policy is made in %.2f ms", (double)made / 1e6);
	fake_free(f);
}

static void freeing(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "c.spawn(function() local x <close> = setmetatable({}, {__close = function() say('closed') end}) "
		     "c.sleep(1e12 // 1 | 0) "
		     "end) c.timer(100000000000, function() end, 5) c.subscribe('x', function() end) c.service('y', nil, "
		     "function() end) "
		     "setmetatable({}, {__gc = function() say('finalized') end}) c.spawn(function() error('x') end)");
	is_int(f->services, 1, "a service is under way");
	cfw_policy_free(f->p);
	f->p = NULL;
	ok(has(said(f), "closed;") && has(said(f), "finalized;"), "free: tasks are closed, finalizers run");
	ok(f->service[0].canceled, "free: services are cancelled");
	fake_free(f);
}

int main(void)
{
	hooks();
	causes();
	cancels();
	many();
	fairness();
	loading();
	files();
	memory();
	sweep();
	freeing();
	smoke();
	return tap_done();
}
