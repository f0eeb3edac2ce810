#define _GNU_SOURCE
#include "policy/guard.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/page.h"
#include "base/text.h"
#include "base/time.h"
#include "policy/failure.h"
#include "policy/state.h"
#include "policy/task.h"

/* Between two looks at the clock: some microseconds. */
enum { COUNT = 1000 };
/* Of a slice of a policy that is being built. */
#define TURN_NS CFW_MS
/* Of a hook that computes while others are ready: what a hook usually does is not interrupted. */
#define HOOK_TURN_NS (20 * CFW_MS)

struct cfw_policy *cfw_policy_of(lua_State *L)
{
	uintptr_t v;
	memcpy(&v, lua_getextraspace(L), sizeof v);
	return (struct cfw_policy *)(v & ~(uintptr_t)CFW_TAGS);
}

unsigned cfw_tags(lua_State *L)
{
	uintptr_t v;
	memcpy(&v, lua_getextraspace(L), sizeof v);
	return (unsigned)(v & CFW_TAGS);
}

void cfw_tag(lua_State *L, unsigned tag, bool on)
{
	uintptr_t v;
	memcpy(&v, lua_getextraspace(L), sizeof v);
	v = on ? v | tag : v & ~(uintptr_t)tag;
	memcpy(lua_getextraspace(L), &v, sizeof v);
}

static uint64_t cpu_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * CFW_SEC + (uint64_t)ts.tv_nsec;
}

/* When running Lua is cut: the margin of the stop that runs, or of the one that a signal's handler foresees (S2.19). */
static uint64_t cut_at(const struct cfw_page *page)
{
	if (!page)
		return CFW_NEVER;
	uint64_t at = atomic_load_explicit(&page->margin_ns, memory_order_relaxed);
	uint64_t provisional = atomic_load_explicit(&page->provisional_ns, memory_order_relaxed);
	if (provisional != CFW_NEVER) {
		uint64_t margin = atomic_load_explicit(&page->stop_margin_ns, memory_order_relaxed);
		uint64_t most = atomic_load_explicit(&page->exit_timeout_ns, memory_order_relaxed) / 4;
		at = cfw_time_min(at, cfw_time_left(cfw_time_min(margin, most), provisional));
	}
	return at;
}

bool cfw_guard_cuts(const struct cfw_policy *p)
{
	return cfw_time_now() >= cut_at(p->page);
}

/* What begins a slice after the margin and is not cut by it: the hooks of S4.7, late ones with all that they have begun, functions of
 * the stop, rules, what cleans up. All else that is left over has had its time. */
static bool may_be_late(const struct cfw_policy *p)
{
	return p->asking || p->unlimited || !p->current || cfw_call_may_be_late(p->current);
}

/* Shortly before the forced end nothing goes on: so that the loop turns, and the end is one of its own. */
static bool is_the_end(const struct cfw_policy *p, uint64_t now)
{
	uint64_t at = p->page ? atomic_load_explicit(&p->page->deadline_ns, memory_order_relaxed) : CFW_NEVER;
	return at != CFW_NEVER && now >= at - cfw_time_min(at, 10 * CFW_MS);
}

/* Nothing, or what ends the slice now. */
static enum cfw_end judge(struct cfw_policy *p)
{
	struct cfw_guard *g = &p->guard;
	uint64_t now = cfw_time_now(), cut = cut_at(p->page);
	if (p->page) /* a loop that waits for Lua is not stalled: budgets bound that */
		atomic_store_explicit(&p->page->turned_ns, now, memory_order_relaxed);
	if (now >= cut && (g->began_ns < cut || !may_be_late(p)))
		return CFW_END_MARGIN;
	if (is_the_end(p, now) && !p->unlimited)
		return CFW_END_MARGIN;
	if (g->cpu_ns == CFW_NEVER) {
		g->cpu_ns = cpu_now();
		return CFW_END_OK;
	}
	/* CPU time never outruns the clock, and the clock is cheaper to read. */
	if (now - g->began_ns < g->budget.limit_ns || cpu_now() - g->cpu_ns < g->budget.limit_ns)
		return CFW_END_OK;
	return CFW_END_CPU;
}

