/* core.h: the decisions. A pure machine: events in, actions out, time is an argument.
 *
 *   feed(core, now, event)   something happened
 *   next(core, &action)      what is to be done about it; call until it returns false
 *   deadline(core)           when it wants to be fed CFW_EV_TICK, at the latest
 *
 * No I/O, no clock, no Lua, no libevent. Events and actions are plain values that carry ids; an answer echoes the number of the
 * question (question, run, attempt), so a late or doubled answer is recognised, counted and ignored. Every question has a
 * deadline and a default, so that the core reaches its exit with policy dead or every server silent. The same events always
 * give the same actions. One thread; never fed from within itself (between next's return and the next call it may be fed).
 * All memory comes from the injected allocator. Once a stop has begun nothing more is allocated that could fail it: what a stop
 * needs (action queue, journal) is reserved at registration; a journal that is full drops and counts. */
#ifndef CFW_CORE_CORE_H
#define CFW_CORE_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slots.h"
#include "base/time.h"

struct cfw_alloc;
struct cfw_core;
struct curfew_err;

/* ---- words (S1) ------------------------------------------------------------------------------------------------------------ */

enum cfw_phase { CFW_PRE_START, CFW_POST_START, CFW_PRE_STOP, CFW_POST_STOP, CFW_PHASES };
enum cfw_mode { CFW_GRACEFUL, CFW_ABORT };

/* S2. A signal is one kind with its number; a host's own triggers are CFW_T_CUSTOM with a name id that the caller manages. */
enum cfw_trigger_kind {
	CFW_T_SIGNAL,
	CFW_T_EXIT,
	CFW_T_ERROR,
	CFW_T_REJECTION,
	CFW_T_CLOSED,
	CFW_T_IDLE,
	CFW_T_STOP,
	CFW_T_ABORT,
	CFW_T_RELOAD,
	CFW_T_CRASH,
	CFW_T_START_FAILED,
	CFW_T_STALL,
	CFW_T_HURRY, /* from here on: a stop that runs is steered, or one server is */
	CFW_T_EXTEND,
	CFW_T_SKIP,
	CFW_T_CANCEL,
	CFW_T_SERVER_START,
	CFW_T_SERVER_STOP,
	CFW_T_SERVER_RESTART, /* to here */
	CFW_T_CUSTOM,
	CFW_T_KINDS
};
static inline bool cfw_trigger_steers(enum cfw_trigger_kind kind)
{
	return kind >= CFW_T_HURRY && kind <= CFW_T_SERVER_RESTART;
}
/* CFW_T_ABORT: `curfew abort`, default abort(1). CFW_T_RELOAD: `curfew reload`, default reload. */

struct cfw_trigger {
	enum cfw_trigger_kind kind;
	int signo;        /* CFW_T_SIGNAL */
	uint32_t custom;  /* CFW_T_CUSTOM: the caller's number of its name, counted apart from others up to 63 (S2.13) */
	int code;         /* exit: the code asked for; closed: the server's exit code or -1; else 0 */
	int died_signo;   /* closed: the signal that ended the server, or 0 */
	cfw_id server;    /* closed, start_failed, what is about one server: whose; else 0. Skip: 0 is the global hooks */
	uint64_t ns;      /* extend: from when it is decided on */
	uint32_t text;    /* the caller's handle of an error text and traceback; 0 for none; only carried */
	uint32_t request; /* answered by CFW_ACT_REPLY when its decision was carried out; 0 for none */
	bool no_exit;     /* stop{ exit = false }: S3.4 */
	bool at_once;     /* cancel: answered when it is accepted, and not when it is done: who asks is what that waits for */
	uint32_t
		count; /* set by the core: S2.13, 1 at the first of its kind (signals: of its number; closed: of that server) */
	uint32_t number; /* set by the core: of all triggers, in the order in which they were raised */
	/* When it happened, for one that is told late (a signal while the loop was blocked): the exit timeout runs from there. 0, or a
	 * time to come: when it is fed. Set by the core in what it hands out. */
	uint64_t at_ns;
};

/* "SIGTERM", "exit", "start_failed", …; "custom" for CFW_T_CUSTOM. Static storage. */
const char *cfw_trigger_name(enum cfw_trigger_kind kind, int signo);
/* Kind and signo of a name, NULL-safe. 0, or CURFEW_ENOENT. Names of signals as cfw_signal_number takes them. */
int cfw_trigger_parse(const char *name, enum cfw_trigger_kind *kind, int *signo);
/* NULL: anybody may raise it by its name. Else why not, as a half sentence: what only curfew may tell of (S10.1), what says more than
 * its name. */
