/* coro.c: coroutine.*, as Lua has it, but a wait, an exit and a cut pass through every coroutine up to the task (S5.1, S5.2). */
#include <lauxlib.h>

#include "policy/failure.h"
#include "policy/state.h"

static lua_State *check_co(lua_State *L)
{
	lua_State *co = lua_tothread(L, 1);
	luaL_argexpected(L, co, 1, "thread");
	return co;
}

/* A task's own coroutine counts as a main thread: a script can neither resume it nor yield from it. */
static bool is_root(lua_State *L)
{
	return (cfw_tags(L) & CFW_TAG_ROOT) || L == cfw_policy_of(L)->L;
}

static const char *status_of(lua_State *L, lua_State *co)
{
	lua_Debug ar;
	unsigned tags = cfw_tags(co);
	if (L == co)
		return "running";
	if (tags & CFW_TAG_LEFT)
		return "dead";
	if ((tags & CFW_TAG_WAITING) || is_root(co))
		return "normal";
	switch (lua_status(co)) {
	case LUA_YIELD:
		return "suspended";
	case LUA_OK:
		return lua_getstack(co, 0, &ar) ? "normal" : lua_gettop(co) ? "suspended" : "dead";
	default:
		return "dead";
	}
}

static int l_status(lua_State *L)
{
	lua_pushstring(L, status_of(L, check_co(L)));
	return 1;
}

/* Results of a resume that came back: their number now on L's top; -1: the error object alone. */
static int take(lua_State *L, lua_State *co, enum cfw_end end, int nres)
{
	if (end == CFW_END_ERROR) {
		lua_xmove(co, L, 1);
		return -1;
	}
	if (!lua_checkstack(L, nres + 1)) {
		lua_pop(co, nres);
		lua_pushliteral(L, "too many results to resume");
		return -1;
	}
	lua_xmove(co, L, nres);
	return nres;
}

/* Is co one that may be resumed, as far as only we know? Its narg arguments move over. NULL, or why not. */
static const char *prepare(lua_State *L, lua_State *co, int narg)
{
	unsigned tags = cfw_tags(co);
	if (is_root(co))
		return "cannot resume the coroutine of a task";
	if (tags & CFW_TAG_LEFT)
		return "cannot resume dead coroutine";
	if (tags & CFW_TAG_WAITING)
		return "cannot resume non-suspended coroutine";
	if (!lua_checkstack(co, narg))
		return "too many arguments to resume";
	lua_xmove(L, co, narg);
	return NULL;
}

static int answer_resume(lua_State *L, int n)
{
	lua_pushboolean(L, n >= 0);
	n = n < 0 ? 1 : n;
	lua_insert(L, -(n + 1));
	return n + 1;
}

/* After a wait somewhere below: go on where it was. */
static int go_on_resume(lua_State *L, int status, lua_KContext ctx)
{
	int nres;
	(void)status;
	lua_State *co = lua_tothread(L, 1);
	enum cfw_end end = cfw_guard_nested(L, co, 0, &nres);
	if (end != CFW_END_OK && end != CFW_END_ERROR)
		return cfw_guard_pass(L, end, ctx, go_on_resume);
	return answer_resume(L, take(L, co, end, nres));
}

static int l_resume(lua_State *L)
{
	int nres;
	lua_State *co = check_co(L);
	int narg = lua_gettop(L) - 1;
	const char *refused = prepare(L, co, narg);
	if (refused) {
		lua_pushstring(L, refused);
		return answer_resume(L, -1);
	}
	enum cfw_end end = cfw_guard_nested(L, co, narg, &nres);
	if (end != CFW_END_OK && end != CFW_END_ERROR)
		return cfw_guard_pass(L, end, 0, go_on_resume);
	return answer_resume(L, take(L, co, end, nres));
}

static int go_on_wrap(lua_State *L, int status, lua_KContext ctx);

/* The end of a call of a wrapped coroutine: its values, or its error with the place of the call in front. */
static int answer_wrap(lua_State *L, lua_State *co, enum cfw_end end, int nres)
{
	if (end != CFW_END_OK && end != CFW_END_ERROR)
		return cfw_guard_pass(L, end, 0, go_on_wrap);
	int n = take(L, co, end, nres);
	if (n >= 0)
		return n;
	int status = lua_status(co);
	if (status != LUA_OK && status != LUA_YIELD) {
		lua_pop(L, 1);
		lua_pushnil(L); /* keeps the place of what is moved next */
		status = lua_resetthread(co);
		if (cfw_guard_dead(cfw_policy_of(L)))
			return cfw_guard_leave(L, cfw_policy_of(L)->guard.why);
		lua_xmove(co, L, 1);
	}
	if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
		luaL_where(L, 1);
		lua_insert(L, -2);
		lua_concat(L, 2);
	}
	return lua_error(L);
}

static int go_on_wrap(lua_State *L, int status, lua_KContext ctx)
{
	int nres;
	(void)status;
	(void)ctx;
	lua_State *co = lua_tothread(L, lua_upvalueindex(1));
	enum cfw_end end = cfw_guard_nested(L, co, 0, &nres);
	return answer_wrap(L, co, end, nres);
}

static int call_wrapped(lua_State *L)
{
	int nres, narg = lua_gettop(L);
	lua_State *co = lua_tothread(L, lua_upvalueindex(1));
	const char *refused = prepare(L, co, narg);
	if (refused) {
		luaL_where(L, 1);
		lua_pushstring(L, refused);
		lua_concat(L, 2);
		return lua_error(L);
	}
	enum cfw_end end = cfw_guard_nested(L, co, narg, &nres);
	return answer_wrap(L, co, end, nres);
}

static int l_create(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_State *co = lua_newthread(L);
	lua_pushvalue(L, 1);
	lua_xmove(L, co, 1);
	return 1;
}

static int l_wrap(lua_State *L)
{
	l_create(L);
	lua_pushcclosure(L, call_wrapped, 1);
	return 1;
}

static int l_yield(lua_State *L)
{
	if (is_root(L))
		return luaL_error(L, "attempt to yield from outside a coroutine");
	return lua_yield(L, lua_gettop(L));
}

static int l_isyieldable(lua_State *L)
{
	lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
	lua_pushboolean(L, !is_root(co) && lua_isyieldable(co));
	return 1;
}

static int l_running(lua_State *L)
{
	lua_pushthread(L);
	lua_pushboolean(L, is_root(L));
	return 2;
}

static int l_close(lua_State *L)
{
	lua_State *co = check_co(L);
	const char *status = status_of(L, co);
	if (*status != 's' && *status != 'd')
		return luaL_error(L, "cannot close a %s coroutine", status);
	if (cfw_tags(co) & CFW_TAG_LEFT) {
		lua_pushboolean(L, 1);
		return 1;
	}
	int rc = lua_resetthread(co);
	if (cfw_guard_dead(cfw_policy_of(L)))
		return cfw_guard_leave(L, cfw_policy_of(L)->guard.why);
	lua_pushboolean(L, rc == LUA_OK);
	if (rc == LUA_OK)
		return 1;
	lua_xmove(co, L, 1);
	return 2;
}

void cfw_open_coroutine(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{"close", l_close},   {"create", l_create},   {"isyieldable", l_isyieldable},
		{"resume", l_resume}, {"running", l_running}, {"status", l_status},
		{"wrap", l_wrap},     {"yield", l_yield},     {NULL, NULL},
	};
	lua_getglobal(L, "coroutine");
	luaL_setfuncs(L, funcs, 0);
	lua_pop(L, 1);
}
