/* events.c: curfew.wait(name), curfew.subscribe(name, f). What the instance emits is told in the next step. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/value.h"
#include "policy/failure.h"
#include "policy/state.h"
#include "policy/task.h"

#define META "curfew.subscription"

struct cfw_emit {
	struct cfw_emit *next;
	struct cfw_value *value;
	char name[];
};

struct sub {
	int fn_ref;
	char *name;
};

size_t cfw_sub_size(void)
{
	return sizeof(struct sub);
}

bool cfw_sub_function(struct cfw_policy *p, lua_State *L, cfw_id sub)
{
	struct sub *s = sub ? cfw_slots_get(&p->subs, sub) : NULL;
	if (s)
		lua_rawgeti(L, LUA_REGISTRYINDEX, s->fn_ref);
	return s;
}

static int l_subscribe(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	const char *name = luaL_checkstring(L, 1);
	void *item;
	if (lua_type(L, 2) != LUA_TFUNCTION)
		return cfw_raise(L, "subscribe: expected a function, got %s", luaL_typename(L, 2));
	cfw_id *handle = lua_newuserdatauv(L, sizeof *handle, 0);
	luaL_setmetatable(L, META);
	lua_pushvalue(L, 2);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	char *copy = strdup(name);
	*handle = copy ? cfw_slots_new(&p->subs, &item) : 0;
	if (!*handle) {
		free(copy);
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		return luaL_error(L, "not enough memory");
	}
	struct sub *s = item;
	s->fn_ref = ref;
	s->name = copy;
	p->listened = true;
	return 1;
}

static bool forget(struct cfw_policy *p, cfw_id id)
{
	struct sub *s = cfw_slots_get(&p->subs, id);
	if (!s)
		return false;
	luaL_unref(p->L, LUA_REGISTRYINDEX, s->fn_ref);
	free(s->name);
	cfw_slots_del(&p->subs, id);
	return true;
}

static int l_cancel(lua_State *L)
{
	lua_pushboolean(L, forget(cfw_policy_of(L), *(cfw_id *)luaL_checkudata(L, 1, META)));
	return 1;
}

static int l_wait_event(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	struct cfw_task *t = cfw_guard_may_wait(L);
	free(t->event);
	t->event = strdup(name);
	if (!t->event)
		return luaL_error(L, "not enough memory");
	t->p->listened = true;
	cfw_task_token(t, CFW_WAIT_EVENT);
	return cfw_guard_wait(L, 0, cfw_task_go_on);
}

void cfw_policy_emit(struct cfw_policy *p, const char *event, const struct cfw_value *value)
{
	struct cfw_emit *e = p->listened ? malloc(sizeof *e + strlen(event) + 1) : NULL;
	if (!e)
		return;
	e->next = NULL;
	e->value = value ? cfw_value_copy(value) : NULL;
	strcpy(e->name, event);
	*p->emits_end = e;
	p->emits_end = &e->next;
	cfw_policy_wake(p);
}

static void tell(struct cfw_policy *p, const struct cfw_emit *e)
{
	for (cfw_id id = 0; (id = cfw_slots_next(&p->tasks, id));) {
		struct cfw_task *t = cfw_task_get(p, id);
		if (t->state == CFW_TASK_WAITING && t->wait == CFW_WAIT_EVENT && !strcmp(t->event, e->name))
			cfw_task_answer(p, (cfw_token)id << 32 | t->turn, e->value ? cfw_value_copy(e->value) : NULL, NULL);
	}
	for (cfw_id id = 0; (id = cfw_slots_next(&p->subs, id));) {
		const struct sub *s = cfw_slots_get(&p->subs, id);
		struct cfw_task *t = strcmp(s->name, e->name) ? NULL : cfw_task_new(p, CFW_TASK_CALLBACK);
		if (!t)
			continue;
		t->sub = id;
		t->answer = e->value ? cfw_value_copy(e->value) : NULL;
		cfw_task_ready(t);
	}
}

void cfw_events_step(struct cfw_policy *p)
{
	while (p->emits) {
		struct cfw_emit *e = p->emits;
		p->emits = e->next;
		if (!p->emits)
			p->emits_end = &p->emits;
		tell(p, e);
		cfw_value_free(e->value);
		free(e);
	}
}

void cfw_events_free(struct cfw_policy *p)
{
	while (p->emits) {
		struct cfw_emit *e = p->emits;
		p->emits = e->next;
		cfw_value_free(e->value);
		free(e);
	}
	p->emits_end = &p->emits;
	cfw_id id;
	while ((id = cfw_slots_next(&p->subs, 0)))
		forget(p, id);
}

void cfw_open_events(lua_State *L)
{
	luaL_newmetatable(L, META);
	lua_newtable(L);
	lua_pushcfunction(L, l_cancel);
	lua_setfield(L, -2, "cancel");
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	lua_pushcfunction(L, l_wait_event);
	lua_setfield(L, -2, "wait_event");
	lua_pushcfunction(L, l_subscribe);
	lua_setfield(L, -2, "subscribe");
}
