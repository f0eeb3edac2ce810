/* tables.c: the functions of table whose ranges a script could make endless (by __len, a sparse table, numbers of its own) refuse
 * them; a long sort compares in Lua, where the budget is looked at. */
#include <lauxlib.h>

#include "policy/failure.h"
#include "policy/guard.h"
#include "policy/state.h"

enum { MOST = 1 << 24, LONG_SORT = 4096 };

/* Lua's own, which has no upvalues, as if the script had called it: its errors have the script's line. */
static int call_own(lua_State *L)
{
	int n = lua_tocfunction(L, lua_upvalueindex(1))(L);
	cfw_guard_check(L);
	return n;
}

static void check_range(lua_State *L, const char *what, lua_Integer from, lua_Integer to)
{
	if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= MOST)
		cfw_raise(L, "table.%s: a range of more than %d elements", what, MOST);
}

static bool has_length(lua_State *L)
{
	return lua_istable(L, 1) || luaL_getmetafield(L, 1, "__len") != LUA_TNIL;
}

/* The argument as an integer from here on: what is looked at is what Lua's own function gets. */
static lua_Integer settle(lua_State *L, int arg)
{
	lua_Integer n = luaL_checkinteger(L, arg);
	lua_pushinteger(L, n);
	lua_replace(L, arg);
	return n;
}

/* Its length is what a function says, which may say something else the next time: asked once. n: of insert, the new length. */
static int shift_asked(lua_State *L, bool insert, lua_Integer pos, lua_Integer n)
{
	if (insert) {
		luaL_argcheck(L, pos >= 1 && pos <= n, 2, "position out of bounds");
		for (lua_Integer i = n; i > pos; i--) {
			lua_geti(L, 1, i - 1);
			lua_seti(L, 1, i);
			cfw_guard_check(L);
		}
		lua_settop(L, 3);
		lua_seti(L, 1, pos);
		return 0;
	}
	luaL_argcheck(L, pos == n || (pos >= 1 && pos <= n + 1), 2, "position out of bounds");
	lua_geti(L, 1, pos);
	for (lua_Integer i = pos; i < n; i++) {
		lua_geti(L, 1, i + 1);
		lua_seti(L, 1, i);
		cfw_guard_check(L);
	}
	lua_pushnil(L);
	lua_seti(L, 1, n > pos ? n : pos);
	return 1;
}

/* insert and remove shift from a place to the end. */
static int l_shift(lua_State *L)
{
	const char *what = lua_tostring(L, lua_upvalueindex(2));
	int top = lua_gettop(L);
	bool insert = *what == 'i', shifts = top == (insert ? 3 : 2);
	if (shifts && has_length(L)) {
		lua_settop(L, top);
		lua_Integer pos = settle(L, 2), n = luaL_len(L, 1) + insert;
		check_range(L, what, pos, n);
		bool asked = luaL_getmetafield(L, 1, "__len") != LUA_TNIL;
		lua_settop(L, top);
		if (asked)
			return shift_asked(L, insert, pos, n);
	}
	lua_settop(L, top);
	return call_own(L);
}

static int l_move(lua_State *L)
{
	if (lua_gettop(L) >= 3)
		check_range(L, "move", settle(L, 2), settle(L, 3));
	return call_own(L);
}

static int l_concat(lua_State *L)
{
	int top = lua_gettop(L);
	if (has_length(L)) {
		lua_settop(L, top);
		lua_Integer to = lua_isnoneornil(L, 4) ? luaL_len(L, 1) : lua_tointeger(L, 4);
		check_range(L, "concat", lua_isnoneornil(L, 3) ? 1 : lua_tointeger(L, 3), to);
		lua_settop(L, top > 4 ? top : 4);
		lua_pushinteger(L, to); /* not asked for again */
		lua_replace(L, 4);
		return call_own(L);
	}
	lua_settop(L, top);
	return call_own(L);
}

/* upvalue 2: function(less) as a function of Lua; 3: the usual order as one. */
static int l_sort(lua_State *L)
{
	int top = lua_gettop(L);
	lua_Integer n = 0;
	if (has_length(L)) {
		lua_settop(L, top);
		n = luaL_len(L, 1);
		check_range(L, "sort", 1, n);
	}
	lua_settop(L, top);
	if (n > LONG_SORT && lua_isnoneornil(L, 2)) {
		lua_settop(L, 1);
		lua_pushvalue(L, lua_upvalueindex(3));
	} else if (n > LONG_SORT && lua_iscfunction(L, 2)) {
		lua_settop(L, 2);
		lua_pushvalue(L, lua_upvalueindex(2));
		lua_insert(L, 2);
		lua_call(L, 1, 1);
	}
	return call_own(L);
}

/* The budget is looked at after a function that is linear in its strings. */
static int l_linear(lua_State *L)
{
	if (lua_type(L, 1) == LUA_TSTRING && lua_rawlen(L, 1) > CFW_LONG)
		cfw_guard_check(L);
	return call_own(L);
}

static void replace(lua_State *L, const char *name, lua_CFunction f)
{
	lua_getfield(L, -1, name);
	lua_pushstring(L, name);
	lua_pushcclosure(L, f, 2);
	lua_setfield(L, -2, name);
}

void cfw_open_tables(lua_State *L)
{
	static const char order[] = "return function(less) return function(a, b) return less(a, b) end end, "
				    "function(a, b) return a < b end";
	lua_getglobal(L, "table");
	replace(L, "insert", l_shift);
	replace(L, "remove", l_shift);
	replace(L, "move", l_move);
	replace(L, "concat", l_concat);
	lua_getfield(L, -1, "sort");
	if (luaL_loadbufferx(L, order, sizeof order - 1, "=curfew/sort", "t") != LUA_OK)
		lua_error(L);
	lua_call(L, 0, 2);
	lua_pushcclosure(L, l_sort, 3);
	lua_setfield(L, -2, "sort");
	lua_pop(L, 1);
	lua_getglobal(L, "utf8");
	replace(L, "len", l_linear);
	replace(L, "offset", l_linear);
	lua_pop(L, 1);
}