const char *cfw_trigger_closed(enum cfw_trigger_kind kind);
/* Every name but the signals', NULL-terminated: for "did you mean". */
const char *const *cfw_trigger_names(void);

enum cfw_decision_what {
	CFW_D_NONE, /* policy has no answer: the core's default is taken */
	CFW_D_GRACEFUL,
	CFW_D_ABORT,
	CFW_D_KILL,
	CFW_D_RELOAD,
	CFW_D_RESTART,
	CFW_D_IGNORE,
	CFW_D_ACCEPT, /* it is done as asked: the default of what steers, and an answer to nothing else */
	CFW_DECISIONS
};
struct cfw_decision {
	enum cfw_decision_what what;
	int code; /* 0-255 with graceful, abort, kill */
};
const char *cfw_decision_name(enum cfw_decision_what what);
/* The default of S2 for a trigger. The policy's own default in Lua says the same; a test compares them. */
struct cfw_decision cfw_decision_default(const struct cfw_trigger *t);
/* S2.12: may this trigger be answered so? One const table. */
bool cfw_decision_allowed(enum cfw_trigger_kind kind, enum cfw_decision_what what);

/* ---- configuration --------------------------------------------------------------------------------------------------------- */

struct cfw_core_config {
	uint64_t exit_timeout_ns; /* 5 s */
	uint64_t
		max_exit_timeout_ns; /* 60 s: how far CFW_EV_EXTEND may move the end, counted from the first stopping trigger */
	uint64_t stop_margin_ns;     /* 500 ms; used is at most a quarter of exit_timeout */
	uint64_t start_timeout_ns;   /* 30 s, for all servers to be ready */
	uint64_t ask_timeout_ns;     /* 1 s: a question without an answer takes the default */
	uint64_t cut_wait_ns;        /* 100 ms: how long an abort waits for servers that were cut (S4.2) */
};
void cfw_core_config_default(struct cfw_core_config *c);

/* NULL when out of memory. alloc and config are copied. */
struct cfw_core *cfw_core_new(const struct cfw_alloc *alloc, const struct cfw_core_config *config);
void cfw_core_free(struct cfw_core *core);
/* Changes hold from the next start or stop on; a stop that runs keeps its deadline. */
void cfw_core_configure(struct cfw_core *core, const struct cfw_core_config *config);
const struct cfw_core_config *cfw_core_config_get(const struct cfw_core *core);

/* ---- registry -------------------------------------------------------------------------------------------------------------- */

struct cfw_server_opts {
	const char *name;          /* copied; unique, not empty */
	const char *kind;          /* copied; for the journal's readers */
	uint64_t start_timeout_ns; /* CFW_NEVER: the manager's start_timeout alone */
	uint64_t stop_timeout_ns;  /* from CFW_ACT_STOP to CFW_ACT_CUT; CFW_NEVER: the margin alone */
	enum { CFW_RESTART_NEVER, CFW_RESTART_FAILURE, CFW_RESTART_ALWAYS } restart; /* before the closed trigger; S2.7 */
	uint32_t restart_max; /* consecutive tries, then the trigger; 0: no limit */
	uint64_t
		backoff_ns; /* first wait; doubles per consecutive try up to 30 s; a server that stayed up for 10 s starts anew */
	bool expect_exit;   /* its end by itself with code 0 is no closed trigger */
	bool staged;        /* for a reload that is under way: nobody sees it before cfw_core_server_commit */
};

/* All of these: 0 and err on failure. Names are checked here: CURFEW_EEXIST, CURFEW_ENOENT, CURFEW_ECYCLE (the text prints
 * "a -> b -> a"). Servers and hooks may be added in every state but not once a stop has begun (CURFEW_ESTATE). A server that is
 * added after start is started by CFW_EV_SERVER_START or the next CFW_EV_START. */
cfw_id cfw_core_server_add(struct cfw_core *core, const struct cfw_server_opts *opts, struct curfew_err *err);
/* Only when it is down (never started, stopped, failed), and nothing depends on it. 0 or a negative error. */
int cfw_core_server_remove(struct cfw_core *core, cfw_id server, struct curfew_err *err);
/* server starts after on is ready, and stops before on begins to stop. 0 or a negative error. */
int cfw_core_server_after(struct cfw_core *core, cfw_id server, cfw_id on, struct curfew_err *err);
cfw_id cfw_core_server_find(const struct cfw_core *core, const char *name); /* 0 when there is none */
cfw_id cfw_core_server_next(const struct cfw_core *core, cfw_id server);    /* iterate from 0; 0 at the end */

