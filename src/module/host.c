/* host.c: require "curfew.host": include/curfew.h for a program in Lua that has a loop of its own, such as luv's. The program watches
 * host:fd() for reading and calls host:step(); its functions are called from within that. Policies run in a state of their own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "include/curfew.h"

#define META "curfew.host"

__attribute__((visibility("default"))) int luaopen_curfew_host(lua_State *L);

struct host {
	struct curfew *c; /* NULL: closed */
	lua_State *L;     /* the program's main thread */
	int functions;    /* a table: log, on_exit */
	int servers;      /* and one of definitions by name */
	bool inside;      /* a function of the program runs, called by us */
};

static struct host *check(lua_State *L)
{
	struct host *h = luaL_checkudata(L, 1, META);
	if (!h->c)
		luaL_error(L, "curfew.host: it was closed");
	return h;
}

/* nil and the message, or true. */
static int answer(lua_State *L, int rc, const struct curfew_err *err)
{
	if (rc == 0) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushnil(L);
	lua_pushstring(L, err->msg[0] ? err->msg : "not now");
	return 2;
}

/* ---- calls into the program ---- */

/* Push functions[name], or functions[server][name]; false: there is none. */
static bool push(const struct host *h, const char *server, const char *name)
{
	lua_rawgeti(h->L, LUA_REGISTRYINDEX, server ? h->servers : h->functions);
	for (int i = server ? 0 : 1; i < 2 && lua_istable(h->L, -1); i++) { /* raw: nothing of the program's runs here */
		lua_pushstring(h->L, i ? name : server);
		lua_rawget(h->L, -2);
		lua_remove(h->L, -2);
	}
	if (lua_isfunction(h->L, -1))
		return true;
	lua_pop(h->L, 1);
	return false;
}

/* The function below n arguments. false: it failed, and why is on the stack. */
static bool call(struct host *h, int n)
{
	bool before = h->inside;
	h->inside = true;
	int rc = lua_pcall(h->L, n, 0, 0);
	h->inside = before;
	if (rc != LUA_OK && lua_type(h->L, -1) != LUA_TSTRING) {
		lua_pop(h->L, 1);
		lua_pushliteral(h->L, "an error without a message");
	}
	return rc == LUA_OK;
}

static void on_log(void *ud, enum curfew_log_level level, const char *text, const struct curfew_log_field *fields, size_t n)
{
	static const char *const levels[] = {"debug", "info", "warn", "error"};
	struct host *h = ud;
	luaL_checkstack(h->L, 20, "log");
	if (!push(h, NULL, "log"))
		return;
	lua_pushstring(h->L, levels[level]);
	lua_pushstring(h->L, text);
	lua_createtable(h->L, 0, (int)n);
	for (size_t i = 0; i < n; i++) {
		lua_pushstring(h->L, fields[i].value);
		lua_setfield(h->L, -2, fields[i].key);
	}
	if (!call(h, 3))
		lua_pop(h->L, 1); /* there is nobody left to tell */
}

static void complain(struct host *h, const char *what)
{
	char text[600];
	snprintf(text, sizeof text, "%s: %s", what, lua_tostring(h->L, -1));
	lua_pop(h->L, 1);
	on_log(h, CURFEW_LOG_ERROR, text, NULL, 0);
}

static void on_exit_code(void *ud, int code, bool kill)
{
	struct host *h = ud;
	if (!push(h, NULL, "on_exit"))
		return;
	lua_pushinteger(h->L, code);
	lua_pushboolean(h->L, kill);
	if (!call(h, 2))
		complain(h, "on_exit");
}

/* ---- servers ---- */

struct server {
	struct host *h;
	struct server *next;
	char name[];
};

static void start(void *ud, curfew_id id)
{
	struct server *s = ud;
	if (!push(s->h, s->name, "start")) {
		curfew_server_started(s->h->c, id);
		return;
	}
	lua_pushinteger(s->h->L, id);
	if (!call(s->h, 1)) {
		curfew_server_failed(s->h->c, id, lua_tostring(s->h->L, -1));
		lua_pop(s->h->L, 1);
	}
}

static void stop(void *ud, curfew_id id, uint64_t deadline_ns)
{
	struct server *s = ud;
	if (!push(s->h, s->name, "stop")) {
		curfew_server_stopped(s->h->c, id);
		return;
	}
	lua_pushinteger(s->h->L, id);
	if (deadline_ns == CURFEW_NEVER)
		lua_pushnil(s->h->L);
	else
		lua_pushnumber(s->h->L, (lua_Number)deadline_ns / 1e9);
	if (!call(s->h, 2)) {
		complain(s->h, s->name);
		curfew_server_stopped(s->h->c, id);
	}
}

