/* state.h: one policy: its Lua state and all that runs in it. Internal to the room. */
#ifndef CFW_POLICY_STATE_H
#define CFW_POLICY_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/slots.h"
#include "base/timers.h"
#include "policy/guard.h"
#include "policy/policy.h"

struct cfw_emit;
struct cfw_lua_server;
struct cfw_rejection;
struct cfw_rule;
struct cfw_task;
struct cfw_task_call;

enum { CFW_HOOK_BUCKETS = 512 }; /* a power of two */

/* Memory behind a userdata. Its __gc frees it; but Lua gives a finalizer up that finds no stack at the memory limit, so what is
 * left is freed with the policy. */
struct cfw_owned {
	struct cfw_owned *next, **prev;
	void (*free)(struct cfw_owned *o);
};

/* The functions that the Lua layer gave for calling a script's: c.on_call and the like. */
enum cfw_entry { CFW_ENTRY_HOOK, CFW_ENTRY_SERVER, CFW_ENTRY_SERVE, CFW_ENTRY_TRIGGER, CFW_ENTRIES };

struct cfw_queue {
	struct cfw_task *first, **end;
};

struct cfw_policy {
	const struct cfw_policy_ops *ops;
	void *ud;
	struct cfw_page *page;
	struct cfw_policy_config config;

	lua_State *L;
	uint64_t memory;      /* bytes Lua holds */
	int64_t slice_memory; /* what the slice that runs took of it, less what it gave back */
	bool lent;            /* the slice may pass the limit for a while */
	uint64_t collected;   /* memory after the last collection for want of it */
	bool unlimited;       /* while it is built and while it ends */
	bool ending;          /* lua_close runs: finalizers are not queued any more */
	bool hurried;         /* nothing is collected until either of: */
	uint64_t hurry_ns, hurry_memory;
	int entry[CFW_ENTRIES];
	lua_State *pool[64]; /* ended coroutines, to be used again */
	int pool_ref[64];
	size_t pool_n;

	struct cfw_guard guard;
	unsigned closing; /* <close> variables of a cut coroutine run */
	bool asking;      /* a rule runs */
	bool deactivated; /* S3.5 */
	struct cfw_alloc alloc;
	bool staged;    /* S7.1: what is begun at top level waits for the release */
	bool held_back; /* it was tried, and something that it wanted done was not */
	bool reloaded;  /* it has been staged: an error of its main script, however late, is no reason to stop what runs */
	bool let_go;    /* its scripts have ended, and only the state is left */
	int cycles;     /* of collection since then */
	bool retired;   /* S7.3: what is begun at top level never begins */
	unsigned tag;   /* in its tokens */
	int exit_code;  /* of the exit call that ended the last slice */
	lua_State *chain[CFW_CHAIN_MAX];
	size_t chain_n;
	char *cut_text, *cut_trace;

	struct cfw_task *current;
	struct cfw_task_call *hooks[CFW_HOOK_BUCKETS]; /* those of hooks, by the number of their run */
	struct cfw_slots tasks, timed, requests, subs; /* tasks: of struct cfw_task *; timed: of struct cfw_timed * */
	struct cfw_queue ready, urgent; /* urgent: the promises of a stop; by turns with the rest, however many those are */
	bool urgent_next;
	struct cfw_task *loads, **loads_end; /* main scripts that wait for their turn */
	bool loading;                        /* one of them runs */
	bool start_asked;                    /* S3.7: load_limit is over */
	size_t busy_tasks, timers_n, requests_n, finalizers_n;
	unsigned finalizers_batch; /* so many at once: fewer after one that took long */
	uint64_t finalizers_ns;    /* none before */
	struct cfw_timers timers;
	uint64_t step_no;
	bool stepping, released; /* released: some request is to be looked at again */
	struct cfw_rejection *rejections;
	struct cfw_emit *emits, **emits_end;
	bool listened; /* some script ever waited for an event */
	struct cfw_lua_server *servers;
	struct cfw_owned *owned;