struct cfw_hook_opts {
	cfw_id server; /* 0: global; only pre_stop and post_stop */
	enum cfw_phase phase;
	const char *name;    /* copied; NULL: unnamed */
	const char *where;   /* copied; "policy.lua:12"; may be NULL */
	uint64_t timeout_ns; /* its own limit; CFW_NEVER: none */
	int64_t ref;         /* the caller's: which function; only carried */
	bool staged;         /* for a reload that is under way: it belongs to nobody before cfw_core_hook_commit */
};
cfw_id cfw_core_hook_add(struct cfw_core *core, const struct cfw_hook_opts *opts, struct curfew_err *err);

/* ---- reload (S7.2): between two feeds, nothing of it allocates or fails but where it says so. What was staged can be given up at
 * any time, also in a stop: cfw_core_server_remove, cfw_core_hook_discard. The order: reserve; retire those that go; for those
 * that stay forget_after, drop_hooks, options; commit the staged ones, and the hooks; link; then feed CFW_EV_SWAP. */

/* No server but retired ones is on its way up or down, no start and no stop runs: a swap is possible. *who: one that is in the way,
 * or 0. */
bool cfw_core_settled(const struct cfw_core *core, cfw_id *who);
int cfw_core_edges_reserve(struct cfw_core *core, size_t n); /* n calls of cfw_core_server_link will succeed; CURFEW_ENOMEM */
enum cfw_retire {
	CFW_RETIRE_NOW,   /* it stops */
	CFW_RETIRE_FIRST, /* it stops, and its heir does not start before it is at rest */
	CFW_RETIRE_AFTER, /* it stops once its heir has started, or will not any more */
};
/* It has left the policy: its name is free, it is never started again, it stops by itself (gracefully, with its hooks, which it
 * still owes in any stop that comes in between: S4.12); at rest, it is to be removed. Only what has retired, too, may depend on
 * it then. heir: who takes its place; 0 with CFW_RETIRE_NOW. */
void cfw_core_server_retire(struct cfw_core *core, cfw_id server, cfw_id heir, enum cfw_retire when);
void cfw_core_server_commit(struct cfw_core *core, cfw_id server); /* its name must be free by now; started by CFW_EV_SWAP */
void cfw_core_server_options(struct cfw_core *core, cfw_id server, const struct cfw_server_opts *opts); /* all but the names */
void cfw_core_server_forget_after(struct cfw_core *core, cfw_id server);
void cfw_core_server_link(struct cfw_core *core, cfw_id server, cfw_id on); /* known to close no cycle */
void cfw_core_drop_hooks(struct cfw_core *core, cfw_id server); /* all of them, none of which runs; 0: the global ones */
void cfw_core_hook_commit(struct cfw_core *core, cfw_id hook);
void cfw_core_hook_discard(struct cfw_core *core, cfw_id hook); /* one that is staged */

/* ---- reading --------------------------------------------------------------------------------------------------------------- */

/* S3. */
enum cfw_life {
	CFW_L_NEW,
	CFW_L_STARTING,
	CFW_L_STARTED,
	CFW_L_STOPPING,
	CFW_L_PRESTOPPED,
	CFW_L_STOPPED,
	CFW_L_START_ABORTED,
	CFW_L_ERRORED,
	CFW_L_TIMEOUT,
	CFW_LIVES
};
const char *cfw_life_name(enum cfw_life life); /* "new", "starting", "start_aborted", … */
enum cfw_life cfw_core_life(const struct cfw_core *core);

enum cfw_server_state {
	CFW_S_DOWN,       /* never started, or stopped */
	CFW_S_WAITING,    /* to start, as soon as what it depends on is ready */
	CFW_S_PRE_START,  /* its pre_start hooks run */
	CFW_S_STARTING,   /* CFW_ACT_START is out */
	CFW_S_POST_START, /* ready; its post_start hooks run; counts as started for S4.12 */
	CFW_S_STARTED,
	CFW_S_BACKOFF, /* closed, a restart is due */
	CFW_S_HELD,    /* a stop runs; waits until all that depend on it are done */
	CFW_S_PRE_STOP,
	CFW_S_STOPPING, /* CFW_ACT_STOP is out */
	CFW_S_CUTTING,  /* CFW_ACT_CUT is out */
	CFW_S_POST_STOP,
	CFW_S_CLOSED, /* ended by itself, the trigger was raised, nobody has restarted it */
	CFW_S_FAILED, /* its start failed */
	CFW_SERVER_STATES
};
const char *cfw_server_state_name(enum cfw_server_state state);