static void cut(void *ud, curfew_id id)
{
	struct server *s = ud;
	if (!push(s->h, s->name, "abort"))
		return;
	lua_pushinteger(s->h->L, id);
	if (!call(s->h, 1))
		complain(s->h, s->name);
}

static void lame(void *ud, curfew_id id, bool on)
{
	struct server *s = ud;
	if (!push(s->h, s->name, "lame"))
		return;
	lua_pushinteger(s->h->L, id);
	lua_pushboolean(s->h->L, on);
	if (!call(s->h, 2))
		complain(s->h, s->name);
}

static void free_server(void *ud)
{
	free(ud);
}

/* host:server { name =, start =, stop =, abort =, lame =, after = { names }, stop_timeout = seconds } -> its number */
static int l_server(lua_State *L)
{
	enum { MOST = 64 };
	struct host *h = check(L);
	const char *after[MOST + 1] = {NULL};
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	luaL_argcheck(L, lua_getfield(L, 2, "name") == LUA_TSTRING, 2, "name: expected a string");
	const char *name = lua_tostring(L, -1);
	lua_Number seconds = lua_getfield(L, 2, "stop_timeout") == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
	luaL_argcheck(L, (lua_isnil(L, -1) || lua_type(L, -1) == LUA_TNUMBER) && seconds >= 0 && seconds <= 1e9, 2,
		      "stop_timeout: expected seconds, from 0 (none of its own) to 1000000000");
	if (lua_getfield(L, 2, "after") == LUA_TTABLE) {
		lua_Integer n = luaL_len(L, -1);
		luaL_argcheck(L, n <= MOST, 2, "after: too many names");
		luaL_checkstack(L, MOST, "after");
		int list = lua_gettop(L);
		for (lua_Integer i = 0; i < n; i++) { /* they stay on the stack */
			luaL_argcheck(L, lua_geti(L, list, i + 1) == LUA_TSTRING, 2, "after: expected a list of names");
			after[i] = lua_tostring(L, -1);
		}
	}
	struct server *s = malloc(sizeof *s + strlen(name) + 1);
	if (!s)
		return luaL_error(L, "not enough memory");
	s->h = h;
	strcpy(s->name, name);
	struct curfew_server_ops ops = {.size = sizeof ops, .start = start, .stop = stop, .abort = cut, .lame = lame};
	struct curfew_server_options o = {.size = sizeof o, .name = name, .ops = &ops, .ud = s, .after = after};
	if (seconds > 0)
		o.stop_timeout_ns = (uint64_t)(seconds * 1e9);
	struct curfew_err err = {0};
	curfew_id id = curfew_server_new(h->c, &o, &err);
	if (!id) {
		free_server(s);
		return answer(L, -1, &err);
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, h->servers);
	lua_pushvalue(L, 2);
	lua_setfield(L, -2, name);
	lua_pushlightuserdata(L, s); /* to be freed with the host */
	lua_rawsetp(L, -2, s);
	lua_pushinteger(L, id);
	return 1;
}

static curfew_id id_of(lua_State *L)
{
	lua_Integer id = luaL_checkinteger(L, 2);
	luaL_argcheck(L, id >= 0 && id <= UINT32_MAX, 2, "no such number");
	return (curfew_id)id;
}

static int l_started(lua_State *L)
{
	curfew_server_started(check(L)->c, id_of(L));
	return 0;
}

static int l_failed(lua_State *L)
{
	curfew_server_failed(check(L)->c, id_of(L), luaL_optstring(L, 3, "it failed"));
	return 0;
}

static int l_stopped(lua_State *L)
{
	curfew_server_stopped(check(L)->c, id_of(L));
	return 0;
}

static int l_closed(lua_State *L)
{
	curfew_server_closed(check(L)->c, id_of(L), (int)luaL_optinteger(L, 3, -1));
	return 0;
}

static int l_begin(lua_State *L)
{
	lua_pushinteger(L, curfew_request_begin(check(L)->c, id_of(L)));
	return 1;
}

static int l_end(lua_State *L)
{
	struct host *h = check(L);
	if (lua_isnoneornil(L, 3))
		curfew_request_end(h->c, id_of(L));
	else
		curfew_request_failed(h->c, id_of(L), luaL_checkstring(L, 3));
	return 0;
}

/* ---- the instance ---- */

static int l_load(lua_State *L)
{
	struct curfew_err err = {0};
	return answer(L, curfew_load_file(check(L)->c, luaL_checkstring(L, 2), &err), &err);
}

static int l_start(lua_State *L)
{
	struct curfew_err err = {0};
	return answer(L, curfew_start(check(L)->c), &err);
}

static int l_reload(lua_State *L)
{
	struct curfew_err err = {0};
	return answer(L, curfew_reload(check(L)->c, NULL, NULL, &err), &err);
}

