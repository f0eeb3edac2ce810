/* policy.h: what a trigger means, and the functions that hooks, handlers and rules are. The seam to Lua: no lua.h here.
 *
 * Policy decides nothing of its own and calls no room beside it: whatever a script asks for goes through struct cfw_policy_ops,
 * which curfew.c implements; the answers come back by token. Everything on the loop's thread. Ops never re-enter policy. */
#ifndef CFW_POLICY_POLICY_H
#define CFW_POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/kind.h"
#include "core/core.h"

struct cfw_policy;
struct cfw_value;
struct curfew_err;

/* A token is a waiting coroutine; 0 is none. */
typedef uint64_t cfw_token;

enum cfw_request {
	CFW_REQ_START, /* curfew.start() */
	CFW_REQ_STOP,  /* curfew.stop(), .stop{ exit = false }: flag */
	CFW_REQ_SERVER_START,
	CFW_REQ_SERVER_STOP,
	CFW_REQ_SERVER_RESTART,
	CFW_REQ_RELOAD,     /* curfew.reload called, not returned as a decision */
	CFW_REQ_DEACTIVATE, /* S3.5 */
};

struct cfw_policy_ops {
	uint64_t (*now_ns)(void *ud);
	const struct cfw_log *(*log)(void *ud);
	/* Something of policy is due (a task is ready, a timer moved): call cfw_policy_step soon. Idempotent. */
	void (*wake)(void *ud);

	/* Registry. def: map with kind, name, after (list of names or absent), start_timeout, stop_timeout, restart = { on, backoff, max },
	 * expect_exit, and what the kind itself understands. 0 and err on failure. def is copied. */
	cfw_id (*server_new)(void *ud, const struct cfw_value *def, struct curfew_err *err);
	int (*server_after)(void *ud, cfw_id server, cfw_id on, struct curfew_err *err);
	cfw_id (*server_find)(void *ud, const char *name);
	cfw_id (*hook_new)(void *ud, const struct cfw_hook_opts *opts, struct curfew_err *err);
	/* { name, kind, state, address, pid, stats = { … } }; NULL when the server is gone. The caller frees. */
	struct cfw_value *(*server_info)(void *ud, cfw_id server, bool with_stats);
	/* Already validated by the schema; times are integers of nanoseconds. */
	int (*configure)(void *ud, const struct cfw_value *conf, struct curfew_err *err);
	/* A rule was set for this trigger (a signal may have to be caught for it). */
	int (*rule_added)(void *ud, enum cfw_trigger_kind kind, int signo, struct curfew_err *err);

	/* Queued for the core. text and traceback belong to an error or rejection trigger (copied); for CFW_T_CUSTOM text is its whole
	 * name, "custom:deploy". */
	int (*trigger)(void *ud, const struct cfw_trigger *t, const char *text, const char *traceback);
	/* Answer the token when it is over: nil and an error where it failed. Token 0: nobody waits. */
	int (*request)(void *ud, cfw_token token, enum cfw_request what, cfw_id server, bool flag, struct curfew_err *err);
	int (*service)(void *ud, cfw_token token, const char *name, const struct cfw_value *args, struct curfew_err *err);
	/* The same, of a policy that is staged: begun, and failures answered, once it is released. NULL: no policy ever is. */
	int (*service_later)(void *ud, cfw_token token, const char *name, const struct cfw_value *args, struct curfew_err *err);
	void (*cancel)(void *ud, cfw_token token);                                  /* of a service or a request */
	int (*extend)(void *ud, uint32_t run, uint64_t ns, struct curfew_err *err); /* S4.6 */
	/* A trigger that steers. As request. NULL: refused. */
	int (*steer)(void *ud, cfw_token token, const struct cfw_trigger *t, struct curfew_err *err);
	uint64_t (*hook_until)(void *ud,
			       uint32_t run); /* when a running hook will be cut, as things stand; 0 when it does not run */
	/* The stop that runs: its mode, its first cause with text and traceback (NULL where there is none). False when none runs. */
	bool (*stop_cause)(void *ud, enum cfw_mode *mode, struct cfw_trigger *t, const char **text, const char **traceback);
	uint64_t (*start_until)(void *ud, cfw_id server); /* when the start of this server, which runs, is given up */
	void (*cut)(void *ud); /* Lua that was no hook was cut off at the margin: 255 (S4.11). Queued */
	/* A pre_stop hook is about to begin: its first instruction comes next (S4.12). May be NULL. */
	void (*hook_begins)(void *ud, uint32_t run);
	/* The text of a file of Lua that a script loads: key is "module:NAME" or "file:PATH". Kept is what was loaded; found, where a
	 * policy runs again after a crash, is what was kept: the file is not read again then. Both may be NULL. */
	void (*keep_source)(void *ud, const char *key, const char *path, const char *src, size_t n);
	const char *(*find_source)(void *ud, const char *key, const char **path, size_t *n);
	/* A rule of the program's own, where no script's has an answer, before the defaults. May be NULL. */
	struct cfw_decision (*rule)(void *ud, const struct cfw_trigger *t, const char *text);
	/* One is read from there next: whoever looks at it now and sees another later has missed nothing. May be NULL. */
	void (*on_source)(void *ud, const char *path);
	/* Open such a file for reading: a descriptor, or -1 with errno. NULL: open(2) itself. */
	int (*open_source)(void *ud, const char *path, bool module);
	/* A hook's coroutine has ended. traceback may be NULL. Queued. */
	void (*hook_done)(void *ud, uint32_t run, enum cfw_outcome outcome, int code, const char *text, const char *traceback);
	/* The main script (of that load) has ended; err NULL when well. Queued. */
	void (*loaded)(void *ud, const struct curfew_err *err);
	bool (*leader)(void *ud);      /* of those that run this policy side by side: is this the one? NULL: yes */
	const char *(*life)(void *ud); /* curfew.state */
	const char *(*socket)(void *ud, const char *key); /* reserved for the control API; may return NULL */
};

