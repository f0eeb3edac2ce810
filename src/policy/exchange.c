/* exchange.c: a request or connection as scripts see it: userdata "curfew.exchange". */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/err.h"
#include "base/exchange.h"
#include "base/value.h"
#include "policy/convert.h"
#include "policy/failure.h"
#include "policy/request.h"
#include "policy/state.h"
#include "policy/task.h"

#define META "curfew.exchange"

/* In slots: ids outlive it, pointers to it do not outlive a cfw_slots_new. */
struct request {
	struct cfw_exchange *x; /* NULL: the client is gone */
	size_t live;            /* tasks, timers and rejections that belong to it, and the userdata while held */
	bool begun, ended;      /* a reply was begun; nothing more is owed */
	bool held;              /* x:hold(): may outlive its tasks */
	cfw_id server;
	int64_t ref;
};

size_t cfw_request_size(void)
{
	return sizeof(struct request);
}

static struct request *get(const struct cfw_policy *p, cfw_id id)
{
	return id ? cfw_slots_get(&p->requests, id) : NULL;
}

static void release(struct cfw_policy *p, cfw_id id, struct request *r)
{
	struct cfw_exchange *x = r->x;
	cfw_slots_del(&p->requests, id);
	p->requests_n--;
	if (x) {
		x->policy_ud = NULL;
		x->ops->release(x);
	}
}

static void settle(struct cfw_policy *p, cfw_id id)
{
	struct request *r = get(p, id);
	if (r && !r->live && (!r->held || r->ended || !r->x))
		release(p, id, r);
}

void cfw_request_hold(struct cfw_policy *p, cfw_id id)
{
	struct request *r = get(p, id);
	if (r)
		r->live++;
}

void cfw_request_drop(struct cfw_policy *p, cfw_id id)
{
	struct request *r = get(p, id);
	if (!r)
		return;
	r->live--;
	settle(p, id);
}

/* "GET /x" or "tcp". */
static const char *what_of(const struct request *r, char *buf, size_t n)
{
	if (!r->x || r->x->kind != CFW_X_HTTP)
		return "tcp connection";
	snprintf(buf, n, "%s %s", cfw_value_get_str(r->x->request, "method", "?"),
		 cfw_value_get_str(r->x->request, "path", "?"));
	return buf;
}

void cfw_request_fail(struct cfw_policy *p, cfw_id id, const char *text, const char *trace)
{
	static const char sorry[] = "Internal Server Error\n";
	struct request *r = get(p, id);
	char what[256];
	if (!r)
		return;
	cfw_log_with(cfw_policy_log(p), CFW_ERROR, "request failed", "request", what_of(r, what, sizeof what), "error",
		     text ? text : "not enough memory", "traceback", trace, NULL);
	struct cfw_exchange *x = r->x;
	if (x && !r->ended) {
		r->ended = true;
		if (x->kind != CFW_X_HTTP || r->begun || x->ops->reply(x, 500, NULL, sorry, sizeof sorry - 1) < 0)
			x->ops->close(x);
	}
	if (p->config.strict) {
		struct cfw_trigger t = {.kind = CFW_T_ERROR};
		p->ops->trigger(p->ud, &t, text, trace);
	}
}

/* ---- begin and end --------------------------------------------------------------------------------------------------------- */

static void push_exchange(lua_State *L, cfw_id id)
{
	cfw_id *u = lua_newuserdatauv(L, sizeof *u, 1);
	*u = id;
	luaL_setmetatable(L, META);
}

static int begin_handler(lua_State *L, struct cfw_task *t, lua_State *co)
{
	struct cfw_policy *p = t->p;
	struct request *r = get(p, t->request);
	if (!r || !r->x)
		return -1; /* left before it began */
	int n = 1;
	if (p->entry[CFW_ENTRY_SERVE] != LUA_NOREF) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, p->entry[CFW_ENTRY_SERVE]);
		lua_pushstring(L, r->x->kind == CFW_X_HTTP ? "http" : "tcp");
		n += 2;
	}
	cfw_id server = r->server;
	lua_rawgeti(L, LUA_REGISTRYINDEX, r->ref);
	push_exchange(L, t->request);
	lua_pushinteger(L, server);
	lua_xmove(L, co, n + 2);
	return n + 1;
}

