/* rules.c: what a trigger means (S2.11, S2.12). A rule runs in a coroutine of its own, so that whatever it does it can be left. */
#define _GNU_SOURCE
#include "policy/rules.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/text.h"
#include "policy/decision.h"
#include "policy/failure.h"
#include "policy/state.h"
#include "policy/task.h"

struct cfw_rule {
	bool any, fallback; /* "*"; level "default" */
	enum cfw_trigger_kind kind;
	int signo;
	char *custom; /* CFW_T_CUSTOM */
	int ref;      /* a function, or a decision that stands for itself */
	char *where;
	uint64_t spent_ns, seen_ns; /* CPU time that it has used and not regained; when it was asked last */
};

/* One question under way. */
struct ask {
	struct cfw_policy *p;
	const struct cfw_trigger *t;
	const char *name, *text, *traceback;
	struct cfw_rule rule; /* a copy: a rule may add rules */
	int table_ref;        /* the trigger as a table, made for the first rule that is a function */
	struct cfw_decision decision;
	uint64_t left_ns; /* CPU time for all rules of scripts together: a trigger is decided on soon */
};

static void set_int(lua_State *L, const char *key, lua_Integer n)
{
	lua_pushinteger(L, n);
	lua_setfield(L, -2, key);
}

static void set_string(lua_State *L, const char *key, const char *s)
{
	if (s) {
		lua_pushstring(L, s);
		lua_setfield(L, -2, key);
	}
}

void cfw_push_trigger(lua_State *L, const struct cfw_trigger *t, const char *text, const char *traceback)
{
	bool custom = t->kind == CFW_T_CUSTOM;
	lua_createtable(L, 0, 8);
	set_string(L, "name", custom && text ? text : cfw_trigger_name(t->kind, t->signo));
	set_int(L, "count", t->count);
	set_int(L, "code", t->died_signo ? 128 + t->died_signo : t->code); /* a code to end with, as a shell has it */
	if (t->server)
		set_int(L, "server", t->server);
	if (t->kind == CFW_T_EXTEND) {
		lua_pushnumber(L, (lua_Number)t->ns / 1e9);
		lua_setfield(L, -2, "by");
	}
	if (t->died_signo)
		set_string(L, "signal", cfw_signal_name(t->died_signo));
	set_string(L, "error", custom ? NULL : text);
	set_string(L, "traceback", traceback);
	lua_pushnumber(L, (lua_Number)t->at_ns / 1e9);
	lua_setfield(L, -2, "at");
}

/* The trigger's table on L's top, made once a question and prepared by the Lua layer. */
static void push_table(lua_State *L, struct ask *a)
{
	struct cfw_policy *p = a->p;
	int nres, ref;
	if (a->table_ref != LUA_NOREF) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, a->table_ref);
		return;
	}
	cfw_push_trigger(L, a->t, a->text, a->traceback);
	if (p->entry[CFW_ENTRY_TRIGGER] != LUA_NOREF) {
		lua_State *co = cfw_thread_get(p, L, &ref);
		lua_rawgeti(L, LUA_REGISTRYINDEX, p->entry[CFW_ENTRY_TRIGGER]);
		lua_pushvalue(L, -2);
		lua_xmove(L, co, 2);
		struct cfw_budget budget = {p->config.hook_cpu_limit_ns, p->config.hook_cpu_limit_ns, "hook_cpu_limit", false};
		bool well = cfw_guard_run(p, co, 1, &budget, &nres) == CFW_END_OK;
		if (well && nres && lua_istable(co, -nres)) {
			lua_pushvalue(co, -nres);
			lua_xmove(co, L, 1);
			lua_replace(L, -2);
		}
		cfw_thread_put(p, co, ref, well);
	}
	lua_pushvalue(L, -1);
	a->table_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void complain(struct ask *a, const char *what, const char *detail, const char *trace)
{
	cfw_log_with(cfw_policy_log(a->p), CFW_WARN, "a rule gave no decision", "trigger", a->name, "rule", a->rule.where,
		     "reason", what, "error", detail, "traceback", trace, NULL);
}

/* An answer, or why it is none. */
static void take_answer(struct ask *a, lua_State *L)
{
	struct cfw_decision d;
	if (lua_isnoneornil(L, -1))
		return;
	if (!cfw_decision_read(L, -1, &d)) {
		complain(a, "it answered something that is no decision", luaL_typename(L, -1), NULL);
		return;
	}
	if (!cfw_decision_allowed(a->t->kind, d.what)) {
		complain(a, "this trigger does not allow its decision", cfw_decision_name(d.what), NULL);
		return;
	}
	a->decision = d;
}