static int l_signal(lua_State *L)
{
	struct curfew_err err = {0};
	lua_Integer signo = luaL_checkinteger(L, 2);
	luaL_argcheck(L, signo > 0 && signo < 65, 2, "no signal");
	return answer(L, curfew_signal(check(L)->c, (int)signo, 1), &err);
}

static int l_trigger(lua_State *L)
{
	struct curfew_err err = {0};
	return answer(L, curfew_trigger(check(L)->c, luaL_checkstring(L, 2), &err), &err);
}

static int l_exit(lua_State *L)
{
	struct curfew_err err = {0};
	return answer(L, curfew_exit(check(L)->c, (int)luaL_optinteger(L, 2, 0)), &err);
}

static int l_stop(lua_State *L)
{
	struct curfew_err err = {0};
	return answer(L, curfew_stop(check(L)->c), &err);
}

static int l_fd(lua_State *L)
{
	lua_pushinteger(L, curfew_fd(check(L)->c));
	return 1;
}

static int l_step(lua_State *L)
{
	struct host *h = check(L);
	if (!h->inside)
		curfew_step(h->c);
	return 0;
}

static int l_state(lua_State *L)
{
	lua_pushstring(L, curfew_state(check(L)->c));
	return 1;
}

static int l_status(lua_State *L)
{
	const struct curfew *c = check(L)->c;
	size_t n = curfew_status(c, NULL, 0);
	luaL_Buffer b;
	char *text = luaL_buffinitsize(L, &b, n + 1);
	size_t again = curfew_status(c, text, n + 1);
	luaL_pushresultsize(&b, again < n ? again : n);
	return 1;
}

static int l_close(lua_State *L)
{
	struct host *h = luaL_checkudata(L, 1, META);
	if (!h->c)
		return 0;
	if (h->inside)
		return luaL_error(L, "curfew.host: close it later, not from within one of its functions");
	curfew_free(h->c);
	h->c = NULL;
	lua_rawgeti(L, LUA_REGISTRYINDEX, h->servers);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
		if (lua_islightuserdata(L, -1))
			free_server(lua_touserdata(L, -1));
	luaL_unref(L, LUA_REGISTRYINDEX, h->functions);
	luaL_unref(L, LUA_REGISTRYINDEX, h->servers);
	return 0;
}

/* new { on_exit = function(code, kill), log = function(level, text, fields), exit_timeout = seconds, watch = bool } */
static int l_new(lua_State *L)
{
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	luaL_argcheck(L, lua_getfield(L, 1, "on_exit") == LUA_TFUNCTION, 1,
		      "on_exit: expected a function: whom to tell the exit code");
	lua_getfield(L, 1, "log");
	luaL_argcheck(L, lua_isnil(L, -1) || lua_isfunction(L, -1), 1, "log: expected a function");
	lua_getfield(L, 1, "exit_timeout");
	lua_Number seconds = luaL_optnumber(L, -1, 0);
	luaL_argcheck(L, seconds >= 0 && seconds < 1e9, 1, "exit_timeout: expected seconds");
	lua_getfield(L, 1, "watch");
	struct host *h = lua_newuserdatauv(L, sizeof *h, 0);
	*h = (struct host){.c = NULL};
	luaL_setmetatable(L, META);
	lua_newtable(L);
	lua_pushvalue(L, 2);
	lua_setfield(L, -2, "on_exit");
	lua_pushvalue(L, 3);
	lua_setfield(L, -2, "log");
	h->functions = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	h->servers = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	h->L = lua_tothread(L, -1);
	lua_pop(L, 1);
	struct curfew_err err = {0};
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code, .ud = h, .log = on_log, .log_ud = h};
	o.log_level = CURFEW_LOG_INFO;
	o.exit_timeout_ns = (uint64_t)(seconds * 1e9);
	o.watch = lua_toboolean(L, 5);
	h->c = curfew_new(&o, &err);
	return h->c ? 1 : answer(L, -1, &err);
}

int luaopen_curfew_host(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{"server", l_server}, {"started", l_started},     {"failed", l_failed},   {"stopped", l_stopped},
		{"closed", l_closed}, {"request_begin", l_begin}, {"request_end", l_end}, {"load", l_load},
		{"start", l_start},   {"reload", l_reload},       {"signal", l_signal},   {"trigger", l_trigger},
		{"exit", l_exit},     {"stop", l_stop},           {"fd", l_fd},           {"step", l_step},
		{"state", l_state},   {"status", l_status},       {"close", l_close},     {NULL, NULL}};
	luaL_checkversion(L);
	luaL_newmetatable(L, META);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, l_close);
	lua_setfield(L, -2, "__gc");
	lua_newtable(L);
	lua_pushcfunction(L, l_new);
	lua_setfield(L, -2, "new");
	return 1;
}
