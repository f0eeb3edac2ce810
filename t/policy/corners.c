/* What scripts rarely do: misuse of each operation, the corners of Lua's library, an instance that offers the least, files that are not as
 * they should be. */
#define _GNU_SOURCE
#include "fake.h"

#include <sys/stat.h>
#include <unistd.h>

static void says(const char *script, const char *want, const char *words)
{
	struct fake *f = fake_new(0);
	fake_load(f, script);
	is_str(said(f), want, "%s", words);
	if (strcmp(loaded(f), "ok;"))
		tap_diag("loaded: %s", loaded(f));
	fake_free(f);
}

#define FAILS "local function fails(...) say((select(2, pcall(...)))) end "

static void misuse(void)
{
	static const char *const of[][3] = {
		{"fails(c.spawn, 7)", "policy.lua:1: spawn: expected a function, got number;", "spawn without a function"},
		{"fails(c.timer, 1, 7)", "policy.lua:1: timer: expected a function, got number;", "a timer without one"},
		{"fails(c.timer, 1, print, 0)", "policy.lua:1: every: an interval of 0;", "an interval of nothing"},
		{"fails(c.subscribe, 'x', 7)", "policy.lua:1: subscribe: expected a function, got number;", "a subscription"},
		{"fails(c.any, {})", "policy.lua:1: any: nothing to wait for;", "any of nothing"},
		{"fails(c.hook_new, {phase = 'noon'})", "policy.lua:1: hook: unknown phase \"noon\";", "a phase that is none"},
		{"fails(c.hook_new, {phase = 7})", "policy.lua:1: hook: unknown phase \"nil\";", "a phase that is no name"},
		{"fails(c.hook_new, {phase = 'pre_stop'})", "policy.lua:1: hook: expected a function, got nil;",
		 "a hook without one"},
		{"fails(c.service, 'x', {['a\\0b'] = 1})", "policy.lua:1: x: a key has a zero byte in it;",
		 "a key that C cannot read"},
		{"fails(c.service, 'x', {[1.5] = 1})", "policy.lua:1: x: a table's key is neither a name nor in a list;",
		 "a key between two items"},
		{"fails(c.service, 'x', {[-1] = 1})", "policy.lua:1: x: a table's key is neither a name nor in a list;",
		 "a key before the first"},
		{"fails(c.service, 'x', {[{}] = 1})", "policy.lua:1: x: a table's key is neither a name nor in a list;",
		 "a key that is a table"},
		{"fails(c.server_new, {name = 'x', list = {[2] = 1}})",
		 "policy.lua:1: server definition: a table's key is neither a name nor in a list;", "a list with a hole"},
		{"fails(setmetatable, setmetatable({}, {__metatable = 1}), {})", "cannot change a protected metatable;",
		 "a protected metatable"},
		{"fails(setmetatable, {}, 7)", "bad argument #2 to 'setmetatable' (nil or table expected, got number);",
		 "a metatable of 7"},
		{"fails(setmetatable, {})", "bad argument #2 to 'setmetatable' (nil or table expected, got no value);",
		 "none at all"},
		{"fails(debug.setmetatable, {}, 7)", "bad argument #2 to '?' (nil or table expected, got number);", "by debug"},
		{"fails(coroutine.resume, 7)", "bad argument #1 to 'coroutine.resume' (thread expected, got number);",
		 "resume of a number"},
		{"fails(table.insert, {1}, 5, 1)", "bad argument #2 to 'table.insert' (position out of bounds);",
		 "past the end"},
		{"fails(table.insert, {1}, -1, 1)", "bad argument #2 to 'table.insert' (position out of bounds);",
		 "before the start"},
		{"fails(table.remove, {1}, 5)", "bad argument #1 to 'table.remove' (position out of bounds);",
		 "removed past the end"},
		{"fails(table.remove, {1}, -1)", "bad argument #1 to 'table.remove' (position out of bounds);",
		 "and before the start"},
		{"fails(string.gsub, 'x', 'x', true)",
		 "bad argument #3 to 'string.gsub' (string/function/table expected, got boolean);",
		 "a replacement that is none"},
		{"fails(string.gsub, 'x', 'x')",
		 "bad argument #3 to 'string.gsub' (string/function/table expected, got no value);", "no replacement"},
		{"package.path = 7 fails(require, 'nowhere')", "'package.path' must be a string;", "a path that is none"},
		{"fails(coroutine.wrap(function() end)) local w = coroutine.wrap(function() end) w() fails(w)",
		 ";cannot resume dead coroutine;", "a wrapped coroutine that has ended"},
		{"local co = coroutine.running() local w = coroutine.wrap(function() fails(coroutine.close, co) end) w()",
		 "cannot close a normal coroutine;", "the task's own coroutine closed"},
	};
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		char script[512];
		snprintf(script, sizeof script, "%s%s", FAILS, of[i][0]);
		says(script, of[i][1], of[i][2]);
	}
}

