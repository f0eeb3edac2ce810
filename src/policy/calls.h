/* calls.h: functions that the core asked for: hooks (calls.c) and those of the kind "server" (lua_server.c). */
#ifndef CFW_POLICY_CALLS_H
#define CFW_POLICY_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "policy/policy.h"
#include "policy/state.h"

struct cfw_lua_server {
	struct cfw_policy *p; /* NULL: the policy has gone before it */
	struct cfw_lua_server *next, **prev;
	const struct cfw_env *env;
	cfw_id id;
	int start, stop, abort; /* references; LUA_NOREF where there is none */
	uint32_t attempt;
	cfw_id task; /* what runs now */
	bool up;     /* start was called, and its end was not seen */
	/* S7.2: what took its place in the policy while it was up. The functions that started it stop it, for what they share is in
	 * the policy that they came from; it starts anew with these. NULL: none. */
	struct cfw_lua_server *next_life;
};

/* Behind the task of either. */
struct cfw_task_call {
	struct cfw_hook_call hook;          /* its strings are ours */
	struct cfw_task *task;              /* of a hook */
	struct cfw_task_call *next, **prev; /* in its bucket; prev NULL: in none */
	struct cfw_lua_server *server;
	enum { CALL_START, CALL_STOP, CALL_ABORT } which;
	uint64_t deadline_ns;
	uint32_t attempt;
	struct curfew_err *refused; /* start returned nil and a message: malloc */
	bool hurried, cancelled;    /* it was told so */
	bool over;                  /* it is not waited for any more, and ends with its first slice */
	bool late;                  /* it began when the stop's margin had come (S4.7) */
};

/* What both are given: a time in the table on the top, where there is one; how it stops. */
void cfw_call_set_seconds(lua_State *L, const char *key, uint64_t ns);
void cfw_call_set_mode(lua_State *L, enum cfw_mode mode);
/* The Lua layer's function for calling a script's, then the script's; or, where the layer gave none, the script's alone. Returns
 * how many stand before the arguments, less one. */
int cfw_call_push_entry(lua_State *L, struct cfw_policy *p, enum cfw_entry entry, int ref);

/* The task of a server's function has ended. */
void cfw_lua_server_end(struct cfw_task *t);

#endif
