/* S4.7, S4.9, S6.5: Lua that does not stop by itself. */
#define _GNU_SOURCE
#include "fake.h"

#include <time.h>

#define LIMIT (3 * CFW_MS)

static uint64_t cpu(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * CFW_SEC + (uint64_t)ts.tv_nsec;
}

static const char *const loops[][2] = {
	{"while true do end", "a loop"},
	{"while true do pcall(function() while true do end end) end", "a loop under pcall in a loop"},
	{"while true do xpcall(function() while true do end end, function() while true do end end) end",
	 "xpcall, its handler loops"},
	{"while true do pcall(error) end", "errors for ever"},
	{"local function f() return f() end f()", "a tail call for ever"},
	{"local function f() pcall(f) end while true do f() end", "recursion under pcall"},
	{"while true do coroutine.wrap(function() while true do end end)() end", "in a coroutine"},
	{"local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end", "a generator"},
	{"while true do coroutine.resume(coroutine.create(function() coroutine.wrap(function() while true do end end)() end)) "
	 "end",
	 "in nested coroutines"},
	{"table.sort({3, 2, 1}, function() while true do end end)", "in a comparator"},
	{"while true do pcall(table.sort, {3, 2, 1}, function() while true do pcall(function() while true do end end) end end) "
	 "end",
	 "in a comparator under every pcall"},
	{"while true do pcall(string.gsub, 'abc', '.', function() while true do end end) end", "in gsub"},
	{"while true do pcall(tostring, setmetatable({}, {__tostring = function() while true do end end})) end",
	 "in __tostring"},
	{"while true do pcall(function() local _ = setmetatable({}, {__index = function() while true do end end}).x end) end",
	 "in __index"},
	{"while true do pcall(function() local x <close> = setmetatable({}, {__close = function() while true do end end}) "
	 "while true do end end) end",
	 "in __close"},
	{"while true do pcall(load, function() while true do end end) end", "in a reader of load"},
	{"while true do local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() "
	 "while true do end end}) coroutine.yield() end) coroutine.resume(co) coroutine.close(co) end",
	 "in __close run by coroutine.close"},
	{"while true do table.sort({3, 2, 1}, function() coroutine.wrap(function() while true do end end)() end) end",
	 "in a coroutine in a comparator"},
	{"local t = setmetatable({}, {__gc = function() while true do end end}) t = nil collectgarbage() while true do end",
	 "with a finalizer that loops"},
	{"while true do c.now() end", "calling C all the time"},
	{"while true do c.spawn(function() end) end", "spawning for ever"},
};

static void in_hooks(void)
{
	for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
		struct fake *f = fake_new(LIMIT);
		char script[1024];
		snprintf(script, sizeof script,
			 "c.hook_new{phase = 'pre_stop', fn = function() %s end} "
			 "c.hook_new{phase = 'pre_stop', fn = function() say('other') end}",
			 loops[i][0]);
		fake_load(f, script);
		fake_call(f, 0, 1);
		fake_call(f, 1, 2);
		uint64_t began = cpu();
		fake_run(f, f->now + 10);
		uint64_t took = cpu() - began;
		int bad = 0;
		for (size_t d = 0; d < f->dones; d++)
			if (f->done[d].run == 1)
				bad = f->done[d].outcome == CFW_FAILED ? 1 : 2;
		ok(bad == 1, "S4.9: cut and failed: %s", loops[i][1]);
		if (took > CFW_SEC)
			ok(false, "%s took %llu ms", loops[i][1], (unsigned long long)(took / CFW_MS));
		is_str(said(f), "other;", "S4.9: the other hook runs: %s", loops[i][1]);
		fake_free(f);
	}
}

static void texts(void)
{
	struct fake *f = fake_new(LIMIT);
	fake_load(f, "\nlocal function spin()\n while true do end end\nlocal function outer() coroutine.wrap(spin)() end\n"
		     "c.hook_new{phase = 'pre_stop', fn = outer}");
	fake_call(f, 0, 1);
	fake_run(f, f->now);
	is_int(f->dones, 1, "the hook is cut");
	is_str(f->done[0].text, "passed hook_cpu_limit (3ms) at policy.lua:3", "S4.9: which limit, and where");
	ok(has(f->done[0].trace, "policy.lua:3: in function <policy.lua:2>") && has(f->done[0].trace, "policy.lua:4: in "),
	   "S4.9: its traceback goes through the coroutines");
	fake_free(f);

	f = fake_new(LIMIT);
	fake_load(f, "\n\nwhile true do end");
	ok(has(loaded(f), "passed load_limit (5s) at policy.lua:3"), "S3.7: load_limit cuts the main script");
	fake_free(f);
}

