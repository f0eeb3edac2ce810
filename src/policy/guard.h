/* guard.h: the only way into Lua. Every slice of a script runs under a budget of the thread's CPU time, is cut at the margin
 * (S4.7) and can be left for good (S5.2).
 *
 * A dead slice (CPU, MARGIN, EXIT, CANCELED) executes not one more instruction of a script: where the running coroutine may
 * yield it yields and is never resumed, nor is any on the chain that led to it; elsewhere (sort, gsub, __tostring, __close) an
 * error is raised again at every instruction until a coroutine is reached that may yield. */
#ifndef CFW_POLICY_GUARD_H
#define CFW_POLICY_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct cfw_buf;
struct cfw_policy;
struct cfw_task;

enum cfw_end {
	CFW_END_OK,
	CFW_END_WAIT,  /* it waits: to be resumed */
	CFW_END_ERROR, /* raised: the error object is on the coroutine's top, its stack is intact */
	CFW_END_CPU,   /* from here on: dead; p->cut_text and p->cut_trace say where */
	CFW_END_MARGIN,
	CFW_END_EXIT,
	CFW_END_CANCELED,
};

/* A string or block of this size is work worth a look at the budget. */
enum { CFW_LONG = 64 << 10 };
enum { CFW_CHAIN_MAX = 200 }; /* nested coroutines: Lua's own limit of C calls comes first */

/* Marks in a thread's extra space, beside the policy's address. */
enum { CFW_TAG_ROOT = 1, CFW_TAG_WAITING = 2, CFW_TAG_LEFT = 4, CFW_TAGS = 7 };

struct cfw_nest { /* a script's coroutine that runs now, on the C stack of who resumed it */
	lua_State *from, *co;
	struct cfw_nest *prev;
};

struct cfw_budget {
	uint64_t limit_ns; /* CPU time of this slice */
	uint64_t shown_ns; /* the whole of it, for the text */
	const char *name;  /* "hook_cpu_limit" */
	bool exact;        /* CPU time counts from its first instruction on, at the price of a look at it */
};

struct cfw_guard {
	enum cfw_end why;
	struct cfw_budget budget;
	uint64_t began_ns; /* monotonic */
	uint64_t cpu_ns;   /* the thread's CPU time at the first look, CFW_NEVER before */
	uint64_t spent_ns; /* CPU time between that and the end of the slice */
	int status;        /* Lua's own of the last slice */
	lua_State *root;   /* NULL: entered in a way that cannot wait */
	struct cfw_nest *nest;
	bool hurry; /* the next instruction looks at the budget */
};

struct cfw_policy *cfw_policy_of(lua_State *L);
unsigned cfw_tags(lua_State *L);
void cfw_tag(lua_State *L, unsigned tag, bool on);

/* Call fn(L) with one light userdata, nothing of a script in it but what it enters by cfw_guard_run. 0 or CURFEW_ENOMEM,
 * CURFEW_ELUA with the text in *text (malloc; may be NULL). */
int cfw_guard_protect(struct cfw_policy *p, lua_CFunction fn, void *ud, char **text);
/* The same in a state that has no policy. */
int cfw_guard_plain(lua_State *L, lua_CFunction fn, void *ud, char **text);
/* Resume co with narg values. Call it within cfw_guard_protect. nres: results on co's stack when CFW_END_OK. */
enum cfw_end cfw_guard_run(struct cfw_policy *p, lua_State *co, int narg, const struct cfw_budget *budget, int *nres);
/* lua_pcall of a function that a script may have had its hand in (__tostring); may not wait; a tenth of the usual budget. */
int cfw_guard_call(struct cfw_policy *p, lua_State *L, int narg, int nres);
/* Close a suspended or failed coroutine: runs its <close> variables, under a small budget. */
void cfw_guard_close(struct cfw_policy *p, lua_State *co);

/* For C functions that scripts call. */
/* Resume a script's own coroutine from L; as lua_resume. CFW_END_WAIT and the dead ones must be passed on by cfw_guard_pass. */
enum cfw_end cfw_guard_nested(lua_State *L, lua_State *co, int narg, int *nres);
int cfw_guard_pass(lua_State *L, enum cfw_end end, lua_KContext ctx, lua_KFunction k); /* return what it returns */
/* Yield to the loop through the whole chain; k continues. Only after cfw_guard_may_wait. */
int cfw_guard_wait(lua_State *L, lua_KContext ctx, lua_KFunction k);
/* The task that runs, if it can wait here; raises else. */
struct cfw_task *cfw_guard_may_wait(lua_State *L);
/* Leave for good. Return what it returns, if it does. */
int cfw_guard_leave(lua_State *L, enum cfw_end why);
bool cfw_guard_dead(const struct cfw_policy *p);
bool cfw_guard_cuts(const struct cfw_policy *p); /* the margin of a stop has come */
/* For C that may run long: returns, or leaves the slice for good when its budget is spent. */
void cfw_guard_check(lua_State *L);
void cfw_guard_hurry(struct cfw_policy *p); /* the same at the script's next instruction */
int cfw_l_xpcall(lua_State *L);

/* The traceback of co without the embedded modules' frames. */
void cfw_traceback(struct cfw_buf *b, lua_State *co);
/* "policy.lua:12" of the first frame from level on that is a script's; false when there is none. */
bool cfw_where(lua_State *co, int level, char *buf, size_t n);

#endif
