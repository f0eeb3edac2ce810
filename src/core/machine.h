/* machine.h: what the files of the core share: the machine's state, and the functions that cross a file. Private to src/core.
 *
 * Shape of a feed: one event changes states; what follows from that for other servers goes through the ready list and is done in
 * cfw_core_settle, never by recursion from server to server. Actions wait in lists threaded through the things they are about, so
 * that queueing one needs no memory. */
#ifndef CFW_CORE_MACHINE_H
#define CFW_CORE_MACHINE_H

#include "base/alloc.h"
#include "base/slots.h"
#include "core/core.h"
#include "core/life.h"
#include "core/server.h"

struct curfew_err;

enum { CFW_COUNTED_SIGNALS = 128, CFW_COUNTED_CUSTOM = 64 };

/* A link in one of the action lists: things wait in the order of seq across all lists. */
struct cfw_wait {
	uint64_t seq;
	cfw_id next;
	bool queued;
};
struct cfw_waitlist {
	cfw_id head, tail;
};

enum { CFW_P_START = 1, CFW_P_STOP = 2, CFW_P_CUT = 4 }; /* actions that wait to be handed out for a server */

/* What a server becomes once its own stop is over. */
enum cfw_after { CFW_AFTER_DOWN, CFW_AFTER_START, CFW_AFTER_BACKOFF, CFW_AFTER_CLOSED, CFW_AFTER_FAILED };

struct cfw_server {
	char *name, *kind;
	uint64_t start_timeout_ns, stop_timeout_ns, backoff_ns;
	uint64_t since_ns, go_ns, up_ns, deadline_ns; /* deadline_ns: of the action that waits or of the timer that runs */
	struct cfw_wait wait;
	cfw_id id;
	uint32_t deps, dependants; /* first edge + 1 */
	cfw_id hooks[CFW_PHASES], last_hook[CFW_PHASES];
	cfw_id waiters;
	cfw_id cursor;     /* the hook of its phase that was begun last */
	cfw_id ready_next; /* in core->ready */
	cfw_id hash_next;
	cfw_id heir, ancestor; /* of one that has retired, and the way back */
	uint32_t attempt;
	uint32_t blockers; /* waiting: dependencies not started; held: dependants not at rest */
	uint32_t timer;    /* position + 1 in the heap */
	uint32_t restart_max, tries, restarts, closed_count;
	uint32_t pre_hooks, pre_ended, running; /* pre_stop hooks: all, of those ended; hooks of any phase that run */
	uint32_t fail_text;
	uint32_t questions;          /* open ones about it */
	cfw_id mark_next, mark_from; /* scratch of a walk over the graph */
	uint32_t mark;
	uint8_t state, restart, pending, after;
	uint8_t held_from; /* held or in pre_stop: its state before */
	uint8_t retire;    /* enum cfw_retire, once it has retired */
	bool expect_exit : 1;
	bool ready : 1;       /* in core->ready */
	bool active : 1;      /* counted in core->active: not at rest */
	bool alive : 1;       /* CFW_ACT_START was asked for and it is not known to be gone */
	bool owed : 1;        /* it had reached started and its stop is not over: S4.12 */
	bool was_started : 1; /* in this life it had reached started */
	bool stop_wanted : 1; /* is starting; to be stopped as soon as that is over */
	bool retry : 1;       /* its own restart policy is at work */
	bool unwind : 1;      /* what a failed start left is being taken down: no hooks */
	bool released : 1;    /* all that depended on it was at rest: its stop has begun */
	bool was_cut : 1;
	bool staged : 1; /* not there yet */
	bool fresh : 1;  /* committed, to be started by the swap */
	bool retired : 1;
	bool leaving : 1; /* retired, and told to stop */
	bool lone : 1;    /* held or in pre_stop for its own sake, not by the stop of all */
};

struct cfw_hook {
	char *name, *where;
	int64_t ref;
	uint64_t timeout_ns, since_ns, until_ns;
	struct cfw_wait wait;
	cfw_id id, server, next;
	uint32_t run, serial, call_run, cut_run; /* call_run, cut_run: actions that wait */
	uint32_t timer;
	uint8_t phase, mode;
	bool begun, running, staged;
};

struct cfw_edge { /* from starts after to */
	cfw_id from, to;
	uint32_t next_dep, next_dependant; /* index + 1 */
};

struct cfw_question {
	struct cfw_trigger trigger;
	struct cfw_wait wait;
	cfw_id waiter;
	uint32_t timer;
	bool asked; /* handed out */
};

enum cfw_want { CFW_W_UP, CFW_W_DOWN, CFW_W_START, CFW_W_STOP, CFW_W_TRIGGER };
struct cfw_waiter { /* somebody who waits for CFW_ACT_REPLY */
	struct cfw_wait wait;
	cfw_id next;
	uint32_t request, text;
	cfw_id culprit;
	uint8_t want, outcome, why;
};