static void traceback_chain(struct cfw_policy *p, struct cfw_buf *b, lua_State *L)
{
	cfw_traceback(b, L);
	for (struct cfw_nest *n = p->guard.nest; n; n = n->prev)
		cfw_traceback(b, n->from);
}

/* Text and traceback of a slice that is cut at this instruction. */
static void note_cut(struct cfw_policy *p, lua_State *L, enum cfw_end why)
{
	char where[128], limit[32];
	struct cfw_buf b;
	cfw_buf_init(&b);
	if (why == CFW_END_CPU)
		cfw_buf_printf(&b, "passed %s (%s)", p->guard.budget.name,
			       cfw_format_duration(limit, sizeof limit, p->guard.budget.shown_ns));
	else
		cfw_buf_puts(&b, "cut off at the stop's margin");
	bool found = cfw_where(L, 0, where, sizeof where);
	for (struct cfw_nest *n = p->guard.nest; n && !found; n = n->prev)
		found = cfw_where(n->from, 0, where, sizeof where);
	if (found)
		cfw_buf_printf(&b, " at %s", where);
	free(p->cut_text);
	p->cut_text = cfw_buf_take(&b);
	traceback_chain(p, &b, L);
	free(p->cut_trace);
	p->cut_trace = cfw_buf_take(&b);
}

bool cfw_guard_dead(const struct cfw_policy *p)
{
	return p->guard.why >= CFW_END_CPU;
}

/* The coroutines between root and L, innermost first, so that they can be closed later: each is held by the stack of the next. */
static void note_chain(struct cfw_policy *p)
{
	p->chain_n = 0;
	if (!p->guard.root)
		return;
	for (struct cfw_nest *n = p->guard.nest; n && p->chain_n < CFW_CHAIN_MAX; n = n->prev)
		p->chain[p->chain_n++] = n->co;
}

/* S7.1: a policy that is being built is not to hold up the one that runs. S4.12: nor does a hook that computes hold up others. */
static bool is_turn_over(const struct cfw_policy *p)
{
	if (!p->current || p->closing || (!p->staged && !(p->urgent.first && cfw_task_is_urgent(p->current))))
		return false;
	return cfw_time_now() - p->guard.began_ns >= (p->staged ? TURN_NS : HOOK_TURN_NS);
}

static bool may_wait(const struct cfw_policy *p, lua_State *L)
{
	bool may = p->guard.root && lua_isyieldable(L);
	for (const struct cfw_nest *n = p->guard.nest; n && may; n = n->prev)
		may = lua_isyieldable(n->from);
	return may;
}

static void on_count(lua_State *L, lua_Debug *ar)
{
	(void)ar;
	struct cfw_policy *p = cfw_policy_of(L);
	if (!cfw_guard_dead(p)) {
		enum cfw_end why = judge(p);
		if (why == CFW_END_OK && is_turn_over(p) && may_wait(p, L)) { /* to be resumed, as after any wait */
			p->guard.why = CFW_END_WAIT;
			note_chain(p);
			lua_yield(L, 0);
			return;
		}
		if (why == CFW_END_OK) {
			if (lua_gethookcount(L) != COUNT)
				lua_sethook(L, on_count, LUA_MASKCOUNT, COUNT);
			p->guard.hurry = false;
			return;
		}
		note_cut(p, L, why);
		p->guard.why = why;
		note_chain(p);
	}
	lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
	if (lua_isyieldable(L)) {
		lua_yield(L, 0);
		return;
	}
	p->chain_n = 0; /* unwinding: what held them goes */
	lua_pushlightuserdata(L, p);
	lua_error(L);
}

