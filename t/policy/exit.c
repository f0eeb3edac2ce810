/* S5: exit calls, from wherever a script can make them. */
#define _GNU_SOURCE
#include "fake.h"

/* The script (called with what it may do after the call in every variant) raises exit once and nothing else happens. */
static void leaves(const char *script, const char *words)
{
	struct fake *f = fake_new(0);
	fake_load(f, script);
	if (!is_str(asked(f), "exit 1;", "%s", words))
		tap_diag("said %s log %s loaded %s", said(f), logged(f), loaded(f));
	if (*said(f))
		is_str(said(f), "", "%s: not one more statement", words);
	fake_free(f);
}

static void everywhere(void)
{
	static const char *const bodies[][2] = {
		{"os.exit(1) say('after')", "plain"},
		{"os.exit(false) say('after')", "os.exit(false) is 1"},
		{"c.exit(1) say('after')", "curfew.exit"},
		{"while true do os.exit(1) end", "S5.2: while true do os.exit(1) end"},
		{"pcall(os.exit, 1) while true do end", "S5.2: pcall(os.exit, 1); while true do end"},
		{"pcall(os.exit, 1) say('after')", "pcall, what follows"},
		{"pcall(pcall, os.exit, 1) say('after')", "pcall of pcall"},
		{"xpcall(os.exit, function(e) say('handler') return e end, 1) say('after')", "xpcall"},
		{"xpcall(function() os.exit(1) end, function() while true do end end) say('after')",
		 "xpcall with a handler that loops"},
		{"xpcall(function() error('x') end, function() os.exit(1) say('in') end) say('after')", "in a message handler"},
		{"local f = coroutine.wrap(function() os.exit(1) say('in') end) f() say('after')", "in coroutine.wrap"},
		{"local f = coroutine.wrap(os.exit) pcall(f, 1) say('after')", "os.exit wrapped, under pcall"},
		{"local co = coroutine.create(function() os.exit(1) end) coroutine.resume(co) say('after')",
		 "in coroutine.resume"},
		{"local co = coroutine.create(function() local i = coroutine.wrap(function() os.exit(1) end) pcall(i) "
		 "say('mid') end) "
		 "coroutine.resume(co) say('after')",
		 "in nested coroutines"},
		{"for x in coroutine.wrap(function() coroutine.yield(1) os.exit(1) end) do end say('after')", "in a generator"},
		{"do local x <close> = setmetatable({}, {__close = function() os.exit(1) say('in') end}) end say('after')",
		 "in __close"},
		{"do local x <close> = setmetatable({}, {__close = function() say('closed') end}) os.exit(1) end",
		 "past a <close> variable, which does not run"},
		{"pcall(function() local x <close> = setmetatable({}, {__close = function() say('closed') end}) os.exit(1) "
		 "end) say('after')",
		 "past a <close> variable in a pcall"},
		{"table.sort({3, 2, 1}, function(a, b) os.exit(1) say('in') return a < b end) say('after')",
		 "in a sort's comparator"},
		{"table.sort({3, 2, 1}, function(a, b) pcall(os.exit, 1) say('in') return a < b end) say('after')",
		 "under pcall in a comparator"},
		{"pcall(table.sort, {3, 2, 1}, function(a, b) pcall(os.exit, 1) while true do end end) say('after')",
		 "in a comparator that goes on"},
		{"local s = ('abc'):gsub('.', function() os.exit(1) say('in') end) say('after')", "in a gsub's callback"},
		{"pcall(string.gsub, 'abc', '.', function() pcall(os.exit, 1) say('in') end) say('after')",
		 "in a gsub under pcall"},
		{"tostring(setmetatable({}, {__tostring = function() os.exit(1) say('in') end})) say('after')",
		 "in __tostring"},
		{"local _ = setmetatable({}, {__index = function() os.exit(1) say('in') end}).x say('after')", "in __index"},
		{"local _ = setmetatable({}, {__add = function() pcall(os.exit, 1) say('in') end}) + 1 say('after')",
		 "in __add"},
		{"for _ in pairs(setmetatable({}, {__pairs = function() os.exit(1) end})) do end say('after')", "in __pairs"},
		{"load(function() os.exit(1) say('in') end) say('after')", "in a reader of load"},
		{"table.sort({3, 2, 1}, function(a, b) coroutine.wrap(function() os.exit(1) end)() say('in') end) say('after')",
		 "in a coroutine in a comparator"},
		{"table.sort({3, 2, 1}, function(a, b) pcall(coroutine.wrap(function() pcall(os.exit, 1) say('x') end)) "
		 "say('in') end) "
		 "say('after')",
		 "under every pcall at once"},
		{"dofile = nil load('os.exit(1) say(2)', 'x', 't', {os = os, say = say})() say('after')", "in a loaded chunk"},
		{"c.spawn(function() os.exit(1) say('in') end)", "in a spawned task"},
		{"c.spawn(os.exit, 1)", "os.exit as a task"},
		{"c.timer(1, function() pcall(os.exit, 1) say('in') end)", "in a timer"},
		{"c.timer(1, function() coroutine.wrap(function() c.sleep(1) os.exit(1) end)() say('in') end)",
		 "in a coroutine that has waited"},
		{"setmetatable({}, {__gc = function() os.exit(1) say('in') end}) collectgarbage() collectgarbage()", "in __gc"},
		{"local t = c.spawn(function() local x <close> = setmetatable({}, {__close = function() os.exit(1) end}) "
		 "c.sleep(100) end) "
		 "c.sleep(1) t:cancel() say('after')",
		 "in __close of a task that is cancelled"},
		{"local co = coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() os.exit(1) "
		 "end}) "
		 "error('x') end) pcall(co) say('after')",
		 "in __close of a wrapped coroutine that failed"},
		{"local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() os.exit(1) "
		 "end}) "
		 "coroutine.yield() end) coroutine.resume(co) coroutine.close(co) say('after')",
		 "in __close run by coroutine.close"},
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
		leaves(bodies[i][0], bodies[i][1]);
}

static void codes(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "os.exit(true)");
	is_str(asked(f), "exit 0;", "S2.3: os.exit(true) is 0");
	is_str(loaded(f), "ok;", "the main script has ended by it");
	fake_free(f);
	f = fake_new(0);
	fake_load(f, "os.exit()");
	is_str(asked(f), "exit 0;", "S2.3: os.exit() is 0");
	fake_free(f);
	f = fake_new(0);
	fake_load(f, "say((select(2, pcall(os.exit, 256)))) say((select(2, pcall(os.exit, -1)))) say((select(2, pcall(c.exit, "
		     "1.5))))"
		     "say((select(2, pcall(c.exit, true))))");
	is_str(asked(f), "", "S2.18: a code outside 0-255 raises, and nothing is triggered");
	ok(has(said(f), "policy.lua:1: an exit code is an integer from 0 to 255, got 256;") && has(said(f), "got -1;") &&
		   has(said(f), "got 1.5;") && has(said(f), "got true;"),
	   "S2.18: and says so");
	fake_free(f);
}