struct cfw_policy_config {
	const struct cfw_alloc *alloc; /* of the Lua state, for its whole life; NULL: the C library's */
	uint64_t memory_limit;         /* bytes of the Lua state, 64 MB */
	uint64_t hook_cpu_limit_ns;    /* 100 ms of the thread's CPU between two yields */
	uint64_t request_cpu_limit_ns; /* 1 s, of all that ever runs for one request (S6.5); CFW_NEVER: none */
	uint64_t load_limit_ns;        /* 5 s of CPU for the main script until its first start (S3.7) */
	bool strict;                   /* S6.4 */
	/* S10.4: the state has an allow-list of the library, and what else of this map (cfw_options.sandbox) is its to keep: env,
	 * modules, read. NULL: it is trusted. Looked at when the state is made. */
	const struct cfw_value *sandbox;
	char *const *args; /* the global arg of the scripts, from arg[0] on, NULL-terminated; NULL: there is none */
	/* S8.2: after a crash. What the main script spawns begins only when it is awaited, its timers never fire, operations with a
	 * callback are not begun; hooks and what they begin are as ever. */
	bool afterlife;
	/* S7.1: it is staged to be thrown away. What its main script does to files and by commands is an error. Looked at when the state
	 * is made. */
	bool tried;
};
void cfw_policy_config_default(struct cfw_policy_config *c);

/* ops and page must outlive it. page: margin_ns is read to cut running Lua off (S4.7). NULL and err on failure. */
struct cfw_policy *cfw_policy_new(const struct cfw_policy_ops *ops, void *ud, struct cfw_page *page,
				  const struct cfw_policy_config *config, struct curfew_err *err);
/* Cancels every coroutine, closes handles, closes the state last. Not from within an op. */
void cfw_policy_free(struct cfw_policy *p);
/* The process ends: coroutines are cancelled and finalizers run as by cfw_policy_free. True when all that it would do besides is
 * to return memory: then the kernel may do that. False: a module in C was loaded, and closing the state is its end too. */
bool cfw_policy_leave(struct cfw_policy *p);
void cfw_policy_configure(struct cfw_policy *p, const struct cfw_policy_config *config);

/* ---- reload (S7): one policy is made beside another, takes its place, and the old one ends what it has begun. */

/* Its tokens carry this number, 0 to 255, by which their answers find their way. Before anything is loaded. */
void cfw_policy_tag(struct cfw_policy *p, unsigned tag);
static inline unsigned cfw_token_tag(cfw_token token)
{
	return token >> 24 & 255;
}
/* S7.1. Before anything is loaded: what its scripts begin at top level waits for cfw_policy_release, but for what they await; their
 * slices are short ones, one a step. */
void cfw_policy_stage(struct cfw_policy *p);
/* The error that its main script has where it waits for a command. */
#define CFW_STAGED_WAITS                                                                                                       \
	"a reload runs nothing before the new policy is in force, so its main script cannot wait for a command: give a "       \
	"callback, or begin it in curfew.spawn"
void cfw_policy_release(struct cfw_policy *p);
/* Its main script wanted something done that was not, as it is staged or tried: a failure after that says nothing. */
bool cfw_policy_held_back(const struct cfw_policy *p);
/* S7.3: timers, tasks and subscriptions that belong to no request, hook or server end here, and nothing of the kind begins any
 * more. The tasks that wait for one of these tokens may hear the answer; they end when they wait again. */
void cfw_policy_retire(struct cfw_policy *p, const cfw_token *spared, size_t n);
/* Why it is still needed: requests, running hooks, functions of servers; what these began. pinned: a server of kind "server" that
 * it started runs. */
enum { CFW_USE_WORK = 1, CFW_USE_SERVERS = 2 };
unsigned cfw_policy_use(const struct cfw_policy *p);
/* What still works in it fails: requests, hooks, functions of servers. How many. Its servers stay. */
size_t cfw_policy_cut(struct cfw_policy *p);
/* Before cfw_policy_free, of a policy that is not in use: its memory is given back in parts, a millisecond each. True: the rest is
 * little. Nothing else is asked of it from the first call on. */
