/* exchange.c: a request or connection as scripts see it: userdata "curfew.exchange". */
#include <lauxlib.h>

#include "base/err.h"
#include "base/exchange.h"
#include "policy/convert.h"
#include "policy/failure.h"
#include "policy/request.h"
#include "policy/state.h"
#include "policy/task.h"

#define META "curfew.exchange"

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

static int answer(lua_State *L, int rc, const char *what)
{
	struct curfew_err err = {0};
	if (rc >= 0) {
		lua_pushboolean(L, 1);
		return 1;
	}
	cfw_err_set(&err, rc, rc == CURFEW_ESTATE ? "%s: a reply was begun, or none was" : "%s failed", what);
	return cfw_fail(L, &err);
}

/* One whose tasks have ended before (x:hold) is over with its reply. */
static int answer_end(lua_State *L, int rc, const char *what)
{
	cfw_request_settle(cfw_policy_of(L), check_id(L));
	return answer(L, rc, what);
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
		return answer(L, CURFEW_ESTATE, "reply");
	int rc = r->x->ops->reply(r->x, status, cfw_convert_value(L, headers), body, n);
	if (rc >= 0)
		r->begun = r->ended = true;
	return answer_end(L, rc, "reply");
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
		return answer(L, CURFEW_ESTATE, "begin");
	int rc = r->x->ops->begin(r->x, status, cfw_convert_value(L, headers));
	if (rc >= 0)
		r->begun = true;
	return answer(L, rc, "begin");
}

static int l_write(lua_State *L)
{
	size_t n;
	luaL_checkudata(L, 1, META);
	const char *data = luaL_checklstring(L, 2, &n);
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	bool may = !r->ended && (r->begun || r->x->kind == CFW_X_TCP);
	return answer(L, may ? r->x->ops->write(r->x, data, n) : CURFEW_ESTATE, "write");
}

static int l_finish(lua_State *L)
{
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	if (!r->begun || r->ended || !r->x->ops->end)
		return answer(L, CURFEW_ESTATE, "finish");
	int rc = r->x->ops->end(r->x);
	r->ended = true;
	return answer_end(L, rc, "finish");
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
		return answer(L, rc, "flush");
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
		return answer(L, rc, "read");
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
	return answer_end(L, 0, "close");
}

static int l_hold(lua_State *L)
{
	struct cfw_conversation *r = check(L);
	if (!r)
		return 3;
	r->held = true;
	return answer(L, 0, "hold");
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