int cfw_guard_leave(lua_State *L, enum cfw_end why)
{
	struct cfw_policy *p = cfw_policy_of(L);
	if (!cfw_guard_dead(p)) {
		p->guard.why = why;
		note_chain(p);
	}
	lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
	if (lua_isyieldable(L))
		return lua_yield(L, 0);
	p->chain_n = 0;
	lua_pushlightuserdata(L, p);
	return lua_error(L);
}

void cfw_guard_check(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	if (!p || cfw_guard_dead(p) || !lua_gethook(L)) /* no script's slice: a test's plain state, or while it is built */
		return;
	enum cfw_end why = judge(p);
	if (why == CFW_END_OK)
		return;
	note_cut(p, L, why);
	cfw_guard_leave(L, why);
}

/* The next instruction looks at the budget: a few calls that each take long are not waited for. */
void cfw_guard_hurry(struct cfw_policy *p)
{
	lua_State *L = p->guard.nest ? p->guard.nest->co : p->guard.root;
	if (L && lua_gethook(L) == on_count && !cfw_guard_dead(p) && !p->guard.hurry) {
		p->guard.hurry = true;
		lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
	}
}

static void begin(struct cfw_policy *p, lua_State *root, const struct cfw_budget *budget)
{
	p->guard = (struct cfw_guard){
		.budget = *budget,
		.began_ns = cfw_time_now(),
		.cpu_ns = budget->exact ? cpu_now() : CFW_NEVER,
		.root = root,
	};
}

static struct cfw_budget small_budget(const struct cfw_policy *p)
{
	uint64_t limit = cfw_time_min(cfw_time_max(p->config.hook_cpu_limit_ns / 10, CFW_MS), 10 * CFW_MS);
	return (struct cfw_budget){limit, limit, "the limit of what cleans up", false};
}

int cfw_guard_plain(lua_State *L, lua_CFunction fn, void *ud, char **text)
{
	lua_pushcfunction(L, fn);
	lua_pushlightuserdata(L, ud);
	int rc = lua_pcall(L, 1, 0, 0);
	if (rc == LUA_OK)
		return 0;
	if (text)
		*text = lua_type(L, -1) == LUA_TSTRING ? strdup(lua_tostring(L, -1)) : NULL;
	lua_pop(L, 1);
	return rc == LUA_ERRMEM ? CURFEW_ENOMEM : CURFEW_ELUA;
}

int cfw_guard_protect(struct cfw_policy *p, lua_CFunction fn, void *ud, char **text)
{
	return cfw_guard_plain(p->L, fn, ud, text);
}

enum cfw_end cfw_guard_run(struct cfw_policy *p, lua_State *co, int narg, const struct cfw_budget *budget, int *nres)
{
	*nres = 0;
	p->chain_n = 0;
	begin(p, co, budget);
	cfw_tag(co, CFW_TAG_ROOT, true);
	lua_sethook(co, on_count, LUA_MASKCOUNT, COUNT);
	int rc = lua_resume(co, p->L, narg, nres);
	struct cfw_guard *g = &p->guard;
	enum cfw_end why = g->why;
	g->status = rc;
	g->why = CFW_END_OK;
	g->root = NULL;
	if (g->cpu_ns != CFW_NEVER)
		g->spent_ns = cpu_now() - g->cpu_ns;
	if (why >= CFW_END_CPU)
		return why;
	if (rc == LUA_OK)
		return CFW_END_OK;
	if (rc == LUA_YIELD && why == CFW_END_WAIT)
		return CFW_END_WAIT;
	if (rc == LUA_YIELD) { /* a C library's: scripts' own yields go through curfew's */
		lua_settop(co, 0);
		lua_pushliteral(co, "attempt to yield from outside a coroutine");
	}
	return CFW_END_ERROR;
}