static void library(void)
{
	says("say(('aB1'):find('%l'), ('aB1'):match('%u'), ('a%b'):gsub('%%', '%%%%'), tostring(('x'):find('(x)%1')), "
	     "('abab'):match('(ab)%1'), ('a.b'):gsub('%.', '%%'))",
	     "1 B a%%b nil ab a%b 1;", "classes, captures and percent signs of patterns");
	says("say(tostring(('x'):find('()%1')))", "nil;", "a position is not found again");
	says("local s = ('y'):rep(3000) say(#s:gsub('y', 'zz'), #s:gsub('y', '%%'), #s:gsub('n', 'z'))", "6000 3000 3000;",
	     "long replacements");
	says("local t = {} for i = 1, 300000 do t[i] = -i end table.sort(t) say(t[1], t[300000])", "-300000 -1;",
	     "a long sort");
	says("local t = {} for i = 1, 300000 do t[i] = i end table.sort(t, math.max and function(a, b) return a > b end) "
	     "say(t[1])",
	     "300000;", "one by a function");
	says("local p = setmetatable({}, {__index = function(_, i) return i <= 3 and i or nil end, __len = function() return 3 "
	     "end}) "
	     "say(table.concat(p, ',')) table.sort(p) say(table.unpack(p)) table.insert(p, 9) say(p[4])",
	     "1,2,3;1 2 3;9;", "tables with a length of their own");
	says("say(table.concat({}), table.concat({1, 2}, '-', 2), #table.concat({('x'):rep(100), ('y'):rep(100)}, "
	     "('z'):rep(50)))",
	     " 2 250;", "concat of nothing, of a part, of long ones");
	says("local f = function(a, b) return debug.getlocal(1, 1) end say(f(7, 8)) say(tostring(debug.getlocal(print, 1)), "
	     "debug.getlocal(f, 2)) local co = coroutine.create(function(z) coroutine.yield() end) coroutine.resume(co, 5) "
	     "say(debug.getlocal(co, 1, 1)) say(debug.setlocal(co, 1, 1, 6))",
	     "a 7;nil b;z 5;z;", "locals of a script's own functions");
	says("say(tostring(pcall(debug.getlocal, 99, 1)), tostring((debug.getlocal(0, 1))))", "false nil;",
	     "levels that are none, and ours");
	says("local u = 5 local f = function() return u end say(debug.getupvalue(f, 1)) say(debug.setupvalue(f, 1, 6), f()) "
	     "local g = "
	     "function() return f end debug.upvaluejoin(f, 1, g, 1) say(type(f())) say(tostring((debug.getupvalue(print, 1)))) "
	     "say(tostring(pcall(debug.getupvalue, 7, 1))) say(select('#', debug.upvaluejoin(f, 1, print, 1)))",
	     "u 5;u 6;function;nil;false;0;", "upvalues of a script's own functions, not of ours");
	says("say(type(debug.getmetatable(setmetatable({}, {})))) say(tostring((debug.getmetatable({})))) "
	     "say((debug.getmetatable(io.stdout))) say(tostring(pcall(debug.setmetatable, io.stdout, {})))",
	     "table;nil;curfew;false;", "metatables of its own, not of a userdata");
	says("say(tostring(coroutine.isyieldable()), tostring(coroutine.isyieldable(coroutine.create(print)))) "
	     "coroutine.wrap(function() say(tostring(coroutine.isyieldable())) end)()",
	     "false true;true;", "who may yield");
	says("say(tostring(load('return 1', 'x', 'b'))) say(load('return 1', 'x', 'bt')())", "nil;1;", "no bytecode");
	says("say(tostring(c.decision('abort', 3) == c.decision('abort', 3)), tostring(c.decision('abort', 3) == "
	     "c.decision('abort', "
	     "4)), tostring(c.decision('abort', 3) == c.decision('kill', 3)), tostring(c.decision('abort', 3)))",
	     "true false false abort(3);", "decisions are compared by what they say");
	says("local mt = {__gc = function() say('never') end} setmetatable({}, mt) mt.__gc = nil collectgarbage() "
	     "collectgarbage() "
	     "c.sleep(5) say('done')",
	     "done;", "a finalizer that was taken back");
	says("say(tostring(c.leader()), (select(2, pcall(error, 1.5))))", "true 1.5;", "alone, it is the leader");
}