struct cfw_due {
	uint64_t at_ns;
	cfw_id id;
	enum cfw_due_what { CFW_DUE_SERVER, CFW_DUE_HOOK, CFW_DUE_QUESTION } what;
};

/* How far a stop has come. Pre to post are the graceful road; an abort goes from wherever it is to hooks, then cut; the margin
 * goes straight to cut. */
enum cfw_stage { CFW_G_NONE, CFW_G_START, CFW_G_PRE, CFW_G_SERVERS, CFW_G_POST, CFW_G_HOOKS, CFW_G_CUT };

struct cfw_stop_run {
	bool running, cut, no_exit, errored, margin_passed, cut_waited;
	bool hurried;
	uint32_t newest;   /* the number of the last trigger that wanted it */
	bool start_broken; /* it came while not all was started */
	bool begun;        /* something was stopped, or died: there is no way back */
	bool cancelling;   /* no further hook begins; when those that run have ended, all is as before */
	int code_before;
	bool give_up; /* a failed start is the cause: what is starting is not brought to its end (S3.2) */
	enum cfw_mode mode;
	enum cfw_stage stage;
	struct cfw_trigger first;
	uint64_t began_ns, margin_ns, deadline_ns, limit_ns, margin_len_ns, cut_until_ns;
};

struct cfw_start_run {
	bool running;
	uint64_t deadline_ns;
	cfw_id culprit; /* the first that failed */
	uint32_t text;
	bool failed;
};

struct cfw_ring {
	struct cfw_journal_entry *e;
	size_t cap;
	size_t base;      /* e[0, base): the last stop, kept; e[base, cap): a ring */
	size_t head, len; /* of the ring, counted from base */
	size_t room_for;  /* entries that the registered servers and hooks may need in a stop */
	uint64_t seq, stop_seq, dropped_in_stop;
	size_t many_in_stop; /* of those that may come any number of times */
	bool in_stop;
};

struct cfw_core {
	struct cfw_alloc alloc;
	struct cfw_core_config config;
	uint64_t now_ns;
	enum cfw_life life;
	int code;
	bool ended; /* CFW_ACT_EXIT is out or queued */

	struct cfw_slots servers, hooks, questions, waiters;
	struct cfw_edge *edges;
	size_t edges_cap, edges_used;
	uint32_t edges_free; /* index + 1 */
	cfw_id *names;       /* buckets, a power of two */
	size_t names_cap;
	cfw_id global_hooks[CFW_PHASES], global_last[CFW_PHASES], global_cursor;
	uint32_t hook_serial, mark;

	struct cfw_due *heap;
	size_t heap_len, heap_cap;

	struct cfw_waitlist server_list, hook_list, question_list, reply_list;
	uint64_t wait_seq, lame_seq, unlame_seq, steered_seq, reload_seq;
	bool hurry_servers;
	bool exit_queued, exit_out, exit_kill;

	cfw_id ready_head, ready_tail;
	size_t active;        /* servers not at rest: what a stop has to wait for */
	size_t starting;      /* servers from waiting to post_start */
	size_t lively;        /* servers that are not down, failed or closed */
	size_t hooks_running; /* of any kind */
	size_t global_running;
	bool globals_begun;   /* a global hook was, in this life */
	size_t pre_owed;      /* pre_stop hooks, global or of servers that had reached started, not ended yet */
	size_t unwinding;     /* servers whose failed start is being taken down */
	size_t failures_open; /* start_failed questions */
	bool reload_waits;

	struct cfw_start_run start;
	struct cfw_stop_run stop;
	bool cut_elsewhere; /* CFW_EV_CUT came before the stop */
	cfw_id start_waiters, stop_waiters, reload_waiters, cancel_waiters;

	uint32_t triggers; /* raised so far */
	uint32_t counts[CFW_T_KINDS], signal_counts[CFW_COUNTED_SIGNALS], custom_counts[CFW_COUNTED_CUSTOM];
	uint64_t late;
	struct cfw_ring journal;
};