struct cfw_server_view {
	cfw_id id;
	const char *name, *kind; /* the core's; until the server is removed */
	enum cfw_server_state state;
	uint64_t since_ns;
	uint32_t restarts;
	bool started;    /* in this life it had reached started */
	bool prestopped; /* all its pre_stop hooks have been begun and ended */
	bool owed;       /* S4.12: it had reached started and its stop is not over */
	bool retired;    /* by a reload: it stops for good */
};
int cfw_core_server_view(const struct cfw_core *core, cfw_id server, struct cfw_server_view *out); /* 0 or CURFEW_ENOENT */

/* As it was registered; the strings are the core's. 0 or CURFEW_ENOENT. */
int cfw_core_server_opts(const struct cfw_core *core, cfw_id server, struct cfw_server_opts *out);
/* The i-th server that this one starts after, the newest first; 0 past the last. */
cfw_id cfw_core_server_on(const struct cfw_core *core, cfw_id server, size_t i);

struct cfw_hook_view {
	cfw_id id, server;
	enum cfw_phase phase;
	const char *name, *where;
	int64_t ref;
	uint32_t run; /* of the present life; 0: not begun */
	bool running;
	uint64_t since_ns, until_ns;
};
int cfw_core_hook_view(const struct cfw_core *core, cfw_id hook, struct cfw_hook_view *out);
int cfw_core_hook_opts(const struct cfw_core *core, cfw_id hook, struct cfw_hook_opts *out); /* as cfw_core_server_opts */
/* When a running hook will be cut, as things stand now: what ctx:remaining() counts to. 0 when run does not run. */
uint64_t cfw_core_run_until(const struct cfw_core *core, uint32_t run);
cfw_id cfw_core_run_hook(const struct cfw_core *core, uint32_t run); /* whose run it is; 0 when it does not run */
cfw_id cfw_core_hook_next(const struct cfw_core *core, cfw_id hook); /* iterate from 0 */

/* The stop that runs. Times are CFW_NEVER while none does. */
struct cfw_stop_view {
	bool running;
	enum cfw_mode mode;
	struct cfw_trigger first; /* the first cause (field: cause and code of the end are kept) */
	int code;                 /* so far, S4.3 */
	uint64_t began_ns, margin_ns, deadline_ns;
	bool cut; /* the margin or the exit timeout cut something: 255 */
	bool no_exit;
	bool hurried;    /* what waits by the clock from now on is brief */
	bool cancelling; /* it is taken back as soon as the hooks that run have ended */
	uint64_t seq;    /* of its first entry in the journal; 0: no stop ever began */
};
void cfw_core_stop_view(const struct cfw_core *core, struct cfw_stop_view *out);

/* True when no server is anything but down, failed or closed, no question is open and no hook runs: half of S2.8. */
bool cfw_core_quiet(const struct cfw_core *core);
/* Answers that came too late, twice or to nothing. */
uint64_t cfw_core_late_answers(const struct cfw_core *core);

/* ---- events ---------------------------------------------------------------------------------------------------------------- */