int cfw_policy_serve(struct cfw_policy *p, cfw_id server, int64_t ref, struct cfw_exchange *x)
{
	void *item;
	cfw_id id = cfw_slots_new(&p->requests, &item);
	if (!id)
		return CURFEW_ENOMEM;
	struct cfw_task *t = cfw_task_new(p, CFW_TASK_HANDLER);
	if (!t) {
		cfw_slots_del(&p->requests, id);
		return CURFEW_ENOMEM;
	}
	*(struct request *)item = (struct request){.x = x, .live = 1, .server = server, .ref = ref};
	p->requests_n++;
	uintptr_t mark = id;
	x->policy_ud = (void *)mark;
	t->request = id;
	t->run = 0;
	t->begin = begin_handler;
	cfw_task_ready(t);
	return 0;
}

/* What waits for the connection hears of it; the rest of the handler goes on and finds its replies refused. */
void cfw_policy_gone(struct cfw_policy *p, struct cfw_exchange *x)
{
	cfw_id request = (cfw_id)(uintptr_t)x->policy_ud;
	struct request *r = get(p, request);
	struct curfew_err err;
	if (!r || r->x != x)
		return;
	r->x = NULL;
	r->ended = true;
	cfw_err_set(&err, CURFEW_ESYS, "the peer is gone");
	err.sys_errno = EPIPE;
	for (cfw_id id = 0; (id = cfw_slots_next(&p->tasks, id));) {
		struct cfw_task *t = cfw_task_get(p, id);
		if (t->request == request && t->state == CFW_TASK_WAITING && t->wait == CFW_WAIT_EXCHANGE)
			cfw_task_answer(p, (cfw_token)id << 32 | t->turn, NULL, &err);
	}
	settle(p, request);
}

/* Userdata that held a request and were collected: nobody can reply any more. */
void cfw_requests_step(struct cfw_policy *p)
{
	if (!p->released)
		return;
	p->released = false;
	for (cfw_id id = 0, next; (next = cfw_slots_next(&p->requests, id)); id = next)
		settle(p, next);
}

void cfw_requests_free(struct cfw_policy *p)
{
	cfw_id id;
	while ((id = cfw_slots_next(&p->requests, 0)))
		release(p, id, get(p, id));
}

/* ---- methods --------------------------------------------------------------------------------------------------------------- */

static cfw_id check_id(lua_State *L)
{
	return *(cfw_id *)luaL_checkudata(L, 1, META);
}

/* The request behind the userdata while its connection lives; NULL with nil, message, name on the stack. */
static struct request *check(lua_State *L)
{
	struct request *r = get(cfw_policy_of(L), check_id(L));
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
	settle(cfw_policy_of(L), check_id(L));
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
	struct request *r = check(L);
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
	struct request *r = check(L); /* after all that may raise or run a finalizer */
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
	struct request *r = check(L);
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
	struct request *r = check(L);
	if (!r)
		return 3;
	bool may = !r->ended && (r->begun || r->x->kind == CFW_X_TCP);
	return answer(L, may ? r->x->ops->write(r->x, data, n) : CURFEW_ESTATE, "write");
}

static int l_finish(lua_State *L)
{
	struct request *r = check(L);
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
	struct request *r = check(L);
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
	struct request *r = check(L);
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
	struct request *r = check(L);
	if (!r)
		return 3;
	r->ended = true;
	r->x->ops->close(r->x);
	return answer_end(L, 0, "close");
}

static int l_hold(lua_State *L)
{
	struct request *r = check(L);
	if (!r)
		return 3;
	r->held = true;
	return answer(L, 0, "hold");
}

static int l_alive(lua_State *L)
{
	const struct request *r = get(cfw_policy_of(L), check_id(L));
	lua_pushboolean(L, r && r->x);
	return 1;
}

static int l_begun(lua_State *L)
{
	const struct request *r = get(cfw_policy_of(L), check_id(L));
	lua_pushboolean(L, !r || r->begun || r->ended);
	return 1;
}

/* Ops are not called from a collection: the next step looks. */
static int l_gc(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct request *r = get(p, check_id(L));
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
