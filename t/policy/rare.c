/* What seldom comes to pass: a margin in the middle of a load, rejections that nobody is left to hear of, C libraries that yield or make
 * coroutines of their own. */
#define _GNU_SOURCE
#include <lauxlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake.h"
#include "policy/guard.h"
#include "policy/state.h"

enum { MANY = 3000 }; /* more than a step runs */

/* Loaded, and no more than begun: steps steps. */
static struct fake *begun(const char *script, int steps)
{
	struct fake *f = fake_new(0);
	struct curfew_err err = {0};
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_buf_printf(&b, PRELUDE "%s", script);
	is_int(cfw_policy_load(f->p, "policy.lua", b.data, b.len, &err), 0, "it is loaded");
	cfw_buf_clear(&b);
	for (int i = 0; i < steps; i++)
		cfw_policy_step(f->p, f->now);
	return f;
}

static void rejections(void)
{
	struct fake *f = begun("for i = 1, 3000 do c.spawn(function() error('no ' .. i) end) end", 1);
	unsigned use = cfw_policy_use(f->p);
	is_str(asked(f), "", "what a turn rejects is told when the turn is over");
	is_int(use, CFW_USE_WORK, "until then the policy is needed");
	is_int((long)cfw_policy_cut(f->p), 0, "tasks are no work that fails");
	fake_run(f, f->now);
	is_str(asked(f), "", "S7.3: of a policy whose time is over nothing is heard any more");
	fake_free(f);

	f = begun("for i = 1, 3000 do c.spawn(function() error('no ' .. i) end) end", 1);
	is_int(cfw_policy_use(f->p), CFW_USE_WORK, "it may end as well with what nobody has heard");
	fake_free(f);

	f = begun("for i = 1, 3000 do c.spawn(function() error('no ' .. i) end) end", MANY);
	size_t n = 0;
	for (const char *at = asked(f); (at = strstr(at, "rejection policy.lua:1: no ")); at++)
		n++;
	is_int((long)n, MANY, "left alone, all are told");
	fake_free(f);
}

static void margin_of_a_load(void)
{
	struct fake *f = fake_new(10 * CFW_SEC);
	atomic_store(&f->page->margin_ns, cfw_time_now() + 20 * CFW_MS);
	fake_load(f, "c.timer(1, function() say('later') end) while true do end");
	ok(has(logged(f), "main script cut off at the stop's margin at policy.lua:1"),
	   "S4.11: a main script is cut off, and it is told where");
	is_str(loaded(f), "ok;", "that is no error of its own");
	fake_free(f);
}

/* ---- C libraries ---- */

static int yields(lua_State *L)
{
	return lua_yield(L, 0);
}

/* The function as a coroutine that comes from the main thread, where nobody looks at budgets. */
static int makes(lua_State *L)
{
	lua_State *co = lua_newthread(cfw_policy_of(L)->L);
	lua_xmove(cfw_policy_of(L)->L, L, 1);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	return 1;
}

static void libraries(void)
{
	struct fake *f = fake_new(20 * CFW_MS);
	lua_register(f->p->L, "yields", yields);
	lua_register(f->p->L, "makes", makes);
	fake_load(f, "c.spawn(function() yields() say('never') end) "
		     "say(tostring(coroutine.resume(coroutine.create(function() yields() end))))");
	is_str(said(f), "true;", "in a coroutine of a script's a C library may yield");
	is_str(asked(f), "rejection attempt to yield from outside a coroutine;", "and nowhere else");
	fake_load(f, "local co = makes(function() say('runs') while true do end end) "
		     "c.spawn(function() coroutine.resume(co) say('never') end)");
	is_str(said(f), "true;runs;", "its coroutine is as any other");
	ok(has(asked(f), "rejection passed hook_cpu_limit (20ms) at policy.lua:1;"), "budgets hold in it as well");
	fake_free(f);
}

/* A state that no policy runs in: nobody looks. */
static void plain_state(void)
{
	lua_State *L = luaL_newstate();
	if (!L)
		tap_bail("no state");
	*(void **)lua_getextraspace(L) = NULL;
	cfw_guard_check(L);
	ok(lua_gethook(L) == NULL && lua_gettop(L) == 0, "a state without a policy is left as it is");
	lua_close(L);
	struct fake *f = fake_new(0);
	atomic_store(&f->page->margin_ns, 1);
	cfw_guard_check(f->p->L);
	ok(lua_gethook(f->p->L) == NULL, "so is one of which nothing runs");
	fake_free(f);
}

