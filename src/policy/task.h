/* task.h: one coroutine each: the main script, a hook, a handler, what a script spawned, a callback.
 *
 * A task is READY (in the queue), RUNNING, or WAITING under a token of its id and its turn; an answer to an older turn is late
 * and ignored. It belongs to the request and the hook of the task that began it (S6.1). */
#ifndef CFW_POLICY_TASK_H
#define CFW_POLICY_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timers.h"
#include "policy/guard.h"
#include "policy/policy.h"
#include "policy/state.h"

struct cfw_task;
struct cfw_task_call;

enum cfw_task_kind {
	CFW_TASK_MAIN,
	CFW_TASK_HOOK,
	CFW_TASK_HANDLER,  /* of a request */
	CFW_TASK_SPAWNED,  /* has a handle */
	CFW_TASK_CALLBACK, /* a timer's, a service's, an event's */
	CFW_TASK_SERVER,   /* start, stop or abort of the kind "server" */
	CFW_TASK_FINALIZER,
};
enum cfw_task_state { CFW_TASK_WAITING, CFW_TASK_READY, CFW_TASK_RUNNING, CFW_TASK_DONE };
enum cfw_wait {
	CFW_WAIT_NONE,
	CFW_WAIT_TIMER,
	CFW_WAIT_SERVICE, /* or a request: ops->cancel knows the token */
	CFW_WAIT_TASK,
	CFW_WAIT_EVENT,
	CFW_WAIT_EXCHANGE,
};

/* Behind the userdata that scripts hold: it outlives the task and keeps what came of it. */
struct cfw_task_handle {
	struct cfw_owned owned; /* first */
	cfw_id id;
	enum cfw_end end; /* CFW_END_WAIT while it runs; results are the user value */
	bool seen;        /* somebody awaited it: its failure is no rejection */
	char *text;       /* of its failure; malloc */
};

struct cfw_waiter {
	cfw_token token;
	int index; /* in the list of c.any; 0 for a plain await */
	struct cfw_waiter *next;
};

struct cfw_task {
	struct cfw_policy *p;
	struct cfw_task *next; /* in the ready queue */
	cfw_id id;
	enum cfw_task_kind kind;
	enum cfw_task_state state;
	enum cfw_wait wait;
	uint32_t turn;

	/* Push the function and its arguments on co: their number without the function, or -1: there is nothing to run. May raise.
	 * NULL: fn_ref with the answer's values. */
	int (*begin)(lua_State *L, struct cfw_task *t, lua_State *co);
	bool begun;
	bool held; /* spawned by one for which cfw_task_sleeps: begins when it is awaited, or with the release */
	lua_State *co;
	int co_ref, narg, fn_ref;
	lua_State **chain; /* coroutines of the script between co and the wait, innermost first */
	size_t chain_n;
	cfw_id timed, sub; /* of a callback: the timer or subscription that lends its function */
	uint64_t turns_ns; /* CPU time of the turns since it last waited */
	uint64_t load_spent_ns;
	bool limit;     /* its failure is one of a limit: CPU, memory or stack */
	int64_t memory; /* charged to it; what runs for a request is charged to that */

	struct cfw_timer timer;
	struct cfw_value *answer; /* what it waited for */
	struct curfew_err *err;   /* or its failure */
	int index;                /* or the index of what ended first, for c.any */
	char *event;

	cfw_id request;
	uint32_t run;
	struct cfw_lua_server *server; /* whose function it is, or began it; perhaps gone: only compared */
	struct cfw_task_handle *handle;
	int handle_ref;
	struct cfw_waiter *waiters;

	struct cfw_task_call *call; /* of a hook or a server's function; freed with the task */

	enum cfw_end end;
	char *text, *trace;
};

/* A new task, WAITING; owned by what p->current belongs to. NULL when out of memory. */
struct cfw_task *cfw_task_new(struct cfw_policy *p, enum cfw_task_kind kind);
struct cfw_task *cfw_task_get(const struct cfw_policy *p, cfw_id id);
void cfw_task_ready(struct cfw_task *t);
/* It belongs to no hook, request or server; t NULL: nor does what is begun with no task running. */
static inline bool cfw_task_is_top(const struct cfw_task *t)
{
	return !t || (!t->run && !t->request && !t->server);
}
/* What t, which runs, begins now does not begin by itself: after a crash what belongs to no hook, around a reload what belongs to
 * nobody. */
static inline bool cfw_task_sleeps(const struct cfw_policy *p, const struct cfw_task *t)
{
	return (p->config.afterlife && !(t && t->run)) || ((p->staged || p->retired) && cfw_task_is_top(t));
}
/* Somebody awaits it. */
void cfw_task_unhold(struct cfw_task *t);
/* What its next slice may use; the main script has load_limit until its first start (S3.7). */
struct cfw_budget cfw_task_budget(const struct cfw_task *t);
/* Run one slice, and what follows from its end. */
void cfw_task_run(struct cfw_task *t);
/* End it for good, from outside: what it waits for is cancelled, its <close> variables run. silent: nothing follows but what
 * cleans up. */