static void load_limit(void)
{
	struct cfw_policy_config config;
	cfw_policy_config_default(&config);
	config.load_limit_ns = 20 * CFW_MS;
	config.hook_cpu_limit_ns = 5 * CFW_MS;
	struct fake *f = fake_new(0);
	cfw_policy_configure(f->p, &config);
	fake_load(f, "local function burn(s) local t = os.clock() while os.clock() - t < s do end end burn(0.01) say('in')");
	is_str(said(f), "in;", "S3.7: before the first start the main script may take more than hook_cpu_limit");
	fake_free(f);
	f = fake_new(0);
	cfw_policy_configure(f->p, &config);
	fake_load(f, "local function burn(s) local t = os.clock() while os.clock() - t < s do end end "
		     "for i = 1, 50 do burn(0.004) c.sleep(1) end say('in')");
	ok(has(loaded(f), "passed load_limit (20ms)"), "S3.7: load_limit counts over all its slices");
	fake_free(f);
	f = fake_new(0);
	cfw_policy_configure(f->p, &config);
	fake_load(f, "c.request('start') while true do end");
	cfw_policy_answer(f->p, f->service[0].token, NULL, NULL);
	fake_run(f, f->now);
	ok(has(asked(f), "error passed hook_cpu_limit (5ms) at policy.lua:1;"),
	   "S2.5: after the start it is an uncaught error");
	is_str(loaded(f), "ok;", "S2.5: and the policy is loaded");
	fake_free(f);
}

static void closing(void)
{
	struct fake *f = fake_new(LIMIT);
	fake_load(f, "c.hook_new{phase = 'pre_stop', fn = function() local a <close> = setmetatable({}, {__close = function() "
		     "say('a') "
		     "end}) coroutine.wrap(function() local b <close> = setmetatable({}, {__close = function() say('b') end}) "
		     "while true do end end)() end} "
		     "c.hook_new{phase = 'pre_stop', fn = function() local a <close> = setmetatable({}, {__close = function() "
		     "while true do end end}) while true do end end}");
	fake_call(f, 0, 1);
	fake_run(f, f->now);
	is_str(said(f), "b;a;", "<close> variables of a cut hook run, the inner coroutine's first");
	fake_call(f, 1, 2);
	fake_run(f, f->now);
	is_int(f->dones, 2, "a <close> variable that loops is cut too");
	fake_free(f);
}

static void margin(void)
{
	struct fake *f = fake_new(10 * CFW_SEC);
	fake_load(
		f,
		"c.hook_new{phase = 'pre_stop', fn = function() while true do pcall(function() while true do end end) end end} "
		"c.hook_new{phase = 'pre_stop', fn = function() local t = os.clock() while os.clock() - t < 0.02 do end end}");
	atomic_store(&f->page->margin_ns, cfw_time_now() + 20 * CFW_MS);
	fake_call(f, 0, 1);
	uint64_t began = cfw_time_now();
	fake_run(f, f->now);
	ok(f->dones == 1 && f->done[0].outcome == CFW_CUT, "S4.7: the margin cuts a hook that runs");
	ok(has(f->done[0].text, "margin") && has(f->done[0].text, "policy.lua:1"), "S4.7: and says where");
	ok(cfw_time_now() - began < 5 * CFW_SEC, "S4.7: at once");
	fake_call(f, 1, 2);
	fake_run(f, f->now);
	ok(f->dones == 2 && f->done[1].outcome == CFW_OK, "S4.7: what begins after the margin is not cut by it");
	atomic_store(&f->page->margin_ns, CFW_NEVER);
	atomic_store(&f->page->exit_timeout_ns, 80 * CFW_MS);
	atomic_store(&f->page->stop_margin_ns, 500 * CFW_MS);
	atomic_store(&f->page->provisional_ns, cfw_time_now() + 80 * CFW_MS);
	fake_call(f, 0, 3);
	began = cfw_time_now();
	fake_run(f, f->now);
	ok(f->dones == 3 && f->done[2].outcome == CFW_CUT, "S2.19: so does the margin of a provisional deadline");
	ok(cfw_time_now() - began >= 55 * CFW_MS, "S2.19: which is at most a quarter of exit_timeout before it");
	fake_free(f);
}

