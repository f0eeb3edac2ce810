#include "policy/convert.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/value.h"
#include "policy/failure.h"
#include "policy/guard.h"
#include "policy/state.h"

enum { DEPTH = 16, DEPTH_OUT = 100 };

#define META "curfew.value"

/* What is under construction at each depth; all of it is freed with the userdata. */
struct holder {
	struct cfw_owned owned; /* first */
	struct cfw_value *value, *open[DEPTH + 1];
	const void *path[DEPTH + 1]; /* the tables being read: a cycle comes back to one of them */
	const char *what;
	bool refs, keep;
};

static void drop_refs(lua_State *L, const struct cfw_value *v)
{
	enum cfw_value_type type = cfw_value_type(v);
	if (type == CFW_V_REF)
		luaL_unref(L, LUA_REGISTRYINDEX, (int)cfw_value_to_int(v, LUA_NOREF));
	if (type != CFW_V_LIST && type != CFW_V_MAP)
		return;
	for (size_t i = 0, n = cfw_value_len(v); i < n; i++)
		drop_refs(L, cfw_value_at(v, i));
}

static void free_holder(struct cfw_owned *o)
{
	struct holder *h = (struct holder *)o;
	for (size_t i = 0; i <= DEPTH; i++)
		cfw_value_free(h->open[i]);
	cfw_value_free(h->value);
	free(h);
}

static struct holder *check_holder(lua_State *L, int idx)
{
	return *(struct holder **)luaL_checkudata(L, idx, META);
}

static int l_gc(lua_State *L)
{
	struct holder **u = luaL_checkudata(L, 1, META), *h = *u;
	for (size_t i = 0; h && !h->keep && i <= DEPTH; i++)
		drop_refs(L, h->open[i]);
	if (h && !h->keep)
		drop_refs(L, h->value);
	*u = NULL;
	cfw_disown(h ? &h->owned : NULL);
	return 0;
}

static const char spare; /* its address is the registry's key of a holder that nobody needs any more */

static struct holder *push_holder(lua_State *L)
{
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &spare) == LUA_TUSERDATA) {
		lua_pushboolean(L, 0);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &spare);
		return check_holder(L, -1);
	}
	lua_pop(L, 1);
	struct holder **u = lua_newuserdatauv(L, sizeof(struct holder *), 0);
	*u = NULL;
	luaL_setmetatable(L, META);
	struct holder *h = calloc(1, sizeof *h);
	if (!h)
		luaL_error(L, "not enough memory");
	else
		cfw_own(cfw_policy_of(L), &h->owned, free_holder);
	return *u = h;
}

static struct cfw_value *convert(lua_State *L, struct holder *h, int idx, int depth);

static struct cfw_value *made(lua_State *L, struct cfw_value *v)
{
	if (!v)
		luaL_error(L, "not enough memory");
	return v;
}

static struct cfw_value *convert_list(lua_State *L, struct holder *h, int idx, int depth, size_t n)
{
	h->open[depth] = made(L, cfw_value_list());
	for (size_t i = 1; i <= n; i++) {
		lua_rawgeti(L, idx, (lua_Integer)i);
		struct cfw_value *item = convert(L, h, lua_gettop(L), depth + 1);
		lua_pop(L, 1);
		if (cfw_value_push(h->open[depth], item))
			luaL_error(L, "not enough memory");
	}
	return h->open[depth];
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	return strcmp(*x, *y);
}

/* In the order of the keys, so that the same table always makes the same value. */
static struct cfw_value *convert_map(lua_State *L, struct holder *h, int idx, int depth, size_t n)
{
	h->open[depth] = made(L, cfw_value_map());
	const char **keys = lua_newuserdatauv(L, (n + 1) * sizeof *keys, 0);
	size_t len, i = 0;
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		keys[i] = lua_tolstring(L, -2, &len); /* held by the table */
		if (strlen(keys[i]) != len)
			cfw_raise(L, "%s: a key has a zero byte in it", h->what);
		i++;
	}
	qsort(keys, n, sizeof *keys, by_name);
	for (i = 0; i < n; i++) {
		lua_pushstring(L, keys[i]);
		lua_rawget(L, idx);
		struct cfw_value *item = convert(L, h, lua_gettop(L), depth + 1);
		lua_pop(L, 1);
		if (cfw_value_set(h->open[depth], keys[i], item))
			luaL_error(L, "not enough memory");
	}
	lua_pop(L, 1);
	return h->open[depth];
}