static void errors(void)
{
	static const char *const of[][2] = {
		{"error(1.5)", "error policy.lua:1: 1.5;"},
		{"error(7)", "error policy.lua:1: 7;"},
		{"error(setmetatable({}, {__tostring = function() return 'mine' end}))", "error policy.lua:1: mine;"},
		{"error(setmetatable({}, {__tostring = function() return 7 end}))",
		 "error policy.lua:1: (error object is a table value);"},
		{"error(setmetatable({}, {__tostring = function() error('x') end}))",
		 "error policy.lua:1: (error object is a table value);"},
		{"error()", "error policy.lua:1: (error object is a nil value);"},
	};
	for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
		struct fake *f = fake_new(0);
		char script[256];
		snprintf(script, sizeof script, "c.timer(1, function() %s end)", of[i][0]);
		fake_load(f, script);
		is_str(asked(f), of[i][1], "S2.14: %s", of[i][0]);
		fake_free(f);
	}
	struct fake *f = fake_new(0);
	fake_load(
		f,
		"c.timer(1, function() local function f(n) if n == 0 then error('deep') end f(n - 1) return 1 end f(100) end)");
	ok(has(f->trace, "levels left out"), "a long traceback is cut in its middle");
	fake_free(f);
}

static void many_values(void)
{
	says("local function count(...) return select('#', ...) end local t = {} for i = 1, 5000 do t[i] = i end "
	     "say(c.spawn(count, table.unpack(t)):await()) say(count(c.spawn(table.unpack, t):await())) "
	     "local co = coroutine.create(function(...) coroutine.yield(...) return ... end) say(count(coroutine.resume(co, "
	     "table.unpack(t)))) say(count(coroutine.resume(co)))",
	     "5000;5000;5001;5001;", "thousands of arguments and results");
}

/* ---- an instance that offers no more than it must ---- */

