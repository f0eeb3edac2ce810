/* exchange.c: a request or connection as scripts see it: userdata "curfew.exchange". */
#include <errno.h>

#include <lauxlib.h>

#include "base/err.h"
#include "base/exchange.h"
#include "policy/convert.h"
#include "policy/failure.h"
#include "policy/request.h"
#include "policy/state.h"
#include "policy/task.h"

#define META "curfew.exchange"

#define BEGUN     "a reply was begun already"
#define NOT_BEGUN "no reply was begun"
#define CLOSED    "the connection was closed"

void cfw_push_exchange(lua_State *L, cfw_id id)
{
	cfw_id *u = lua_newuserdatauv(L, sizeof *u, 1);
	*u = id;
	luaL_setmetatable(L, META);
}

static cfw_id check_id(lua_State *L)
{
	return *(cfw_id *)luaL_checkudata(L, 1, META);
}

/* The request behind the userdata while its connection lives; NULL with nil, message, name on the stack. */
static struct cfw_conversation *check(lua_State *L)
{
	struct cfw_conversation *r = cfw_request_get(cfw_policy_of(L), check_id(L));
	if (r && r->x)
		return r;
	cfw_fail_with(L, r ? "the peer is gone" : "the request is over", "EPIPE");
	return NULL;
}

/* What an operation came to; errno says why where it failed with CURFEW_ESYS. not_now: why it may be refused. */
static int answer(lua_State *L, int rc, const char *what, const char *not_now)
{
	struct curfew_err err = {0};
	if (rc >= 0) {
		lua_pushboolean(L, 1);
		return 1;
	}
	if (rc == CURFEW_ESYS)
		cfw_err_sys(&err, "%s", what);
	else
		cfw_err_set(&err, rc, "%s: %s", what,
			    rc == CURFEW_ESTATE   ? not_now
			    : rc == CURFEW_ENOMEM ? "out of memory"
						  : "it failed");
	return cfw_fail(L, &err);
}

/* One whose tasks have ended before (x:hold) is over with its reply. */
static int answer_end(lua_State *L, int rc, const char *what, const char *not_now)
{
	int saved = errno;
	cfw_request_settle(cfw_policy_of(L), check_id(L));
	errno = saved;
	return answer(L, rc, what, not_now);
}

static int check_status(lua_State *L, int idx)
{
	lua_Integer status = luaL_checkinteger(L, idx);
	if (status < 100 || status > 999)
		return cfw_raise(L, "a status is from 100 to 999, got %d", (int)status);
	return (int)status;
}

static int l_request(lua_State *L)
{
	if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE)
		return 1;
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	cfw_convert_push(L, r->x->request);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, 1, 1);
	return 1;
}

static int l_reply(lua_State *L)
{
	size_t n = 0;
	luaL_checkudata(L, 1, META);
	int status = check_status(L, 2);
	const char *body = lua_isnoneornil(L, 4) ? "" : luaL_checklstring(L, 4, &n);
	cfw_convert_take(L, 3, "reply headers", 0);
	int headers = lua_gettop(L);
	struct cfw_conversation *r = check(L); /* after all that may raise or run a finalizer */
	if (!r)
		return 3;
	if (r->begun || r->ended)
		return answer(L, CURFEW_ESTATE, "reply", BEGUN);
	int rc = r->x->ops->reply(r->x, status, cfw_convert_value(L, headers), body, n), saved = errno;
	cfw_convert_give_back(L, headers);
	errno = saved;
	if (rc >= 0)
		r->begun = r->ended = true;
	return answer_end(L, rc, "reply", BEGUN);
}

static int l_begin(lua_State *L)
{
	luaL_checkudata(L, 1, META);
	int status = check_status(L, 2);
	cfw_convert_take(L, 3, "reply headers", 0);
	int headers = lua_gettop(L);
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	if (r->begun || r->ended || !r->x->ops->begin)
		return answer(L, CURFEW_ESTATE, "begin", BEGUN);
	int rc = r->x->ops->begin(r->x, status, cfw_convert_value(L, headers));
	if (rc >= 0)
		r->begun = true;
	return answer(L, rc, "begin", BEGUN);
}

