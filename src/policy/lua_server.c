/* lua_server.c: the kind "server": functions of a script that start, stop and abort. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/time.h"
#include "base/value.h"
#include "policy/calls.h"
#include "policy/rules.h"
#include "policy/task.h"

static void report(struct cfw_lua_server *s, enum cfw_report_what what, uint32_t attempt, const struct curfew_err *err,
		   const char *traceback)
{
	struct cfw_report r = {
		.what = what, .server = s->id, .attempt = attempt, .exit_code = -1, .err = err, .traceback = traceback};
	s->env->report(s->env->ud, &r);
}

/* Why it stops: where the server stops alone there is no trigger. */
static void set_cause(lua_State *L, struct cfw_policy *p, unsigned which)
{
	struct cfw_trigger trigger;
	enum cfw_mode mode = which == CALL_ABORT ? CFW_ABORT : CFW_GRACEFUL;
	const char *text = NULL, *traceback = NULL;
	bool known = which != CALL_START && p->ops->stop_cause && p->ops->stop_cause(p->ud, &mode, &trigger, &text, &traceback);
	cfw_call_set_mode(L, mode);
	if (!known)
		return;
	cfw_push_trigger(L, &trigger, text, traceback);
	lua_setfield(L, -2, "trigger");
}

static int begin_server(lua_State *L, struct cfw_task *t, lua_State *co)
{
	static const char *const names[] = {"start", "stop", "abort"};
	const struct cfw_task_call *c = t->call;
	const int refs[] = {c->server->start, c->server->stop, c->server->abort};
	int n = cfw_call_push_entry(L, t->p, CFW_ENTRY_SERVER, refs[c->which]);
	lua_createtable(L, 0, 5);
	lua_pushinteger(L, c->server->id);
	lua_setfield(L, -2, "server");
	lua_pushstring(L, names[c->which]);
	lua_setfield(L, -2, "phase");
	cfw_call_set_seconds(L, "deadline", c->deadline_ns);
	set_cause(L, t->p, c->which);
	lua_xmove(L, co, n + 2);
	return n + 1;
}

/* Begin one of the functions; false when it has none or cannot. */
static bool run(struct cfw_lua_server *s, unsigned which, uint32_t attempt, uint64_t deadline_ns, bool hurried)
{
	const int refs[] = {s->start, s->stop, s->abort};
	if (!s->p || refs[which] == LUA_NOREF)
		return false;
	struct cfw_task *t = cfw_task_new(s->p, CFW_TASK_SERVER);
	struct cfw_task_call *c = t ? calloc(1, sizeof *c) : NULL;
	if (!c) {
		if (t)
			cfw_task_discard(t);
		return false;
	}
	*c = (struct cfw_task_call){
		.server = s, .which = which, .attempt = attempt, .deadline_ns = deadline_ns, .hurried = hurried};
	t->call = c;
	t->server = s;
	t->begin = begin_server;
	s->task = t->id;
	cfw_task_ready(t);
	return true;
}

/* S4.9, S4.11: nothing is asked any more when it ends, so the code comes with its report. */
static void end_abort(struct cfw_task *t, const struct cfw_lua_server *s)
{
	struct cfw_report r = {.what = CFW_REPORT_STOPPED, .server = s->id, .attempt = t->call->attempt, .exit_code = -1};
	if (t->end == CFW_END_EXIT) {
		r.exit_code = t->p->exit_code;
	} else if (t->end != CFW_END_OK && t->end != CFW_END_MARGIN) {
		struct cfw_value *info = t->p->ops->server_info ? t->p->ops->server_info(t->p->ud, s->id, false) : NULL;
		struct cfw_buf line;
		cfw_buf_init(&line);
		cfw_buf_printf(&line, "%s: abort failed: %s", cfw_value_get_str(info, "name", "?"),
			       t->text ? t->text : "not enough memory");
		cfw_log_with(cfw_policy_log(t->p), CFW_ERROR, line.data && !line.failed ? line.data : "an abort failed",
			     "traceback", t->trace, NULL);
		cfw_buf_clear(&line);
		cfw_value_free(info);
		r.exit_code = 1;
	}
	s->env->report(s->env->ud, &r);
}