enum cfw_event_type {
	CFW_EV_TICK,                /* time has passed */
	CFW_EV_START,               /* start all servers that are down; .request is answered */
	CFW_EV_TRIGGER,             /* .trigger */
	CFW_EV_DECISION,            /* answers CFW_ACT_ASK: .question, .decision */
	CFW_EV_HOOK_DONE,           /* answers CFW_ACT_CALL: .run, .outcome, .code */
	CFW_EV_SERVER_STARTED,      /* answers CFW_ACT_START: .server, .attempt */
	CFW_EV_SERVER_START_FAILED, /* the same; .text for the reason */
	/* Answers CFW_ACT_STOP or CFW_ACT_CUT: .server, .attempt. .code, where it is not 0, is asked for as by a trigger (S4.3): so
	 * the end of the one command of `run -- COMMAND` decides (S2.15). */
	CFW_EV_SERVER_STOPPED,
	CFW_EV_SERVER_CLOSED, /* by itself: .server, .code, .signo, .text. During its own stop: died unasked (S4.11, S4.13) */
	CFW_EV_SERVER_START,  /* start one, with what it depends on: .server, .request */
	CFW_EV_SERVER_STOP,   /* stop one, what depends on it first: .server, .request */
	CFW_EV_SERVER_RESTART, /* stop and start one: .server, .request; those that depend on it are stopped before and started after */
	CFW_EV_EXTEND,         /* S4.6: .run (a running hook), .ns (from now); feed returns CURFEW_EREFUSED when refused */
	/* Something that the core does not know of, a script's own callback, was cut off at the margin: 255 (S4.11) if a stop runs, or
	 * with the next one. */
	CFW_EV_CUT,
	CFW_EV_SWAP, /* a reload is complete (see above): what is new starts, where the others are started; what has retired stops */
	CFW_EV_CANCEL_START, /* the script that waited for start() is gone: nothing changes, its request is dropped: .request */
	CFW_EVENTS
};

enum cfw_outcome {
	CFW_OK,
	CFW_FAILED,    /* raised an error, or was cut by its own or the CPU limit: S4.9 */
	CFW_CUT,       /* the margin or the exit timeout cut it: 255 */
	CFW_EXIT_CALL, /* hook ended by os.exit: 0 completes it, another code completes it and is S4.5; .code */
	CFW_OUTCOMES
};

/* Why something that steers was not done. */
enum cfw_refusal {
	CFW_R_NONE,
	CFW_R_RULE,       /* the policy answered ignore */
	CFW_R_NO_STOP,    /* there is no stop */
	CFW_R_STOPPING,   /* a stop runs: single servers are its own affair */
	CFW_R_ABORT,      /* an abort waits for nothing but hooks */
	CFW_R_MARGIN,     /* the graceful part is over */
	CFW_R_LIMIT,      /* it ends at max_exit_timeout already */
	CFW_R_BEGUN,      /* something was stopped already, or died */
	CFW_R_START,      /* the stop broke off a start, or nothing was started */
	CFW_R_NOTHING,    /* nothing of it is waited for at this moment */
	CFW_R_STOPPED_ON, /* a cancel: something came in between that stops after all */
	CFW_R_CANCELED,   /* a stop: it was taken back */
	CFW_R_NO_SERVER,  /* it is gone */
	CFW_R_UNDECIDED,  /* what becomes of it is being decided */
	CFW_REFUSALS
};
/* As a half sentence, such as "there is no stop"; static. */
const char *cfw_refusal_text(enum cfw_refusal why);

struct cfw_event {
	enum cfw_event_type type;
	struct cfw_trigger trigger;
	struct cfw_decision decision;
	uint32_t question, run, attempt, request, text;
	enum cfw_outcome outcome;
	cfw_id server;
	int code, signo;
	uint64_t ns;
};

/* 0; CURFEW_EREFUSED or CURFEW_ESTATE where the event asks for something that is not to be had now (nothing changed then; a
 * .request is not answered by an action in that case); late answers return 0 and are counted. */
int cfw_core_feed(struct cfw_core *core, uint64_t now_ns, const struct cfw_event *event);

/* ---- actions --------------------------------------------------------------------------------------------------------------- */

enum cfw_action_type {
	CFW_ACT_ASK,  /* ask policy: .question, .trigger; feed CFW_EV_DECISION */
	CFW_ACT_LAME, /* once a stop: the first stopping decision; readiness off, Connection: close (S9.1) */
	/* The stop is cancelled: the same taken back; no hook of it runs any more, and each of them may be begun again. */
	CFW_ACT_UNLAME,
	/* Hooks of the stop are told how it stands (struct cfw_stop_view: hurried, cancelling); where it is either, what they wait for by
	 * the clock is over. .hurry: servers that stop are to hurry as well. */
	CFW_ACT_STEERED,
	CFW_ACT_CALL, /* run a hook: .run .hook .server .phase .mode .deadline_ns; marked begun (S4.12); feed CFW_EV_HOOK_DONE */
	CFW_ACT_CUT_HOOK, /* end the hook's coroutine: .run; it passed its limit; its end is no longer waited for */
	CFW_ACT_START,    /* .server .attempt .deadline_ns; feed CFW_EV_SERVER_STARTED or _START_FAILED */
	CFW_ACT_STOP,     /* .server .attempt .deadline_ns: drain; feed CFW_EV_SERVER_STOPPED */
	CFW_ACT_CUT,      /* .server .attempt: end it at once with its whole tree, from any state; feed CFW_EV_SERVER_STOPPED */
	CFW_ACT_RELOAD,   /* decision reload: build the new policy; refused during a stop (S7.4) */
	CFW_ACT_REPLY,    /* .request .outcome .server (the culprit, or 0) .text .why: what somebody waited for is over */
	CFW_ACT_EXIT,     /* end the process: .code. The last action; .kill: without flushing anything (S4.14) */
	CFW_ACTIONS
};