static int l_write(lua_State *L)
{
	size_t n;
	luaL_checkudata(L, 1, META);
	const char *data = luaL_checklstring(L, 2, &n);
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	bool tcp = r->x->kind == CFW_X_TCP, may = !r->ended && (r->begun || tcp);
	const char *not_now = tcp ? CLOSED : r->ended ? "the reply has ended" : NOT_BEGUN;
	return answer(L, may ? r->x->ops->write(r->x, data, n) : CURFEW_ESTATE, "write", not_now);
}

static int l_finish(lua_State *L)
{
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	if (!r->begun || r->ended || !r->x->ops->end)
		return answer(L, CURFEW_ESTATE, "finish", r->ended ? "the reply has ended" : NOT_BEGUN);
	int rc = r->x->ops->end(r->x);
	r->ended = true;
	return answer_end(L, rc, "finish", NOT_BEGUN);
}

static int l_flush(lua_State *L)
{
	luaL_checkudata(L, 1, META);
	struct cfw_task *t = cfw_guard_may_wait(L);
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	cfw_token token = cfw_task_token(t, CFW_WAIT_EXCHANGE);
	int rc = r->x->ops->flush ? r->x->ops->flush(r->x, token) : CURFEW_ESTATE;
	if (rc < 0) {
		cfw_task_nowait(t);
		return answer(L, rc, "flush", "the connection was closed, or is being flushed already");
	}
	return cfw_guard_wait(L, 0, cfw_task_go_on);
}

static int l_read(lua_State *L)
{
	luaL_checkudata(L, 1, META);
	lua_Integer max = luaL_optinteger(L, 2, 0);
	struct cfw_task *t = cfw_guard_may_wait(L);
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	cfw_token token = cfw_task_token(t, CFW_WAIT_EXCHANGE);
	int rc = r->x->ops->read ? r->x->ops->read(r->x, max < 0 ? 0 : (size_t)max, token) : CURFEW_ESTATE;
	if (rc < 0) {
		cfw_task_nowait(t);
		return answer(L, rc, "read", "the connection was closed, or is being read already");
	}
	return cfw_guard_wait(L, 0, cfw_task_go_on);
}

static int l_close(lua_State *L)
{
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	r->ended = true;
	r->x->ops->close(r->x);
	return answer_end(L, 0, "close", CLOSED);
}

static int l_hold(lua_State *L)
{
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	r->held = true;
	return answer(L, 0, "hold", CLOSED);
}

static int l_alive(lua_State *L)
{
	const struct cfw_conversation *r = cfw_request_get(cfw_policy_of(L), check_id(L));
	lua_pushboolean(L, r && r->x);
	return 1;
}

static int l_begun(lua_State *L)
{
	const struct cfw_conversation *r = cfw_request_get(cfw_policy_of(L), check_id(L));
	lua_pushboolean(L, !r || r->begun || r->ended);
	return 1;
}

/* Ops are not called from a collection: the next step looks. */
static int l_gc(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct cfw_conversation *r = cfw_request_get(p, check_id(L));
	if (r && r->held && !p->ending) {
		r->held = false;
		p->released = true;
		cfw_policy_wake(p);
	}
	return 0;
}

void cfw_open_exchange(lua_State *L)
{
	static const luaL_Reg methods[] = {
		{"request", l_request}, {"reply", l_reply}, {"begin", l_begin}, {"write", l_write},
		{"finish", l_finish},   {"flush", l_flush}, {"read", l_read},   {"close", l_close},
		{"hold", l_hold},       {"alive", l_alive}, {"begun", l_begun}, {NULL, NULL},
	};
	luaL_newmetatable(L, META);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, l_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}