bool cfw_policy_wither(struct cfw_policy *p);
/* Begin the next script that waits for one before it, though that has not ended: it waits for what a release begins. False when none
 * waits. */
bool cfw_policy_load_next(struct cfw_policy *p);
/* curfew.kept as plain values: a map, the caller's; NULL and err, which names the key, where something in it is not plain. */
struct cfw_value *cfw_policy_kept(struct cfw_policy *p, struct curfew_err *err);
int cfw_policy_keep(struct cfw_policy *p,
		    const struct cfw_value *kept);    /* set these keys of it; nil unsets. 0, CURFEW_ENOMEM */
size_t cfw_policy_memory(const struct cfw_policy *p); /* bytes that Lua holds */
size_t cfw_policy_tasks(const struct cfw_policy *p);  /* coroutines that have not ended */

/* Compile src and begin it as the main task; several loads run one after another in the same state. A compile error is
 * returned at once (file and line in err); the end of the run comes by ops->loaded. chunk: "policy.lua", as errors show it. */
int cfw_policy_load(struct cfw_policy *p, const char *chunk, const char *src, size_t n, struct curfew_err *err);

/* S2.11, S2.12: ask the rules; decides at once. CFW_D_NONE when all is silent or broken (what failed was logged). text and
 * traceback may be NULL; text is the whole name for CFW_T_CUSTOM. Includes the default policy written in Lua. */
struct cfw_decision cfw_policy_ask(struct cfw_policy *p, const struct cfw_trigger *t, const char *text, const char *traceback);

struct cfw_hook_call {
	uint32_t run;
	int64_t ref; /* as given to hook_new */
	cfw_id server;
	enum cfw_phase phase;
	enum cfw_mode mode;
	struct cfw_trigger trigger;   /* the cause of the stop; kind CFW_T_KINDS for start hooks */
	const char *text, *traceback; /* of that trigger; may be NULL; copied */
	uint64_t deadline_ns;         /* when it will be cut */
	uint64_t began_ns;            /* of the stop (or start): ctx.elapsed counts from it */
	const char *result;           /* post_stop: "stopped", "cut", "failed"; NULL else */
	const char *what;             /* for errors: "pre_stop of web (policy.lua:12)" */
	bool hurried;                 /* as by cfw_policy_steer, which came before it */
};
/* Begin the hook's coroutine; it runs in the next step. ops->hook_done follows, also when this fails. */
void cfw_policy_call(struct cfw_policy *p, const struct cfw_hook_call *call);
/* End its coroutine for good; no hook_done follows. A pre_stop hook that has not begun, begins first: until it waits (S4.12). */
void cfw_policy_call_cancel(struct cfw_policy *p, uint32_t run);
/* How the stop stands: ctx.hurried and ctx.cancelled of its hooks, and of functions that stop a server. Where it is either, what these
 * sleep for is over now, and later sleeps of theirs are brief. */
void cfw_policy_steer(struct cfw_policy *p, bool hurried, bool cancelled);

/* Answer a token: takes value. err: nil, message, name. Unknown tokens are ignored. Runs nothing; wakes. */
void cfw_policy_answer(struct cfw_policy *p, cfw_token token, struct cfw_value *value, const struct curfew_err *err);

/* A server's conversation, see base/exchange.h. */
int cfw_policy_serve(struct cfw_policy *p, cfw_id server, int64_t ref, struct cfw_exchange *x);
void cfw_policy_gone(struct cfw_policy *p, struct cfw_exchange *x);

/* A stop has begun: for a moment, and up to a bound, garbage is left alone. */
void cfw_policy_hurry(struct cfw_policy *p);
/* Run what is due: ready coroutines and timers. One slice of fairness: at most a batch of coroutines, then it asks to be woken. */
void cfw_policy_step(struct cfw_policy *p, uint64_t now_ns);
uint64_t cfw_policy_deadline(const struct cfw_policy *p); /* its next timer; 0 when something is ready now */
/* The process is being ended from within a call of ours (S5.3): whatever runs now will never go on, a hook among
 * it is done as by os.exit(code); others may be stepped. */
void cfw_policy_abandon_current(struct cfw_policy *p, int code);
/* S3.5: timers set so far are cancelled, and os.exit is Lua's own again. */
void cfw_policy_deactivate(struct cfw_policy *p);
/* Tasks, timers or requests are left (the other half of S2.8). Bare event subscriptions do not count. */
bool cfw_policy_busy(const struct cfw_policy *p);

/* Of a server's requests since the policy was loaded: ended by an uncaught error; those of them that a limit ended. */
void cfw_policy_request_counts(const struct cfw_policy *p, cfw_id server, uint64_t *errors, uint64_t *limits);
/* Tell curfew.wait(name) and curfew.subscribe(name, f). value may be NULL; not taken. */
void cfw_policy_emit(struct cfw_policy *p, const char *event, const struct cfw_value *value);

/* The kind "server": two or three Lua functions (start, stop, abort as refs in its definition). kind_ud is the policy. */
extern const struct cfw_kind cfw_policy_kind;

#endif