struct cfw_action {
	enum cfw_action_type type;
	uint32_t question, run, attempt, request, text;
	cfw_id hook, server;
	enum cfw_phase phase;
	enum cfw_mode mode;
	enum cfw_outcome outcome;
	enum cfw_refusal why;
	struct cfw_trigger trigger;
	uint64_t deadline_ns;
	int code;
	bool kill, hurry;
};

bool cfw_core_next(struct cfw_core *core, struct cfw_action *action);
uint64_t cfw_core_deadline(const struct cfw_core *core); /* CFW_NEVER: nothing is due */

/* ---- journal --------------------------------------------------------------------------------------------------------------- */

/* Who waited for whom, from when to when, and why. Log lines, timeline, plan and status are views of it. Entries are added
 * in order, never changed. A ring: the oldest are dropped when it is full, except those of the last stop. */
enum cfw_journal_what {
	CFW_J_LIFE,    /* .a: the new enum cfw_life */
	CFW_J_SERVER,  /* .server, .a: the new enum cfw_server_state, .b: the old */
	CFW_J_TRIGGER, /* .trigger_kind .signo .a: count, .code */
	CFW_J_DECISION, /* .trigger_kind .signo .run: count, .a: enum cfw_decision_what, .code; .b: 1: the core's default; .ns: .request */
	CFW_J_REFUSED, /* a decision that its trigger does not allow (S2.12): as CFW_J_DECISION; or what steers, with .a CFW_D_ACCEPT and
			* .b enum cfw_refusal */
	CFW_J_STOP,   /* a stop began: .a mode, .ns deadline; or was turned into an abort: .b 1 */
	CFW_J_EXTEND, /* .hook (0: somebody outside), .ns: the new deadline */
	CFW_J_HURRY,
	CFW_J_SKIP,    /* .server (0: the global hooks), .hook (0: its start or drain): given up */
	CFW_J_CANCEL,  /* .a: 0: asked for; 1: the stop is over so, what was held serves again; 2: the stop goes on after all */
	CFW_J_MARGIN,  /* the margin has come; .a: servers not stopped */
	CFW_J_TIMEOUT, /* the exit timeout */
	CFW_J_HOOK_BEGIN,   /* .hook .server .run */
	CFW_J_HOOK_END,     /* .hook .server .run .a: enum cfw_outcome .b: 1 its own limit, 2 it was skipped */
	CFW_J_CLOSED,       /* .server .code .signo: ended unasked */
	CFW_J_BACKOFF,      /* .server .ns: when it is started again .a: which try */
	CFW_J_CUT,          /* .server: cut off; .b: 1: as an abort ends any, none of its hooks runs */
	CFW_J_START_FAILED, /* .server .text; .ns: how long it had, when that passed; 0 else */
	CFW_J_LATE,         /* an answer to a question that is closed: .a: enum cfw_event_type */
	CFW_J_EXIT,         /* .code */
	CFW_JOURNAL_WHATS
};
struct cfw_journal_entry {
	uint64_t at_ns;
	uint64_t seq; /* 1, 2, 3, …; gaps where entries were dropped */
	enum cfw_journal_what what;
	enum cfw_trigger_kind trigger_kind;
	int signo, code;
	cfw_id server, hook;
	uint32_t run, a, b, text;
	uint64_t ns;
};
/* The first entry whose seq is at least seq, NULL when there is none (yet). Valid until the next feed. */
const struct cfw_journal_entry *cfw_core_journal(const struct cfw_core *core, uint64_t seq);
/* Make the journal of a core that was never fed these n entries, numbered from 1, with first as the cause of the last stop in them: so
 * that the views can show what another process has left. The core is for reading only from then on. 0 or CURFEW_ENOMEM. */
int cfw_core_restore(struct cfw_core *core, const struct cfw_journal_entry *entries, size_t n, const struct cfw_trigger *first);

#endif
