/* trace.c: where a script is: "policy.lua:12", tracebacks, the text of an error object. Nothing here allocates from Lua, so it
 * works at the memory limit; only a __tostring runs, under a budget. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/buf.h"
#include "policy/failure.h"
#include "policy/guard.h"
#include "policy/state.h"

enum { FRAMES_FIRST = 12, FRAMES_LAST = 8 };

/* Policies are loaded as "@policy.lua", embedded modules as "=curfew.lua" and "=curfew/….lua". */
static bool is_embedded(const lua_Debug *ar)
{
	return !strncmp(ar->source, "=curfew/", 8) || !strcmp(ar->source, "=curfew.lua");
}

bool cfw_where(lua_State *co, int level, char *buf, size_t n)
{
	lua_Debug ar;
	for (; lua_getstack(co, level, &ar); level++) {
		lua_getinfo(co, "Sl", &ar);
		if (ar.currentline <= 0 || is_embedded(&ar))
			continue;
		snprintf(buf, n, "%s:%d", ar.short_src, ar.currentline);
		return true;
	}
	return false;
}

static void put_frame(struct cfw_buf *b, const lua_Debug *ar)
{
	if (ar->currentline > 0)
		cfw_buf_printf(b, "\n\t%s:%d: in ", ar->short_src, ar->currentline);
	else
		cfw_buf_printf(b, "\n\t%s: in ", ar->short_src);
	if (*ar->namewhat)
		cfw_buf_printf(b, "%s '%s'", ar->namewhat, ar->name);
	else if (*ar->what == 'm')
		cfw_buf_puts(b, "main chunk");
	else if (*ar->what != 'C')
		cfw_buf_printf(b, "function <%s:%d>", ar->short_src, ar->linedefined);
	else
		cfw_buf_puts(b, "?");
}

/* lua_getstack walks from the top: one by one a recursion of 200,000 levels would take seconds. */
static int count_levels(lua_State *co)
{
	lua_Debug ar;
	int least = 0, beyond = 1; /* levels below least exist, beyond does not */
	while (lua_getstack(co, beyond - 1, &ar)) {
		least = beyond;
		beyond *= 2;
	}
	while (beyond - least > 1) {
		int mid = least + (beyond - least) / 2;
		if (lua_getstack(co, mid - 1, &ar))
			least = mid;
		else
			beyond = mid;
	}
	return least;
}

void cfw_traceback(struct cfw_buf *b, lua_State *co)
{
	int levels = count_levels(co);
	lua_Debug ar;
	if (!b->len)
		cfw_buf_puts(b, "stack traceback:");
	for (int level = 0; lua_getstack(co, level, &ar); level++) {
		if (level == FRAMES_FIRST && levels > FRAMES_FIRST + FRAMES_LAST) {
			cfw_buf_printf(b, "\n\t...\t(%d levels left out)", levels - FRAMES_FIRST - FRAMES_LAST);
			level = levels - FRAMES_LAST - 1;
			continue;
		}
		lua_getinfo(co, "Slnt", &ar);
		if (!is_embedded(&ar))
			put_frame(b, &ar);
	}
}

/* The value on L's top as __tostring has it, or as its type. */
static void put_object(struct cfw_policy *p, lua_State *L, struct cfw_buf *b)
{
	const char *type = luaL_typename(L, -1);
	if (luaL_getmetafield(L, -1, "__tostring") != LUA_TNIL) {
		lua_pushvalue(L, -2);
		bool said = cfw_guard_call(p, L, 1, 1) == LUA_OK && lua_type(L, -1) == LUA_TSTRING;
		if (said)
			cfw_buf_puts(b, lua_tostring(L, -1));
		lua_pop(L, 1);
		if (said)
			return;
	}
	cfw_buf_printf(b, "(error object is a %s value)", type);
}

void cfw_failure_take(struct cfw_policy *p, lua_State *L, lua_State *co, char **text, char **trace)
{
	struct cfw_buf b;
	char where[128];
	size_t n;
	cfw_buf_init(&b);
	if (lua_type(co, -1) == LUA_TSTRING) {
		const char *s = lua_tolstring(co, -1, &n);
		cfw_buf_put(&b, s, n);
	} else {
		if (cfw_where(co, 0, where, sizeof where))
			cfw_buf_printf(&b, "%s: ", where);
		if (lua_type(co, -1) == LUA_TNUMBER) {
			if (lua_isinteger(co, -1))
				cfw_buf_printf(&b, LUA_INTEGER_FMT, lua_tointeger(co, -1));
			else
				cfw_buf_printf(&b, LUA_NUMBER_FMT, lua_tonumber(co, -1));
		} else {
			lua_xmove(co, L, 1);
			put_object(p, L, &b);
			lua_pop(L, 1);
			lua_pushnil(co);
		}
	}
	free(*text);
	*text = cfw_buf_take(&b);
	cfw_traceback(&b, co);
	free(*trace);
	*trace = cfw_buf_take(&b);
}

int cfw_raise(lua_State *L, const char *fmt, ...)
{
	char where[128];
	va_list ap;
	if (cfw_where(L, 1, where, sizeof where))
		lua_pushfstring(L, "%s: ", where);
	else
		lua_pushliteral(L, "");
	va_start(ap, fmt);
	lua_pushvfstring(L, fmt, ap);
	va_end(ap);
	lua_concat(L, 2);
	for (;;) /* the compiler is to see that it never returns */
		lua_error(L);
}