static void log_failure(struct ask *a, lua_State *L, lua_State *co, enum cfw_end end)
{
	char *text = NULL, *trace = NULL;
	switch (end) {
	case CFW_END_ERROR:
		cfw_failure_take(a->p, L, co, &text, &trace);
		complain(a, "it failed", text, trace);
		break;
	case CFW_END_EXIT:
		complain(a, "it called os.exit", NULL, NULL); /* which raised its trigger */
		break;
	default:
		complain(a, "it was cut off", a->p->cut_text, a->p->cut_trace);
	}
	free(text);
	free(trace);
}

static int call_rule(lua_State *L)
{
	struct ask *a = lua_touserdata(L, 1);
	struct cfw_policy *p = a->p;
	int nres, ref;
	lua_rawgeti(L, LUA_REGISTRYINDEX, a->rule.ref);
	if (!lua_isfunction(L, -1)) {
		take_answer(a, L);
		return 0;
	}
	push_table(L, a);
	lua_State *co = cfw_thread_get(p, L, &ref);
	lua_xmove(L, co, 2);
	uint64_t limit = p->config.hook_cpu_limit_ns;
	struct cfw_budget budget = {a->rule.fallback ? limit : cfw_time_min(limit, a->left_ns), limit, "hook_cpu_limit", false};
	p->guard.spent_ns = 0;
	enum cfw_end end = cfw_guard_run(p, co, 1, &budget, &nres);
	a->left_ns =
		cfw_time_left(cfw_time_min(p->guard.spent_ns, limit), a->left_ns); /* a slow machine is no fault of the next */
	if (end == CFW_END_OK && nres) {
		lua_pushvalue(co, -nres);
		lua_xmove(co, L, 1);
		take_answer(a, L);
	} else if (end != CFW_END_OK) {
		log_failure(a, L, co, end);
	}
	if (end == CFW_END_ERROR)
		cfw_guard_close(p, co);
	cfw_thread_put(p, co, ref, end == CFW_END_OK);
	return 0;
}

static bool matches(const struct cfw_rule *r, const struct ask *a)
{
	if (r->any)
		return true;
	if (r->kind != a->t->kind || (r->kind == CFW_T_SIGNAL && r->signo != a->t->signo))
		return false;
	return r->kind != CFW_T_CUSTOM || (a->text && !strcmp(r->custom, a->text));
}

/* A rule that takes long is asked for a tenth of the time: who raises triggers by the hundred holds up nobody (S4.12). */
static bool may_be_asked(struct cfw_rule *r, const struct cfw_policy *p)
{
	uint64_t now = cfw_policy_now(p), regained = (now - r->seen_ns) / 10;
	r->spent_ns = cfw_time_left(r->seen_ns ? regained : 0, r->spent_ns);
	r->seen_ns = now;
	return r->fallback || r->spent_ns < p->config.hook_cpu_limit_ns;
}

/* Rules of one level that are for every trigger, or that name this one: the newest first. */
static bool ask_rules(struct ask *a, bool fallback, bool any)
{
	struct cfw_policy *p = a->p;
	for (size_t i = p->rules_n; i-- && a->decision.what == CFW_D_NONE;) {
		a->rule = p->rules[i];
		if (a->rule.fallback != fallback || a->rule.any != any || !matches(&a->rule, a))
			continue;
		if (!a->left_ns && !fallback) {
			complain(a, "it was not asked: newer ones have used up their time", NULL, NULL);
			return false;
		}
		if (!may_be_asked(&p->rules[i], p)) {
			complain(a, "it was not asked: it has used up its time", NULL, NULL);
			continue;
		}
		p->guard.spent_ns = 0;
		char *text = NULL;
		if (cfw_guard_protect(p, call_rule, a, &text))
			complain(a, "it failed", text ? text : "not enough memory", NULL);
		free(text);
		p->rules[i].spent_ns += p->guard.spent_ns; /* a rule may add others, none goes */
	}
	return a->decision.what != CFW_D_NONE;
}

struct cfw_decision cfw_policy_ask(struct cfw_policy *p, const struct cfw_trigger *t, const char *text, const char *traceback)
{
	struct ask a = {.p = p, .t = t, .text = text, .traceback = traceback, .table_ref = LUA_NOREF};
	a.left_ns = cfw_time_add(p->config.hook_cpu_limit_ns, p->config.hook_cpu_limit_ns);
	a.name = t->kind == CFW_T_CUSTOM && text ? text : cfw_trigger_name(t->kind, t->signo);
	struct cfw_task *current = p->current;
	p->current = NULL;
	p->asking = true;
	bool decided = ask_rules(&a, false, false) || ask_rules(&a, false, true);
	if (!decided && p->ops->rule) {
		a.decision = p->ops->rule(p->ud, t, text);
		decided = a.decision.what != CFW_D_NONE;
	}
	if (!decided && (ask_rules(&a, true, false) || ask_rules(&a, true, true))) { /* no rule of the policy has an answer */
		struct cfw_decision d = cfw_decision_default(t);
		decided = d.what != a.decision.what || d.code != a.decision.code;
	}
	p->asking = false;
	p->current = current;
	luaL_unref(p->L, LUA_REGISTRYINDEX, a.table_ref);
	return decided ? a.decision : (struct cfw_decision){CFW_D_NONE, 0};
}

