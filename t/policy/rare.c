/* What seldom comes to pass: a margin in the middle of a load, rejections that nobody is left to hear of, C libraries that yield or make
 * coroutines of their own. */
#define _GNU_SOURCE
#include <lauxlib.h>

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

int main(void)
{
	rejections();
	margin_of_a_load();
	libraries();
	plain_state();
	yieldable();
	return tap_done();
}