/* ---- registry.c, graph.c ---- */
struct cfw_server *cfw_server_get(const struct cfw_core *c, cfw_id id);
struct cfw_hook *cfw_hook_get(const struct cfw_core *c, cfw_id id);
enum cfw_walk { CFW_WALK_DEPS, CFW_WALK_DEPENDANTS, CFW_WALK_WAITING_DEPENDANTS };
/* Put first and all that the walk reaches from it into a list through mark_next, first at its head; good until the next walk. */
cfw_id cfw_graph_closure(struct cfw_core *c, cfw_id first, enum cfw_walk walk);
/* Set err to the cycle that an edge from -> to would close; 0 when it closes none. */
int cfw_graph_check(struct cfw_core *c, struct cfw_server *from, struct cfw_server *to, struct curfew_err *err);
int cfw_graph_add(struct cfw_core *c, struct cfw_server *from, struct cfw_server *to, struct curfew_err *err);
void cfw_graph_drop(struct cfw_core *c, struct cfw_server *s); /* its edges to what it depends on */
int cfw_graph_reserve(struct cfw_core *c, size_t n);
void cfw_graph_link(struct cfw_core *c, struct cfw_server *from, struct cfw_server *to); /* reserved, not there yet, no cycle */
void cfw_names_put(struct cfw_core *c, struct cfw_server *s);
void cfw_names_take(struct cfw_core *c, struct cfw_server *s);
void cfw_hook_link(struct cfw_core *c, struct cfw_hook *h); /* the last of its phase */
void cfw_hook_free(struct cfw_core *c, struct cfw_hook *h); /* linked nowhere */

/* ---- retire.c ---- */
void cfw_retire_swap(struct cfw_core *c);
/* Has the heir of a retired server come to where that may stop? Called from settle. */
void cfw_retire_check(struct cfw_core *c, struct cfw_server *s);
/* It stands in the way of its heir. */
static inline bool cfw_retire_blocks(const struct cfw_server *s)
{
	return s->retire == CFW_RETIRE_FIRST && s->active;
}

/* ---- due.c: the heap of limits ---- */
int cfw_due_reserve(struct cfw_core *c, size_t n);
void cfw_due_set(struct cfw_core *c, enum cfw_due_what what, cfw_id id, uint64_t at_ns); /* CFW_NEVER unsets */
bool cfw_due_pop(struct cfw_core *c, struct cfw_due *out);                               /* one that is due now */

/* ---- queue.c: actions ---- */
void cfw_queue_server(struct cfw_core *c, struct cfw_server *s, unsigned what);
void cfw_queue_hook(struct cfw_core *c, struct cfw_hook *h);
void cfw_queue_question(struct cfw_core *c, cfw_id id);
void cfw_queue_forget_question(struct cfw_core *c, cfw_id id); /* its limit passed before it was handed out */
void cfw_queue_reply(struct cfw_core *c, cfw_id waiter, enum cfw_outcome outcome, cfw_id culprit, uint32_t text);
void cfw_queue_drop_hooks(struct cfw_core *c);
void cfw_queue_forget_server(struct cfw_core *c, struct cfw_server *s); /* before it is removed */

/* ---- waiter.c ---- */
/* 0 when request is 0 (nobody waits), with *out 0; CURFEW_ENOMEM. */
int cfw_waiter_new(struct cfw_core *c, uint32_t request, enum cfw_want want, cfw_id *out);
void cfw_waiter_link(struct cfw_core *c, cfw_id *list, cfw_id waiter);
void cfw_waiter_want(struct cfw_core *c, cfw_id waiter, enum cfw_want want); /* it waits for something else now; 0 is fine */
void cfw_waiters_reply(struct cfw_core *c, cfw_id *list, enum cfw_outcome outcome, cfw_id culprit, uint32_t text);
/* Of a server: only those who want that. */
void cfw_waiters_reply_want(struct cfw_core *c, struct cfw_server *s, enum cfw_want want, enum cfw_outcome outcome);
void cfw_waiter_cancel(struct cfw_core *c, uint32_t request);
/* CFW_FAILED, for a reason that has a word; culprit: a server, or 0. */
void cfw_waiters_refuse(struct cfw_core *c, cfw_id *list, enum cfw_refusal why, cfw_id culprit);

/* ---- journal.c ---- */
int cfw_journal_init(struct cfw_core *c);
int cfw_journal_reserve(struct cfw_core *c, size_t n); /* n more entries may be needed */
void cfw_journal_put(struct cfw_core *c, const struct cfw_journal_entry *e);
void cfw_journal_stop_begins(struct cfw_core *c);
void cfw_journal_stop_ends(struct cfw_core *c);

/* ---- hooks.c ---- */
/* Begin the next hook of the phase that has not begun; false when there is none. */
bool cfw_hooks_next(struct cfw_core *c, struct cfw_server *s, enum cfw_phase phase); /* s NULL: the global ones */
bool cfw_hooks_left(struct cfw_core *c, struct cfw_server *s, enum cfw_phase phase); /* would it find one? */
/* All of a server's (or, s NULL, the global) pre_stop hooks that have not begun, at once. */
void cfw_hooks_all_pre_stop(struct cfw_core *c, struct cfw_server *s);
/* Cut what runs of a server (or global: s NULL), but for its pre_stop hooks. */
void cfw_hooks_cut(struct cfw_core *c, struct cfw_server *s, enum cfw_outcome outcome);
void cfw_hooks_reset(struct cfw_core *c, struct cfw_server *s); /* a new life: none has begun */
void cfw_hook_done(struct cfw_core *c, const struct cfw_event *ev);
void cfw_hook_due(struct cfw_core *c, cfw_id id);
/* The hooks of a server (or, s NULL, the global ones) that run are given up. How many. */
size_t cfw_hooks_skip(struct cfw_core *c, struct cfw_server *s);
void cfw_hooks_resume(struct cfw_core *c, struct cfw_server *s); /* in pre_stop: the next, where none runs */
uint64_t cfw_hook_bound(const struct cfw_core *c,
			const struct cfw_hook *h); /* when something else than its own limit cuts it */