static void waiting_and_finalizers(void)
{
	struct fake *f = fake_new(LIMIT);
	fake_load(f, "for i = 1, 40 do local t = os.clock() while os.clock() - t < 0.001 do end c.sleep(0) end say('done')");
	is_str(said(f), "done;", "S6.5: the limit is between two yields");
	fake_free(f);
	f = fake_new(LIMIT);
	fake_load(f, "local mt = {__gc = function(t) say('gc', t.name, tostring(getmetatable(t) == mt)) c.sleep(1) "
		     "say('slept') end} "
		     "setmetatable({name = 'x'}, mt) collectgarbage() collectgarbage()");
	ok(has(said(f), "gc x") && has(said(f), "slept;"), "a finalizer runs in a task, and may wait");
	fake_free(f);
	f = fake_new(LIMIT);
	fake_load(f, "setmetatable({}, {__gc = function() error('late') end}) "
		     "local mt = {__gc = true} setmetatable({}, mt) mt.__gc = function() while true do end end "
		     "collectgarbage() collectgarbage()");
	ok(has(logged(f), "error=policy.lua:1: late") && has(logged(f), "passed hook_cpu_limit"),
	   "finalizers that fail or loop are logged, also when set later");
	fake_load(f, "keep = {} for i = 1, 500 do keep[i] = setmetatable({}, {__gc = function() while true do end end}) end "
		     "setmetatable(keep, {__gc = function() while true do pcall(function() while true do end end) end end})");
	uint64_t began = cpu();
	fake_free(f);
	ok(cpu() - began < CFW_SEC, "freeing a policy whose finalizers loop comes to an end");
	f = fake_new(LIMIT);
	fake_load(f,
		  "setmetatable({}, {__gc = function(t) say('twice') setmetatable(t, getmetatable(t)) end}) collectgarbage() "
		  "c.sleep(1) setmetatable({}, {__gc = function(t) say('once') end}) collectgarbage() c.sleep(1)");
	cfw_policy_leave(f->p);
	is_str(said(f), "twice;twice;once;twice;", "a finalizer runs once for each time that it was set, at the end too");
	fake_free(f);
}

/* A stop leaves garbage alone for a moment; not for ever, and not where memory is short. */
static void hurry_with(uint64_t memory_limit, const char *first, const char *want, const char *words)
{
	struct fake *f = fake_new(0);
	struct cfw_policy_config config;
	char script[512];
	cfw_policy_config_default(&config);
	config.memory_limit = memory_limit;
	cfw_policy_configure(f->p, &config);
	snprintf(script, sizeof script,
		 "%s local function look() say(collectgarbage 'isrunning' and 'on' or 'off') end "
		 "c.hook_new{phase = 'pre_stop', fn = function() look() local t = {} "
		 "for i = 1, 60 do t[i] = ('x'):rep(100000) .. i end c.sleep(1) look() end}",
		 first);
	fake_load(f, script);
	cfw_policy_hurry(f->p);
	fake_call(f, 0, 1);
	fake_run(f, f->now + CFW_SEC);
	is_str(said(f), want, "%s", words);
	fake_free(f);
}

static void hurry(void)
{
	hurry_with(64 << 20, "", "off;on;", "in a stop nothing is collected, until a few megabytes have come together");
	hurry_with(64 << 20, "collectgarbage 'stop'", "off;off;", "a script that stopped the collector finds it as it left it");
	hurry_with(8 << 20, "", "on;on;", "where the limit is near nothing is put off");
}

int main(void)
{
	in_hooks();
	texts();
	load_limit();
	closing();
	margin();
	waiting_and_finalizers();
	hurry();
	return tap_done();
}
