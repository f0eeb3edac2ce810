#define _GNU_SOURCE
#include "policy/state.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/err.h"
#include "base/page.h"
#include "policy/task.h"

/* What would pass the limit fails, and Lua mostly collects and tries again. But where another holds more than who runs, the rest of the
 * slice may pass it by an eighth: the other one is ended right after it, unless a collection does (S6.5). */
static bool is_too_much(struct cfw_policy *p, size_t more)
{
	uint64_t limit = p->config.memory_limit, want = p->memory + more;
	if (p->unlimited || want <= limit)
		return false;
	if (!p->lent)
		p->lent = cfw_memory_may_lend(p);
	return !p->lent || want > limit + limit / 8;
}

/* lua_Alloc with the memory limit; without memory Lua raises. */
static void *allocate(void *ud, void *ptr, size_t old, size_t size)
{
	struct cfw_policy *p = ud;
	if (!ptr)
		old = 0; /* a type tag */
	if (!size) {
		p->alloc.fn(p->alloc.ud, ptr, old, 0);
		p->memory -= old;
		p->slice_memory -= (int64_t)old;
		return NULL;
	}
	if (size > old && is_too_much(p, size - old))
		return NULL;
	void *new = p->alloc.fn(p->alloc.ud, ptr, old, size);
	if (!new)
		return size <= old ? ptr : NULL; /* shrinking must not fail */
	p->memory += size - old;
	p->slice_memory += (int64_t)size - (int64_t)old;
	if (size > old && size - old >= CFW_LONG)
		cfw_guard_hurry(p);
	return new;
}

/* The last resort: Lua aborts after this. Every call that allocates runs protected, so it is our own mistake. */
static int panic(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	const char *msg = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "no message";
	cfw_log_at(cfw_policy_log(p), CFW_ERROR, "unprotected error in Lua: %s", msg);
	return 0;
}

static int open_all(lua_State *L)
{
	const struct cfw_policy *p = lua_touserdata(L, 1);
	cfw_open_libs(L);
	if (p->config.args) {
		lua_newtable(L);
		for (lua_Integer i = 0; p->config.args[i]; i++) {
			lua_pushstring(L, p->config.args[i]);
			lua_rawseti(L, -2, i);
		}
		lua_setglobal(L, "arg");
	}
	if (p->config.tried)
		cfw_open_tried(L);
	if (p->config.sandbox)
		cfw_open_sandbox(L);
	return 0;
}

int cfw_state_open(struct cfw_policy *p, struct curfew_err *err)
{
	p->unlimited = true;
	p->L = lua_newstate(allocate, p);
	if (!p->L)
		return cfw_err_set(err, CURFEW_ENOMEM, "no memory for a Lua state");
	uintptr_t self = (uintptr_t)p;
	memcpy(lua_getextraspace(p->L), &self, sizeof self);
	lua_atpanic(p->L, panic);
	char *text = NULL;
	int rc = cfw_guard_protect(p, open_all, p, &text);
	if (rc) {
		cfw_err_set(err, rc, "Lua's libraries cannot be opened: %s", text ? text : "?");
		free(text);
		cfw_state_close(p); /* half open, it is none that scripts could have an end in */
		return rc;
	}
	p->unlimited = false;
	return 0;
}

void cfw_state_close(struct cfw_policy *p)
{
	if (!p->L)
		return;
	p->unlimited = p->ending = true;
	lua_close(p->L);
	p->L = NULL;
	while (p->owned)
		cfw_disown(p->owned);
}

static int count_modules(lua_State *L)
{
	bool *has = lua_touserdata(L, 1);
	*has = lua_getfield(L, LUA_REGISTRYINDEX, "_CLIBS") != LUA_TTABLE || lua_rawlen(L, -1) > 0; /* Lua's own list */
	return 0;
}

bool cfw_state_has_modules(struct cfw_policy *p)
{
	bool has = true;
	return cfw_guard_protect(p, count_modules, &has, NULL) || has;
}

void cfw_own(struct cfw_policy *p, struct cfw_owned *o, void (*free)(struct cfw_owned *o))
{
	o->free = free;
	o->next = p->owned;
	o->prev = &p->owned;
	if (o->next)
		o->next->prev = &o->next;
	p->owned = o;
}

void cfw_disown(struct cfw_owned *o)
{
	if (!o)
		return;
	*o->prev = o->next;
	if (o->next)
		o->next->prev = o->prev;
	o->free(o);
}

const struct cfw_log *cfw_policy_log(const struct cfw_policy *p)
{
	return p->ops->log ? p->ops->log(p->ud) : NULL;
}

void cfw_policy_wake(struct cfw_policy *p)
{
	if (!p->stepping && p->ops->wake)
		p->ops->wake(p->ud);
}

uint64_t cfw_policy_now(const struct cfw_policy *p)
{
	return p->ops->now_ns(p->ud);
}

void cfw_thread_reserve(struct cfw_policy *p, lua_State *L)
{
	if (p->pool_n)
		return;
	lua_State *co = lua_newthread(L);
	cfw_tag(co, CFW_TAG_ROOT, true);
	p->pool_ref[0] = luaL_ref(L, LUA_REGISTRYINDEX);
	p->pool[p->pool_n++] = co;
}

lua_State *cfw_thread_get(struct cfw_policy *p, lua_State *L, int *ref)
{
	cfw_thread_reserve(p, L);
	*ref = p->pool_ref[--p->pool_n];
	return p->pool[p->pool_n];
}

void cfw_thread_put(struct cfw_policy *p, lua_State *co, int ref, bool clean)
{
	if (clean && lua_status(co) == LUA_OK && p->pool_n < sizeof p->pool / sizeof *p->pool) {
		lua_settop(co, 0);
		p->pool[p->pool_n] = co;
		p->pool_ref[p->pool_n++] = ref;
		return;
	}
	luaL_unref(p->L, LUA_REGISTRYINDEX, ref);
}