static void least(void)
{
	struct cfw_policy_ops ops = fake_ops;
	struct cfw_policy_config config;
	struct curfew_err err = {0};
	ops.rule_added = NULL;
	ops.stop_cause = NULL;
	ops.hook_until = NULL;
	ops.start_until = NULL;
	ops.cancel = NULL;
	ops.wake = NULL;
	cfw_policy_config_default(&config);
	struct fake *f = fake_make(&ops, &config, &err);
	fake_load(f, "c.rule('SIGTERM', function() end) c.hook_new{phase = 'pre_stop', fn = function() "
		     "say(tostring((c.deadline(1)))) end} "
		     "local t = c.spawn(function() c.service('x', {}) end) c.sleep(1) t:cancel() "
		     "c.server_new{name = 's', start = function(x) say(tostring(x.deadline)) end, abort = function() "
		     "os.exit(3) end}");
	fake_call(f, 0, 1);
	fake_run(f, f->now);
	struct cfw_env env = {0};
	void *s = cfw_policy_kind.open(f->p, &env, 1, f->def[0], &err);
	ok(s != NULL, "a server of an instance that hears no reports");
	cfw_policy_kind.free(s);
	is_str(said(f), "nil;", "a hook without a deadline to be asked for");
	is_str(asked(f), "", "and no trigger");
	fake_free(f);
	f = fake_make(&fake_ops, NULL, &err);
	fake_load(f, "say('defaults')");
	is_str(said(f), "defaults;", "a policy without a configuration has the defaults");
	fake_free(f);
}

/* ---- one after another, replaced and retired ---- */

static void waiting_scripts(void)
{
	struct fake *f = fake_new(0);
	struct curfew_err err = {0};
	static const char first[] = "local c = require 'curfew.core' c.sleep(10^10 | 0)", second[] = "x = 1", third[] = "y = 1";
	cfw_policy_load(f->p, "first.lua", first, sizeof first - 1, &err);
	cfw_policy_load(f->p, "second.lua", second, sizeof second - 1, &err);
	cfw_policy_load(f->p, "third.lua", third, sizeof third - 1, &err);
	fake_run(f, f->now + 1);
	is_str(loaded(f), "", "scripts wait for the one before them");
	ok(cfw_policy_load_next(f->p), "one may be begun all the same");
	fake_run(f, f->now + 1);
	is_str(loaded(f), "ok;ok;", "it ends, and the one after it begins");
	ok(!cfw_policy_load_next(f->p), "and the next one, which its end has begun, waits no more");
	fake_free(f);

	f = fake_new(0);
	cfw_policy_load(f->p, "first.lua", first, sizeof first - 1, &err);
	cfw_policy_load(f->p, "second.lua", second, sizeof second - 1, &err);
	fake_run(f, f->now + 1);
	cfw_policy_retire(f->p, NULL, 0);
	fake_run(f, f->now + CFW_SEC);
	is_int(cfw_policy_tasks(f->p), 0, "S7.3: retired, what waited is forgotten with the one that ran");
	ok(!strstr(loaded(f), "ok"), "neither was loaded");
	fake_free(f);
}

static void kept(void)
{
	struct fake *f = fake_new(0);
	struct curfew_err err = {0};
	fake_load(f, "c.kept()[1] = 'x'");
	ok(!cfw_policy_kept(f->p, &err), "curfew.kept with a number for a key");
	ok(has(err.msg, "its keys are names, not a number"), "is refused by name");
	fake_load(f, "c.kept()[1] = nil c.kept().f = print");
	ok(!cfw_policy_kept(f->p, &err) && has(err.msg, "curfew.kept.f: a function has no place here"),
	   "so is a function in it");
	fake_load(f, "c.kept().f = nil c.kept().n = {1, 2}");
	struct cfw_value *v = cfw_policy_kept(f->p, &err);
	is_int(cfw_value_len(cfw_value_get(v, "n")), 2, "plain values are kept");
	is_int(cfw_policy_keep(f->p, v), 0, "and put back");
	cfw_value_free(v);
	fake_free(f);
}

/* ---- told, and freed before anybody hears ---- */

static void unheard(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "c.subscribe('up', function() say('NEVER') end) c.spawn(function() c.wait_event('up') say('NEVER') end)");
	struct cfw_value *v = cfw_value_str("x");
	cfw_policy_emit(f->p, "up", v);
	cfw_policy_emit(f->p, "up", v);
	cfw_value_free(v);
	cfw_policy_free(f->p);
	f->p = NULL;
	is_str(said(f), "", "an event on its way is dropped with the policy");
	fake_free(f);
}

/* ---- files ---- */