void cfw_task_cancel(struct cfw_task *t, bool silent);
/* End it as by the exit call of a task that it awaits (S5.1). */
void cfw_task_leave(struct cfw_task *t);
/* End it as failed, with the text that was set. */
void cfw_task_fail(struct cfw_task *t);

/* The running task begins to wait: its token. Then start what answers, then return cfw_task_wait(L, k). */
cfw_token cfw_task_token(struct cfw_task *t, enum cfw_wait wait);
/* The start failed: it runs on. */
void cfw_task_nowait(struct cfw_task *t);
/* An answer: true when the token was still waited on. value is taken in every case; err is copied. */
bool cfw_task_answer(struct cfw_policy *p, cfw_token token, struct cfw_value *value, const struct curfew_err *err);
/* Within a continuation: push what came: the value, or nil, message, name. Returns how many. */
int cfw_task_push_answer(lua_State *L, struct cfw_task *t);
/* The usual continuation of a wait. */
int cfw_task_go_on(lua_State *L, int status, lua_KContext ctx);

/* memory.c, S6.5: charge the slice that ended to t; when memory_limit is near, end what was charged most. */
void cfw_memory_charge(struct cfw_task *t);
void cfw_memory_relieve(struct cfw_policy *p);
/* Does another than who runs hold so much that it would be ended for it? */
bool cfw_memory_may_lend(struct cfw_policy *p);

/* finish.c: what a task's end means for whom it ran for; t is gone afterwards. */
void cfw_task_finish(struct cfw_task *t, bool silent);
void cfw_task_forget(struct cfw_task *t);  /* free it, and only that */
void cfw_task_discard(struct cfw_task *t); /* one that could not be made complete: gone without a trace */
/* await.c */
void cfw_task_tell_waiters(struct cfw_task *t);
void cfw_handle_end(struct cfw_task *t);
void cfw_rejections_step(struct cfw_policy *p);
void cfw_rejections_clear(struct cfw_policy *p);
/* timer.c, events.c: the function that a timer or subscription lends, pushed on L; false when it was cancelled. */
bool cfw_timer_function(struct cfw_policy *p, lua_State *L, cfw_id timed);
void cfw_timer_ended(struct cfw_policy *p, cfw_id timed);
bool cfw_sub_function(struct cfw_policy *p, lua_State *L, cfw_id sub);
size_t cfw_sub_size(void);                                 /* of an item of p->subs */
void cfw_timers_end(struct cfw_policy *p, cfw_id request); /* those of a request */
void cfw_timers_free(struct cfw_policy *p);
void cfw_timers_cancel_future(struct cfw_policy *p); /* all but those that are due already */
void cfw_timers_cancel_top(struct cfw_policy *p);    /* those that belong to no hook, request or server */
void cfw_timers_release(struct cfw_policy *p);       /* those that slept run from now on */
void cfw_events_step(struct cfw_policy *p);
void cfw_events_free(struct cfw_policy *p); /* subscriptions, and what was not told yet */
/* calls.c */
/* Look at the nres results on t->co of a server's function. */
void cfw_call_results(struct cfw_task *t, int nres);
void cfw_call_begins(const struct cfw_task *t);    /* of a hook: just before its first slice */
bool cfw_task_is_urgent(const struct cfw_task *t); /* a hook, or a function of a server */
bool cfw_call_is_over(const struct cfw_task *t);
cfw_id cfw_call_server(const struct cfw_task *t); /* of a hook or a server's function: whose; 0: a global hook */
/* After the margin it may go on: a call of the stop, or what a late one has begun. */
bool cfw_call_may_be_late(const struct cfw_task *t);
/* It works for a stop that is in a hurry, or is to be cancelled: it sleeps for a moment at most. */
bool cfw_call_hurries(const struct cfw_task *t);
void cfw_call_end(struct cfw_task *t);
bool cfw_call_is_abort(const struct cfw_task *t);
/* The server whose hook or function t is, 0 for a global hook's and where it is neither. */
bool cfw_call_of(const struct cfw_task *t, cfw_id *server);
void cfw_call_free(struct cfw_task_call *call);
void cfw_servers_free(struct cfw_policy *p);
bool cfw_server_lives(const struct cfw_policy *p, const struct cfw_lua_server *s); /* s: perhaps gone */
bool cfw_servers_run(const struct cfw_policy *p);                                  /* one that its functions started runs */
/* rules.c */
void cfw_rules_free(struct cfw_policy *p);
/* policy.c: the end of its scripts and of all but the state; once. */
void cfw_policy_let_go(struct cfw_policy *p);

#endif