bool cfw_call_is_abort(const struct cfw_task *t)
{
	return t->kind == CFW_TASK_SERVER && t->call->which == CALL_ABORT;
}

void cfw_lua_server_end(struct cfw_task *t)
{
	static const char *const names[] = {"start", "stop"};
	struct cfw_task_call *c = t->call;
	struct cfw_lua_server *s = c->server;
	struct curfew_err err = {0};
	s->task = 0;
	s->up = s->up && c->which == CALL_START; /* what a failed start left is still to be stopped */
	if (c->which == CALL_ABORT) {
		end_abort(t, s);
		return;
	}
	if (t->end == CFW_END_EXIT)
		cfw_err_set(&err, CURFEW_ELUA, "%s called os.exit", names[c->which]);
	else if (t->end != CFW_END_OK)
		cfw_err_set(&err, CURFEW_ELUA, "%s", t->text ? t->text : "not enough memory");
	else if (c->refused)
		err = *c->refused;
	enum cfw_report_what what = CFW_REPORT_STOPPED;
	if (c->which == CALL_START)
		what = err.code ? CFW_REPORT_START_FAILED : CFW_REPORT_STARTED;
	else if (err.code && t->end != CFW_END_EXIT && t->end != CFW_END_MARGIN)
		what = CFW_REPORT_DIED;
	report(s, what, c->attempt, err.code ? &err : NULL, t->trace);
}

/* Code and errno of a failed operation's third value, "ENOENT". */
static void set_code(struct curfew_err *err, const char *name)
{
	enum { LAST_ERRNO = 133 };
	struct curfew_err own = {0};
	for (int e = 1; e <= LAST_ERRNO; e++) {
		const char *known = strerrorname_np(e);
		if (known && !strcmp(known, name)) {
			err->code = CURFEW_ESYS;
			err->sys_errno = e;
			return;
		}
	}
	for (own.code = CURFEW_ENOMEM; own.code >= CURFEW_ELIMIT; own.code--)
		if (!strcmp(cfw_err_name(&own), name))
			err->code = own.code;
}

/* A start that failed as operations do, nil, message, code, or that returned false. nil alone is what a function without a return
 * gives. Raises nothing. */
void cfw_call_results(struct cfw_task *t, int nres)
{
	struct cfw_task_call *c = t->call;
	int first = lua_gettop(t->co) - nres + 1, top = lua_gettop(t->co);
	bool refused =
		nres && (lua_isnil(t->co, first) ? nres > 1 && !lua_isnil(t->co, first + 1) : !lua_toboolean(t->co, first));
	if (c->which != CALL_START || !refused || !(c->refused = calloc(1, sizeof *c->refused)))
		return;
	bool said = first < top && lua_type(t->co, first + 1) == LUA_TSTRING;
	cfw_err_set(c->refused, CURFEW_ELUA, "%s",
		    said                      ? lua_tostring(t->co, first + 1)
		    : lua_isnil(t->co, first) ? "start returned nil and something that is no message"
					      : "start returned false");
	if (said && first + 1 < top && lua_type(t->co, first + 2) == LUA_TSTRING)
		set_code(c->refused, lua_tostring(t->co, first + 2));
}

static int ref_of(const struct cfw_value *def, const char *key)
{
	const struct cfw_value *v = cfw_value_get(def, key);
	return cfw_value_type(v) == CFW_V_REF ? (int)cfw_value_to_int(v, LUA_NOREF) : LUA_NOREF;
}

static void join_policy(struct cfw_lua_server *s, struct cfw_policy *p)
{
	s->p = p;
	s->next = p->servers;
	s->prev = &p->servers;
	if (s->next)
		s->next->prev = &s->next;
	p->servers = s;
}

static void leave_policy(struct cfw_lua_server *s)
{
	if (!s->p)
		return;
	*s->prev = s->next;
	if (s->next)
		s->next->prev = s->prev;
	s->p = NULL;
}