static struct cfw_value *convert_table(lua_State *L, struct holder *h, int idx, int depth)
{
	if (depth == DEPTH)
		cfw_raise(L, "%s: tables are nested more than %d deep", h->what, DEPTH);
	h->path[depth] = lua_topointer(L, idx);
	for (int i = 0; i < depth; i++)
		if (h->path[i] == h->path[depth])
			cfw_raise(L, "%s: a table contains itself", h->what);
	size_t n = lua_rawlen(L, idx), strings = 0, ints = 0;
	for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
		if (lua_type(L, -2) == LUA_TSTRING)
			strings++;
		else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 && (lua_Unsigned)lua_tointeger(L, -2) <= n)
			ints++;
		else
			cfw_raise(L, "%s: a table's key is neither a name nor in a list", h->what);
	}
	if (strings && ints)
		cfw_raise(L, "%s: a table has both names and list items", h->what);
	if (ints != (strings ? 0 : n))
		cfw_raise(L, "%s: a list has holes", h->what);
	struct cfw_value *v = ints ? convert_list(L, h, idx, depth, n) : convert_map(L, h, idx, depth, strings);
	h->open[depth] = NULL;
	return v;
}

static struct cfw_value *convert_function(lua_State *L, struct holder *h, int idx)
{
	if (!h->refs)
		cfw_raise(L, "%s: a function has no place here", h->what);
	lua_pushvalue(L, idx);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	struct cfw_value *v = cfw_value_ref(ref);
	if (!v)
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
	return made(L, v);
}

/* Owned by the caller until it is put into the tree: nothing may raise in between. */
static struct cfw_value *convert(lua_State *L, struct holder *h, int idx, int depth)
{
	size_t n;
	const char *s;
	luaL_checkstack(L, 8, h->what);
	switch (lua_type(L, idx)) {
	case LUA_TBOOLEAN:
		return made(L, cfw_value_bool(lua_toboolean(L, idx)));
	case LUA_TNUMBER:
		if (lua_isinteger(L, idx))
			return made(L, cfw_value_int(lua_tointeger(L, idx)));
		return made(L, cfw_value_num(lua_tonumber(L, idx)));
	case LUA_TSTRING:
		s = lua_tolstring(L, idx, &n);
		return made(L, cfw_value_strn(s, n));
	case LUA_TTABLE:
		return convert_table(L, h, idx, depth);
	case LUA_TFUNCTION:
		return convert_function(L, h, idx);
	default:
		cfw_raise(L, "%s: a %s has no place here", h->what, luaL_typename(L, idx));
	}
}

void cfw_convert_take(lua_State *L, int idx, const char *what, int refs)
{
	bool none = lua_isnoneornil(L, idx); /* while the index still means the argument */
	idx = lua_absindex(L, idx);
	struct holder *h = push_holder(L);
	h->what = what;
	h->refs = refs;
	if (!none)
		h->value = convert(L, h, idx, 0);
}

const struct cfw_value *cfw_convert_value(lua_State *L, int idx)
{
	return check_holder(L, idx)->value;
}

void cfw_convert_keep_refs(lua_State *L, int idx)
{
	check_holder(L, idx)->keep = true;
}

void cfw_convert_hold(lua_State *L)
{
	push_holder(L)->keep = true;
}

void cfw_convert_put(lua_State *L, int idx, struct cfw_value *v)
{
	check_holder(L, idx)->value = v;
}

void cfw_convert_give_back(lua_State *L, int idx)
{
	struct holder *h = check_holder(L, idx);
	cfw_value_free(h->value);
	h->value = NULL;
	h->refs = false;
	lua_pushvalue(L, idx);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &spare);
}

static void push(lua_State *L, const struct cfw_value *v, int depth)
{
	size_t n = cfw_value_len(v);
	const char *s;
	luaL_checkstack(L, 4, NULL);
	switch (depth > DEPTH_OUT ? CFW_V_NIL : cfw_value_type(v)) {
	case CFW_V_NIL:
		lua_pushnil(L);
		break;
	case CFW_V_BOOL:
		lua_pushboolean(L, cfw_value_to_bool(v));
		break;
	case CFW_V_INT:
		lua_pushinteger(L, cfw_value_to_int(v, 0));
		break;
	case CFW_V_NUM:
		lua_pushnumber(L, cfw_value_to_num(v, 0));
		break;
	case CFW_V_STR:
		s = cfw_value_bytes(v, &n);
		lua_pushlstring(L, s, n);
		break;
	case CFW_V_REF:
		lua_rawgeti(L, LUA_REGISTRYINDEX, cfw_value_to_int(v, LUA_NOREF));
		break;
	case CFW_V_LIST:
		lua_createtable(L, (int)n, 0);
		for (size_t i = 0; i < n; i++) {
			push(L, cfw_value_at(v, i), depth + 1);
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		break;
	case CFW_V_MAP:
		lua_createtable(L, 0, (int)n);
		for (size_t i = 0; i < n; i++) {
			push(L, cfw_value_at(v, i), depth + 1);
			lua_setfield(L, -2, cfw_value_key(v, i));
		}
		break;
	}
}

void cfw_convert_push(lua_State *L, const struct cfw_value *v)
{
	push(L, v, 0);
}

void cfw_open_convert(lua_State *L)
{
	luaL_newmetatable(L, META);
	lua_pushcfunction(L, l_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	lua_pushboolean(L, 0);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &spare); /* its place is there from now on: nothing allocates */
}