static int check_rule(lua_State *L, struct cfw_rule *r, const char *name)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct curfew_err err = {0};
	r->any = !strcmp(name, "*");
	if (r->any)
		return 0;
	if (!strncmp(name, "custom:", 7)) {
		r->kind = CFW_T_CUSTOM;
		if (!(r->custom = strdup(name)))
			return cfw_fail_with(L, "out of memory", "ENOMEM");
	} else if (cfw_trigger_parse(name, &r->kind, &r->signo)) {
		lua_pushfstring(L, "unknown trigger \"%s\"", name);
		return cfw_fail_with(L, lua_tostring(L, -1), "ENOENT");
	}
	/* the default policy makes no wish of its own: nohup's SIGHUP stays ignored (S2.2) */
	if (!r->fallback && p->ops->rule_added && p->ops->rule_added(p->ud, r->kind, r->signo, &err) < 0)
		return cfw_fail(L, &err);
	return 0;
}

static int l_rule(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	const char *name = luaL_checkstring(L, 1);
	const char *level = luaL_optstring(L, 3, "script");
	struct cfw_decision d;
	char where[128];
	if (lua_type(L, 2) != LUA_TFUNCTION && !cfw_decision_read(L, 2, &d))
		return cfw_raise(L, "on(\"%s\"): expected a function or a decision, got %s", name, luaL_typename(L, 2));
	lua_pushvalue(L, 2);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	struct cfw_rule r = {.ref = ref, .fallback = !strcmp(level, "default")};
	bool found = cfw_where(L, 1, where, sizeof where);
	int failed = cfw_grow(&cfw_alloc_std, &p->rules, &p->rules_cap, p->rules_n + 1, sizeof *p->rules)
			     ? cfw_fail_with(L, "out of memory", "ENOMEM")
			     : check_rule(L, &r, name);
	if (failed) {
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		free(r.custom);
		return failed;
	}
	r.where = strdup(found ? where : "the default policy");
	p->rules[p->rules_n++] = r;
	lua_pushboolean(L, 1);
	return 1;
}

void cfw_rules_free(struct cfw_policy *p)
{
	for (size_t i = 0; i < p->rules_n; i++) {
		luaL_unref(p->L, LUA_REGISTRYINDEX, p->rules[i].ref);
		free(p->rules[i].custom);
		free(p->rules[i].where);
	}
	cfw_free(&cfw_alloc_std, p->rules, p->rules_cap * sizeof *p->rules);
	p->rules = NULL;
	p->rules_n = p->rules_cap = 0;
}

static int l_trigger_names(lua_State *L)
{
	const char *const *names = cfw_trigger_names();
	lua_newtable(L);
	for (lua_Integer i = 0; names[i]; i++) {
		lua_pushstring(L, names[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

static int l_signal_number(lua_State *L)
{
	int signo = cfw_signal_number(luaL_checkstring(L, 1));
	if (signo > 0)
		lua_pushinteger(L, signo);
	else
		lua_pushnil(L);
	return 1;
}

static int l_trigger(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	const char *name = luaL_checkstring(L, 1);
	struct cfw_trigger t = {.code = cfw_check_code(L, 2, 0)};
	const char *custom = NULL;
	if (!strncmp(name, "custom:", 7)) {
		t.kind = CFW_T_CUSTOM;
		custom = name;
	} else if (cfw_trigger_parse(name, &t.kind, &t.signo)) {
		lua_pushfstring(L, "unknown trigger \"%s\"", name);
		return cfw_fail_with(L, lua_tostring(L, -1), "ENOENT");
	} else if (cfw_trigger_closed(t.kind)) { /* S10.1 */
		lua_pushfstring(L, "%s: %s", name, cfw_trigger_closed(t.kind));
		return cfw_fail_with(L, lua_tostring(L, -1), "EPERM");
	}
	if (p->ops->trigger(p->ud, &t, custom, NULL) < 0)
		return cfw_fail_with(L, "the trigger was refused", "EPERM");
	lua_pushboolean(L, 1);
	return 1;
}

void cfw_open_rules(lua_State *L)
{
	static const luaL_Reg funcs[] = {{"rule", l_rule},
					 {"trigger_names", l_trigger_names},
					 {"signal_number", l_signal_number},
					 {"trigger", l_trigger},
					 {NULL, NULL}};
	luaL_setfuncs(L, funcs, 0);
	cfw_open_decisions(L);
}