static void put(const char *path, const char *text, size_t n)
{
	FILE *o = fopen(path, "w");
	if (!o || fwrite(text, 1, n, o) != n || fclose(o))
		tap_bail("%s cannot be written", path);
}

static void files(void)
{
	char dir[] = "/tmp/curfew-t-XXXXXX", script[1024], marked[64], shell[64], both[64];
	if (!mkdtemp(dir))
		tap_bail("no directory");
	snprintf(marked, sizeof marked, "%s/marked.lua", dir);
	snprintf(shell, sizeof shell, "%s/shell.lua", dir);
	snprintf(both, sizeof both, "%s/both.lua", dir);
	put(marked, "\xEF\xBB\xBFreturn 'marked'", 18);
	put(shell, "#!/usr/bin/lua", 14);
	put(both, "\xEF\xBB\xBF#!/usr/bin/lua\nreturn _ENV and x", 35);
	snprintf(script, sizeof script,
		 "say(loadfile('%s')(), tostring((loadfile('%s')())), loadfile('%s', 't', {x = 'its own'})(), dofile('%s')) "
		 "say((select(2, loadfile('%s')))) say((select(2, loadfile('%s/none.lua'))))",
		 marked, shell, both, marked, dir, dir);
	struct fake *f = fake_new(0);
	fake_load(f, script);
	char want[512];
	snprintf(want, sizeof want,
		 "marked nil its own marked;cannot open %s: Is a directory;cannot open %s/none.lua: No such file or directory;",
		 dir, dir);
	is_str(said(f), want, "a mark of UTF-8, a first line for the shell, both; a folder, and nothing at all");
	fake_free(f);
	unlink(marked);
	unlink(shell);
	unlink(both);
	rmdir(dir);
}

/* ---- the sandbox, as scripts find it ---- */

static void sandboxed(void)
{
	struct cfw_policy_config config;
	struct curfew_err err = {0};
	cfw_policy_config_default(&config);
	struct cfw_value *box = cfw_value_map(), *env = cfw_value_list();
	cfw_value_push(env, cfw_value_str("HOME"));
	cfw_value_set(box, "env", env);
	config.sandbox = box;
	struct fake *f = fake_make(&fake_ops, &config, &err);
	fake_load(f, FAILS "say(collectgarbage('count') > 0 and 'counted', collectgarbage(), tostring(collectgarbage('step'))) "
			   "fails(collectgarbage, 'stop') fails(os.getenv, 'PATH') say(type(os.getenv('HOME'))) fails(dofile) "
			   "fails(loadfile) "
			   "fails(os.execute, 'true') fails(io.open, 'x') fails(function() return debug.getinfo end) "
			   "fails(function() return debug[1] end) say((select(2, c.sandbox_module('../x'))))"
			   "say((select(2, c.sandbox_module('x.y'))))");
	is_str(said(f),
	       "counted 0 true;collectgarbage \"stop\" is not there in the sandbox; \"collect\", \"count\" and \"step\" are;"
	       "the variable PATH is not there in the sandbox (--allow-env PATH would allow it);string;"
	       "Lua from the standard input is not there in the sandbox;Lua from the standard input is not there in the "
	       "sandbox;"
	       "os.execute is not there in the sandbox; curfew.fs and curfew.exec have what it takes;"
	       "io.open is not there in the sandbox; curfew.fs.read and curfew.fs.write are, beneath --allow-read and "
	       "--allow-write;"
	       "policy.lua:1: debug.getinfo is not there in the sandbox;policy.lua:1: debug.? is not there in the sandbox;"
	       "\n\t'../x' is no name of a module in the sandbox;;",
	       "S10.4: what is left of the library");
	fake_free(f);
	cfw_value_free(box);
}

int main(void)
{
	setenv("HOME", "/", 1);
	misuse();
	library();
	errors();
	many_values();
	least();
	waiting_scripts();
	kept();
	unheard();
	files();
	sandboxed();
	return tap_done();
}