static void yieldable(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "local main = coroutine.running() say(tostring(coroutine.isyieldable(main)), "
		     "tostring(coroutine.isyieldable())) "
		     "coroutine.wrap(function() local co = coroutine.running() say(tostring(coroutine.isyieldable(co))) "
		     "string.gsub('x', 'x', function() say(tostring(coroutine.isyieldable(co))) end) end)()");
	is_str(said(f), "false false;true;false;", "where a script may yield: in its own coroutine, and not across C");
	fake_free(f);
}

/* Both are due, or told, in the same turn. */
static void taken_back(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "local second c.timer(5, function() say('first', tostring(second:cancel())) end) "
		     "second = c.timer(5, function() say('second') end, 5)");
	is_str(said(f), "first true;", "an interval that is canceled by a timer that is due with it");
	fake_free(f);

	f = fake_new(0);
	fake_load(f, "local second c.subscribe('e', function() say('first', tostring(second:cancel())) end) "
		     "second = c.subscribe('e', function() say('second') end)");
	cfw_policy_emit(f->p, "e", NULL);
	fake_run(f, f->now);
	is_str(said(f), "first true;", "a subscription, by one that was told with it");
	fake_free(f);
}

/* ---- small and large ---- */

static void sizes(void)
{
	struct fake *f = fake_new(0);
	char script[600];
	int fd = memfd_create("empty", MFD_CLOEXEC), one = memfd_create("one", MFD_CLOEXEC);
	if (fd < 0 || one < 0 || write(one, "#", 1) != 1)
		tap_bail("no files of memory");
	snprintf(script, sizeof script,
		 "say(select('#', dofile('/proc/self/fd/%d')), select('#', dofile('/proc/self/fd/%d'))) say(type(loadfile()))",
		 fd, one);
	if (!freopen("/dev/null", "r", stdin))
		tap_bail("no /dev/null");
	fake_load(f, script);
	is_str(said(f), "0 0;function;",
	       "files without anything in them, of a line for the shell alone, and a standard input that ends");
	close(fd);
	close(one);
	fake_free(f);

	f = fake_new(0);
	fake_load(f, "local n = 0 for i = 1, 200 do c.spawn(function() c.sleep(5) n = n + 1 end) end c.sleep(10) say(n)");
	is_str(said(f), "200;", "more coroutines that end at once than are kept for others");
	fake_load(f, "c.timer(1, function() local function deep(n) if n == 0 then error('deep') end deep(n - 1) return 1 end "
		     "deep(14) end)");
	ok(has(asked(f), "error policy.lua:1: deep;") && has(f->trace, "in upvalue 'deep'") && !strstr(f->trace, "left out"),
	   "a traceback that is long, and whole");
	fake_free(f);
}

static void no_arguments(void)
{
	char *none[] = {NULL};
	struct cfw_policy_config config;
	struct curfew_err err = {0};
	cfw_policy_config_default(&config);
	config.args = none;
	struct fake *f = fake_make(&fake_ops, &config, &err);
	fake_load(f, "say(select('#', ...), type(arg))");
	is_str(said(f), "0 table;", "a program without even a name gives none");
	fake_free(f);
}

/* Nobody runs then: rules are asked from outside. */
static void in_a_rule(void)
{
	struct fake *f = fake_new(0);
	fake_load(f, "c.rule('SIGTERM', function() say(tostring(coroutine.isyieldable()), tostring((c.told())), select('#', "
		     "c.due())) end)");
	cfw_policy_ask(f->p, &(struct cfw_trigger){.kind = CFW_T_SIGNAL, .signo = 15, .count = 1}, NULL, NULL);
	is_str(said(f), "false false 0;", "a rule can neither wait nor be told, and nothing of it is due");
	fake_free(f);

	f = fake_new(0);
	f->until = CFW_NEVER;
	fake_load(f, "c.hook_new{phase = 'pre_stop', fn = function() say(select('#', c.due())) end}");
	fake_call(f, 0, 1);
	fake_run(f, f->now);
	is_str(said(f), "0;", "nor of a hook that has all the time there is");
	fake_free(f);
}

int main(void)
{
	rejections();
	margin_of_a_load();
	libraries();
	plain_state();
	yieldable();
	taken_back();
	sizes();
	no_arguments();
	in_a_rule();
	return tap_done();
}