/* ---- server.c ---- */
void cfw_server_set(struct cfw_core *c, struct cfw_server *s, enum cfw_server_state state);
void cfw_server_recount(struct cfw_core *c, struct cfw_server *s);
void cfw_server_ready(struct cfw_core *c, struct cfw_server *s); /* look at it again in cfw_core_settle */
void cfw_server_event(struct cfw_core *c, struct cfw_server *s, enum cfw_server_event event, const struct cfw_event *ev);
/* Nothing is left of it to stop: what a graceful stop does not wait for. */
bool cfw_server_at_rest(const struct cfw_server *s);
/* A stop that has become an abort, or has passed its margin: nothing graceful begins any more. */
static inline bool cfw_stop_is_short(const struct cfw_core *c)
{
	return c->stop.running && (c->stop.mode == CFW_ABORT || c->stop.margin_passed);
}

void cfw_server_cut(struct cfw_core *c, struct cfw_server *s); /* CFW_ACT_CUT, whatever runs */

/* ---- start.c ---- */
int cfw_start_all(struct cfw_core *c, const struct cfw_event *ev);
int cfw_start_one(struct cfw_core *c, const struct cfw_event *ev);
int cfw_stop_one(struct cfw_core *c, const struct cfw_event *ev);
int cfw_restart_one(struct cfw_core *c, const struct cfw_event *ev);
void cfw_start_check(struct cfw_core *c); /* is the start over? */
void cfw_start_failed_note(struct cfw_core *c, struct cfw_server *s);
void cfw_start_interrupt(struct cfw_core *c); /* a stop begins: who waited for the start is told */
/* A failed start is not to be had again: those that wait for it are taken back. */
void cfw_start_give_up_dependants(struct cfw_core *c, struct cfw_server *s);

/* The same for who waits already; a refusal, or CFW_R_NONE: then waiter is taken. */
enum cfw_refusal cfw_start_steered(struct cfw_core *c, const struct cfw_trigger *t, cfw_id waiter);

/* ---- steer.c ---- */
void cfw_steer(struct cfw_core *c, const struct cfw_trigger *t, cfw_id waiter); /* accepted: done, or refused by the state */
void cfw_stop_goes_on(struct cfw_core *c);   /* a stop that was to be cancelled is not any more */
void cfw_stop_cancelled(struct cfw_core *c); /* no hook runs any more */

/* ---- trigger.c, ask.c ---- */
int cfw_trigger_raise(struct cfw_core *c, const struct cfw_trigger *t); /* CURFEW_ENOMEM only with a .request */
void cfw_ask_answer(struct cfw_core *c, const struct cfw_event *ev);
void cfw_ask_due(struct cfw_core *c, cfw_id id);
int cfw_code_clamp(int code); /* S2.18 */

/* ---- stop.c ---- */
void cfw_stop_decided(struct cfw_core *c, const struct cfw_trigger *t, enum cfw_mode mode, int code, cfw_id waiter);
void cfw_stop_kill(struct cfw_core *c, const struct cfw_trigger *t, int code);
void cfw_stop_abort(struct cfw_core *c, int code);
void cfw_stop_advance(struct cfw_core *c);
void cfw_stop_due(struct cfw_core *c); /* margin, exit timeout, end of the wait for what was cut */
uint64_t cfw_stop_deadline(const struct cfw_core *c);
void cfw_stop_flaw(struct cfw_core *c); /* S4.11: a hook failed or a server died: at least 1 */
void cfw_code_raise(struct cfw_core *c, int code);
void cfw_stop_cut_elsewhere(struct cfw_core *c); /* CFW_EV_CUT */
int cfw_stop_extend(struct cfw_core *c, const struct cfw_event *ev);
/* The end moves to now + ns, where that is later; hook: who asks, or NULL. */
enum cfw_refusal cfw_stop_prolong(struct cfw_core *c, const struct cfw_hook *hook, uint64_t ns);

void cfw_life_event(struct cfw_core *c, enum cfw_life_event event);
void cfw_core_late(struct cfw_core *c, enum cfw_event_type type);

#endif