	struct cfw_out {
		size_t dropped;      /* lines */
		uint64_t waited_ns;  /* of what may be waited in all */
		uint64_t checked_ns; /* when waited_ns was looked at last */
		bool stuck, told, torn;
	} out[2]; /* stdout, stderr */

	struct cfw_counts { /* of a server's requests, for its stats */
		cfw_id server;
		uint64_t errors, limits; /* ended by an uncaught error; those of them that a limit ended */
	} * counts;
	size_t counts_n, counts_cap;

	struct cfw_rule *rules; /* oldest first */
	size_t rules_n, rules_cap;
};

static inline bool cfw_policy_ready(const struct cfw_policy *p)
{
	return p->ready.first || p->urgent.first;
}

/* state.c */
int cfw_state_open(struct cfw_policy *p, struct curfew_err *err);
void cfw_state_close(struct cfw_policy *p);
bool cfw_state_has_modules(struct cfw_policy *p); /* in C: their objects have finalizers that we know nothing of */
const struct cfw_log *cfw_policy_log(const struct cfw_policy *p);
void cfw_policy_wake(struct cfw_policy *p);
uint64_t cfw_policy_now(const struct cfw_policy *p);
/* A coroutine, from the pool or new; *ref holds it. Raises, unless cfw_thread_reserve (which does) came before. Given back by
 * cfw_thread_put: clean when it ended well. */
void cfw_thread_reserve(struct cfw_policy *p, lua_State *L);
lua_State *cfw_thread_get(struct cfw_policy *p, lua_State *L, int *ref);
void cfw_thread_put(struct cfw_policy *p, lua_State *co, int ref, bool clean);

void cfw_own(struct cfw_policy *p, struct cfw_owned *o, void (*free)(struct cfw_owned *o));
void cfw_disown(struct cfw_owned *o); /* and free; NULL is fine */

/* libs.c: the globals of a script. finalize.c: __gc as tasks. coro.c: coroutine.* */
void cfw_open_libs(lua_State *L);
void cfw_open_sandbox(lua_State *L);   /* sandbox.c: after the libraries: what of them a script keeps that is not trusted */
void cfw_open_sandboxed(lua_State *L); /* its part of curfew.core */

/* tried.c */
void cfw_open_tried(lua_State *L);                 /* before the sandbox thins it out */
int cfw_hold_back(lua_State *L, const char *what); /* raises */
void cfw_open_finalizers(lua_State *L);
void cfw_finalizers_step(struct cfw_policy *p);
void cfw_finalizer_ran(struct cfw_policy *p, uint64_t spent_ns); /* one has run for so long, of CPU time */
void cfw_finalizers_end(struct cfw_policy *p);                   /* run what is left, within a bound */
void cfw_open_coroutine(lua_State *L);
void cfw_open_strings(lua_State *L); /* strings.c, tables.c: what could run for long in one call */
void cfw_open_tables(lua_State *L);
void cfw_open_output(lua_State *L);        /* output.c: print and io.write */
void cfw_output_end(struct cfw_policy *p); /* tell what was dropped */
/* In the registry: the globals that our modules see, and what their require has loaded. What a script does to its own globals, to
 * the libraries in them and to package, ours do not notice (S4.12). */
#define CFW_GLOBALS "curfew.globals"
#define CFW_MODULES "curfew.modules"
/* process.c: what ours require as curfew.core; a script that requires it gets a table of its own */
int cfw_open_core(lua_State *L);

/* The parts of curfew.core: each adds its functions to the table on the top, and its metatables to the registry. */
void cfw_open_await(lua_State *L);
void cfw_open_timers(lua_State *L);
void cfw_open_events(lua_State *L);
void cfw_open_registry(lua_State *L);
void cfw_open_calls(lua_State *L);
void cfw_open_rules(lua_State *L);
void cfw_open_process(lua_State *L);
void cfw_open_exchange(lua_State *L);
void cfw_open_kept(lua_State *L);
int cfw_l_exit(lua_State *L); /* os.exit and c.exit: upvalue 1 true for os.exit, with Lua's own as upvalue 2 */

#endif
