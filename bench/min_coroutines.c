/* min_coroutines.c: as min_timers, but each wait is a Lua coroutine that yields until its timer resumes it.
 *
 *   min_coroutines N MS READY */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

static struct event_base *base;
static lua_State *lua;
static long n, ms, left;

/* One turn of a coroutine: it yields for as long as its timer runs, or it has ended. */
static void resume(lua_State *co, int nargs)
{
	int nresults;
	int rc = lua_resume(co, NULL, nargs, &nresults);
	if (rc == LUA_YIELD)
		return;
	if (rc != LUA_OK) {
		fprintf(stderr, "min_coroutines: %s\n", lua_tostring(co, -1));
		exit(1);
	}
	lua_pushthread(co);
	lua_pushnil(co);
	lua_rawset(co, LUA_REGISTRYINDEX);
	if (--left == 0)
		event_base_loopbreak(base);
}

static void on_timer(evutil_socket_t fd, short what, void *ud)
{
	(void)fd;
	(void)what;
	resume(ud, 0);
}

static int l_sleep(lua_State *co)
{
	lua_Integer t = luaL_checkinteger(co, 1);
	struct timeval tv = {(time_t)(t / 1000), (suseconds_t)(t % 1000 * 1000)};
	event_base_once(base, -1, EV_TIMEOUT, on_timer, co, &tv);
	return lua_yield(co, 0);
}

static void on_term(evutil_socket_t fd, short what, void *ud)
{
	(void)fd;
	(void)what;
	(void)ud;
	for (long i = 0; i < n; i++) {
		lua_State *co = lua_newthread(lua);
		lua_pushvalue(lua, -1);
		lua_pushboolean(lua, 1);
		lua_rawset(lua, LUA_REGISTRYINDEX); /* keeps the thread alive while its timer runs */
		lua_getglobal(lua, "hook");
		lua_xmove(lua, co, 1);
		lua_pop(lua, 1);
		lua_pushinteger(co, ms);
		resume(co, 1);
	}
}

int main(int argc, char **argv)
{
	n = argc > 3 ? strtol(argv[1], NULL, 10) : 0;
	if (n <= 0) {
		fprintf(stderr, "usage: min_coroutines N MS READY\n");
		return 2;
	}
	left = n;
	ms = strtol(argv[2], NULL, 10);
	base = event_base_new();
	lua = luaL_newstate();
	luaL_openlibs(lua);
	lua_register(lua, "sleep", l_sleep);
	if (luaL_dostring(lua, "function hook(ms) sleep(ms) end")) {
		fprintf(stderr, "min_coroutines: %s\n", lua_tostring(lua, -1));
		return 1;
	}
	struct event *term = evsignal_new(base, SIGTERM, on_term, NULL);
	event_add(term, NULL);
	FILE *ready = fopen(argv[3], "w");
	if (!ready || fclose(ready)) {
		perror(argv[3]);
		return 1;
	}
	event_base_dispatch(base);
	event_free(term);
	lua_close(lua);
	event_base_free(base);
	return 0;
}