int cfw_guard_call(struct cfw_policy *p, lua_State *L, int narg, int nres)
{
	struct cfw_guard saved = p->guard;
	struct cfw_budget budget = small_budget(p);
	lua_Hook hook = lua_gethook(L);
	begin(p, NULL, &budget);
	lua_sethook(L, on_count, LUA_MASKCOUNT, COUNT);
	int rc = lua_pcall(L, narg, nres, 0);
	lua_sethook(L, hook, hook ? LUA_MASKCOUNT : 0, COUNT);
	p->guard = saved;
	return rc;
}

void cfw_guard_close(struct cfw_policy *p, lua_State *co)
{
	struct cfw_guard saved = p->guard;
	struct cfw_budget budget = small_budget(p);
	begin(p, NULL, &budget);
	p->closing++;
	lua_sethook(co, on_count, LUA_MASKCOUNT, COUNT);
	lua_resetthread(co);
	lua_settop(co, 0);
	p->closing--;
	bool exit_called = p->guard.why == CFW_END_EXIT;
	p->guard = saved;
	/* os.exit in a <close> variable of a task that another one cancelled: that one led there (S5.1). */
	if (exit_called && p->guard.root && p->guard.why == CFW_END_OK)
		p->guard.why = CFW_END_EXIT;
}

enum cfw_end cfw_guard_nested(lua_State *L, lua_State *co, int narg, int *nres)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct cfw_nest nest = {L, co, p->guard.nest};
	cfw_tag(co, CFW_TAG_WAITING, false);
	if (lua_gethook(co) != on_count)
		lua_sethook(co, on_count, LUA_MASKCOUNT, COUNT);
	p->guard.nest = &nest;
	int rc = lua_resume(co, L, narg, nres);
	p->guard.nest = nest.prev;
	if (cfw_guard_dead(p)) {
		cfw_tag(co, CFW_TAG_LEFT, true);
		return p->guard.why;
	}
	if (rc == LUA_YIELD && p->guard.why == CFW_END_WAIT) {
		cfw_tag(co, CFW_TAG_WAITING, true);
		return CFW_END_WAIT;
	}
	return rc == LUA_OK || rc == LUA_YIELD ? CFW_END_OK : CFW_END_ERROR;
}

int cfw_guard_pass(lua_State *L, enum cfw_end end, lua_KContext ctx, lua_KFunction k)
{
	if (end == CFW_END_WAIT)
		return lua_yieldk(L, 0, ctx, k);
	return cfw_guard_leave(L, end);
}

struct cfw_task *cfw_guard_may_wait(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	if (p->asking)
		cfw_raise(L, "rules cannot wait; use curfew.spawn");
	if (!may_wait(p, L) || !p->current)
		cfw_raise(L, "cannot wait here: a C function (sort, gsub, require or the like) is in between");
	return p->current;
}

int cfw_guard_wait(lua_State *L, lua_KContext ctx, lua_KFunction k)
{
	struct cfw_policy *p = cfw_policy_of(L);
	p->guard.why = CFW_END_WAIT;
	note_chain(p);
	return lua_yieldk(L, 0, ctx, k);
}

/* The handler of xpcall: an error raised by the hook would run a script's own with hooks off. */
static int handle_message(lua_State *L)
{
	if (cfw_guard_dead(cfw_policy_of(L)))
		return 1;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, 1);
	return 1;
}

static int end_xpcall(lua_State *L, int status, lua_KContext ctx)
{
	if (status != LUA_OK && status != LUA_YIELD) {
		lua_pushboolean(L, 0);
		lua_pushvalue(L, -2);
		return 2;
	}
	return lua_gettop(L) - (int)ctx;
}

int cfw_l_xpcall(lua_State *L)
{
	int n = lua_gettop(L);
	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, handle_message, 1);
	lua_replace(L, 2);
	lua_pushboolean(L, 1); /* the first result where all goes well */
	lua_pushvalue(L, 1);
	lua_rotate(L, 3, 2);
	return end_xpcall(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, end_xpcall), 2);
}