static void others_live(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "c.spawn(function() c.sleep(5) say('lives') end) local t = c.spawn(function() c.sleep(1) os.exit(3) end) "
		     "local _, m, n = t:await() say('awaiter', n)");
	is_str(asked(f), "exit 3;", "S5.1: a task calls os.exit");
	is_str(said(f), "lives;", "S5.1: who awaits it leaves with it, other tasks go on");
	fake_free(f);

	f = fake_new(0);
	struct curfew_err err = {0};
	cfw_policy_load(f->p, "a.lua", "require 'curfew.core'.exit(4)", 29, &err);
	cfw_policy_load(f->p, "b.lua", "require 'curfew.core'.log('info', 'b')", 38, &err);
	fake_run(f, f->now);
	is_str(asked(f), "exit 4;", "an exit call in the first of two scripts");
	is_str(loaded(f), "ok;ok;", "both loads are answered");
	is_str(said(f), "", "the second does not run");
	fake_free(f);
}

static void hooks(void)
{
	static const char script[] =
		"local function hook(f) c.hook_new{phase = 'pre_stop', name = 'h', fn = f} end "
		"hook(function() os.exit(0) say('after') end) hook(function() pcall(os.exit, 7) say('after') end) "
		"hook(function() c.sleep(5) coroutine.wrap(function() c.sleep(1) os.exit(3) end)() say('after') end) "
		"hook(function() local t = c.spawn(function() os.exit(9) end) c.sleep(1) say('hook goes on') end)";
	struct fake *f = fake_new(0);
	fake_load(f, script);
	for (uint32_t i = 0; i < 4; i++) {
		fake_call(f, i, 100 + i);
		fake_run(f, f->now + CFW_MS);
	}
	is_int(f->dones, 4, "S4.9: every hook has ended");
	ok(f->done[0].run == 100 && f->done[0].outcome == CFW_EXIT_CALL && f->done[0].code == 0,
	   "S4.9: os.exit(0) completes it");
	ok(f->done[1].outcome == CFW_EXIT_CALL && f->done[1].code == 7, "S4.9: os.exit(7) completes it with its code");
	ok(f->done[2].outcome == CFW_EXIT_CALL && f->done[2].code == 3, "S4.9: after waits, in a coroutine");
	is_int(f->done[3].outcome, CFW_OK, "S5.1: a task that the hook spawned leaves alone");
	is_str(asked(f), "exit 9;", "S2.4: and is the exit trigger");
	is_str(said(f), "hook goes on;", "S5.1: not one more statement");
	fake_free(f);
}

int main(void)
{
	everywhere();
	codes();
	others_live();
	hooks();
	return tap_done();
}