static void *server_open(void *kind_ud, const struct cfw_env *env, cfw_id id, const struct cfw_value *def,
			 struct curfew_err *err)
{
	struct cfw_policy *p = kind_ud;
	struct cfw_lua_server *s = malloc(sizeof *s);
	if (!s) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	*s = (struct cfw_lua_server){
		.env = env,
		.id = id,
		.start = ref_of(def, "start"),
		.stop = ref_of(def, "stop"),
		.abort = ref_of(def, "abort"),
	};
	join_policy(s, p);
	return s;
}

static void cancel_running(struct cfw_lua_server *s)
{
	struct cfw_task *t = s->p && s->task ? cfw_task_get(s->p, s->task) : NULL;
	s->task = 0;
	if (t)
		cfw_task_cancel(t, true);
}

static void server_free(void *srv)
{
	struct cfw_lua_server *s = srv;
	cancel_running(s);
	leave_policy(s);
	if (s->next_life)
		server_free(s->next_life);
	free(s);
}

/* It is down: from now on it is what the policy of today says. */
static void begin_next_life(struct cfw_lua_server *s)
{
	struct cfw_lua_server *n = s->next_life;
	if (!n || !n->p)
		return;
	leave_policy(s);
	s->start = n->start;
	s->stop = n->stop;
	s->abort = n->abort;
	join_policy(s, n->p);
	s->next_life = NULL;
	server_free(n);
}

static bool server_fits(const void *srv, const void *next)
{
	(void)srv;
	(void)next;
	return true;
}

static bool server_renew(void *srv, void *next)
{
	struct cfw_lua_server *s = srv, *n = next;
	if (s->next_life)
		server_free(s->next_life);
	s->next_life = n;
	if (!s->up && !s->task)
		begin_next_life(s);
	return true;
}

static void server_start(void *srv, uint32_t attempt)
{
	struct cfw_lua_server *s = srv;
	struct curfew_err err;
	begin_next_life(s);
	s->up = true;
	const struct cfw_policy_ops *ops = s->p ? s->p->ops : NULL;
	if (run(s, CALL_START, attempt, ops && ops->start_until ? ops->start_until(s->p->ud, s->id) : CFW_NEVER, false))
		return;
	if (s->p && s->start == LUA_NOREF) {
		report(s, CFW_REPORT_STARTED, attempt, NULL, NULL);
		return;
	}
	cfw_err_set(&err, CURFEW_ENOMEM, "out of memory");
	report(s, CFW_REPORT_START_FAILED, attempt, &err, NULL);
}

static void server_stop(void *srv, const struct cfw_stop *stop)
{
	struct cfw_lua_server *s = srv;
	cancel_running(s);
	if (run(s, CALL_STOP, stop->attempt, stop->deadline_ns, stop->hurried))
		return;
	s->up = false;
	report(s, CFW_REPORT_STOPPED, stop->attempt, NULL, NULL);
}

/* From any state: what runs is cancelled, then abort has its say. */
static void server_cut(void *srv, uint32_t attempt)
{
	struct cfw_lua_server *s = srv;
	cancel_running(s);
	if (run(s, CALL_ABORT, attempt, CFW_NEVER, false))
		return;
	s->up = false;
	report(s, CFW_REPORT_STOPPED, attempt, NULL, NULL);
}

const struct cfw_kind cfw_policy_kind = {
	.size = sizeof(struct cfw_kind),
	.name = "server",
	.open = server_open,
	.free = server_free,
	.start = server_start,
	.stop = server_stop,
	.cut = server_cut,
	.fits = server_fits,
	.renew = server_renew,
};

/* ---- for the policy ---- */

bool cfw_server_lives(const struct cfw_policy *p, const struct cfw_lua_server *s)
{
	const struct cfw_lua_server *at = p->servers;
	while (at && at != s)
		at = at->next;
	return at;
}

bool cfw_servers_run(const struct cfw_policy *p)
{
	for (const struct cfw_lua_server *s = p->servers; s; s = s->next)
		if (s->up || s->task)
			return true;
	return false;
}

void cfw_servers_free(struct cfw_policy *p)
{
	while (p->servers) {
		struct cfw_lua_server *s = p->servers;
		p->servers = s->next;
		s->p = NULL;
		s->next = NULL;
	}
}
