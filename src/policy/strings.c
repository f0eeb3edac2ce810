/* strings.c: the functions of string that could run for long in one call, as Lua has them, but under the budget. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "policy/guard.h"
#include "policy/match.h"
#include "policy/state.h"

/* Where a search begins, from 0; past len + 1 there is nothing to find. */
static size_t start_of(lua_State *L, int idx, size_t len)
{
	lua_Integer init = luaL_optinteger(L, idx, 1);
	if (init > 0)
		return (size_t)init - 1;
	if (init == 0 || init < -(lua_Integer)len)
		return 0;
	return len - (size_t)-init;
}

static bool is_plain(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] && strchr("^$*+?.([%-", p[i]))
			return false;
	return true;
}

static int find_plain(lua_State *L, const char *s, size_t n, size_t from, const char *p, size_t len)
{
	const char *at = memmem(s + from, n - from, p, len);
	if (n > CFW_LONG)
		cfw_guard_check(L);
	if (!at) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, at - s + 1);
	lua_pushinteger(L, at - s + (lua_Integer)len);
	return 2;
}

static int search(lua_State *L, bool find)
{
	struct cfw_match m;
	size_t n, len;
	const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checklstring(L, 2, &len);
	size_t from = start_of(L, 3, n);
	if (from > n) {
		lua_pushnil(L);
		return 1;
	}
	if (find && (lua_toboolean(L, 4) || is_plain(p, len)))
		return find_plain(L, s, n, from, p, len);
	bool anchor = len && *p == '^';
	cfw_match_open(&m, L, s, n, p + anchor, len - anchor);
	for (const char *at = s + from; at <= m.end; at++) {
		const char *e = cfw_match_at(&m, at);
		if (e && !find)
			return cfw_match_push_all(&m, at, e);
		if (e) {
			lua_pushinteger(L, at - s + 1);
			lua_pushinteger(L, e - s);
			return cfw_match_push_all(&m, NULL, NULL) + 2;
		}
		if (anchor)
			break;
	}
	lua_pushnil(L);
	return 1;
}

static int l_find(lua_State *L)
{
	return search(L, true);
}

static int l_match(lua_State *L)
{
	return search(L, false);
}

/* Of a gmatch: where it is. Its strings are upvalues. */
struct walk {
	size_t at, last; /* last: the end of the last match, SIZE_MAX before */
};

static int l_gmatch_next(lua_State *L)
{
	struct cfw_match m;
	size_t n, len;
	const char *s = lua_tolstring(L, lua_upvalueindex(1), &n), *p = lua_tolstring(L, lua_upvalueindex(2), &len);
	struct walk *w = lua_touserdata(L, lua_upvalueindex(3));
	cfw_match_open(&m, L, s, n, p, len);
	for (; w->at <= n; w->at++) {
		const char *e = cfw_match_at(&m, s + w->at);
		if (!e || (size_t)(e - s) == w->last)
			continue;
		const char *from = s + w->at;
		w->at = w->last = (size_t)(e - s);
		return cfw_match_push_all(&m, from, e);
	}
	return 0;
}

static int l_gmatch(lua_State *L)
{
	size_t n;
	luaL_checklstring(L, 1, &n);
	luaL_checkstring(L, 2);
	size_t from = start_of(L, 3, n);
	lua_settop(L, 2);
	struct walk *w = lua_newuserdatauv(L, sizeof *w, 0);
	*w = (struct walk){from > n ? n + 1 : from, SIZE_MAX};
	lua_pushcclosure(L, l_gmatch_next, 3);
	return 1;
}

static void add_text(struct cfw_match *m, luaL_Buffer *b, const char *s, const char *e)
{
	size_t n;
	const char *text = lua_tolstring(m->L, 3, &n), *end = text + n;
	while (text < end) {
		const char *percent = memchr(text, '%', (size_t)(end - text));
		luaL_addlstring(b, text, (size_t)((percent ? percent : end) - text));
		if (!percent)
			return;
		char c = percent + 1 < end ? percent[1] : 0;
		text = percent + 2;
		if (c == '%') {
			luaL_addchar(b, '%');
		} else if (c == '0') {
			luaL_addlstring(b, s, (size_t)(e - s));
		} else if (isdigit((unsigned char)c)) {
			cfw_match_push(m, c - '1', s, e);
			luaL_tolstring(m->L, -1, NULL);
			lua_remove(m->L, -2);
			luaL_addvalue(b);
		} else {
			luaL_error(m->L, "invalid use of '%c' in replacement string", '%');
		}
	}
}

/* What stands for the match; true unless it stays as it was. */
static bool add_value(struct cfw_match *m, luaL_Buffer *b, const char *s, const char *e, int type)
{
	lua_State *L = m->L;
	if (type == LUA_TFUNCTION) {
		lua_pushvalue(L, 3);
		lua_call(L, cfw_match_push_all(m, s, e), 1);
	} else if (type == LUA_TTABLE) {
		cfw_match_push(m, 0, s, e);
		lua_gettable(L, 3);
	} else {
		add_text(m, b, s, e);
		return true;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(b, s, (size_t)(e - s));
		return false;
	}
	if (!lua_isstring(L, -1))
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	luaL_addvalue(b);
	return true;
}

static int l_gsub(lua_State *L)
{
	struct cfw_match m;
	luaL_Buffer b;
	size_t n, len;
	const char *s = luaL_checklstring(L, 1, &n), *p = luaL_checklstring(L, 2, &len), *last = NULL;
	int type = lua_type(L, 3);
	lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)n + 1), done = 0;
	bool anchor = len && *p == '^', changed = false;
	luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
			 "string/function/table");
	cfw_match_open(&m, L, s, n, p + anchor, len - anchor);
	luaL_buffinit(L, &b);
	while (done < most) {
		const char *e = cfw_match_at(&m, s);
		if (e && e != last) {
			done++;
			changed |= add_value(&m, &b, s, e, type);
			s = last = e;
		} else if (s < m.end) {
			luaL_addchar(&b, *s++);
		} else {
			break;
		}
		if (anchor)
			break;
	}
	if (changed) {
		luaL_addlstring(&b, s, (size_t)(m.end - s));
		luaL_pushresult(&b);
	} else {
		lua_pushvalue(L, 1);
	}
	lua_pushinteger(L, done);
	return 2;
}

/* By doubling: one byte at a time it takes seconds to fill what memory there is. */
static int l_rep(lua_State *L)
{
	luaL_Buffer b;
	size_t n, len;
	const char *s = luaL_checklstring(L, 1, &n);
	lua_Integer times = luaL_checkinteger(L, 2);
	const char *sep = luaL_optlstring(L, 3, "", &len);
	if (times <= 0 || n + len == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	if (n + len < n || (lua_Unsigned)times > (lua_Unsigned)PTRDIFF_MAX / (n + len))
		return luaL_error(L, "resulting string too large");
	size_t total = (size_t)times * (n + len) - len, have = n + len;
	char *to = luaL_buffinitsize(L, &b, total);
	if (n)
		memcpy(to, s, n);
	if (len && times > 1)
		memcpy(to + n, sep, len);
	for (size_t more; have < total; have += more) {
		more = total - have < have ? total - have : have;
		memcpy(to + have, to, more);
	}
	luaL_pushresultsize(&b, total);
	return 1;
}

void cfw_open_strings(lua_State *L)
{
	static const luaL_Reg funcs[] = {{"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch},
					 {"gsub", l_gsub}, {"rep", l_rep},     {NULL, NULL}};
	lua_getglobal(L, "string");
	luaL_setfuncs(L, funcs, 0);
	lua_pop(L, 1);
}
