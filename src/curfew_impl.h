/* curfew_impl.h: struct curfew, shared by the files of this one room: curfew.c (life), curfew_loop.c, curfew_actions.c (what the core
 * decided is carried out), curfew_ops.c (what policy asks for), curfew_registry.c (servers, kinds, services), curfew_reload.c, where
 * a reload is explained, and others. */
#ifndef CFW_CURFEW_IMPL_H
#define CFW_CURFEW_IMPL_H

#include <stdatomic.h>

#include "base/page.h"
#include "base/timers.h"
#include "base/value.h"
#include "core/core.h"
#include "host/host.h"
#include "instance.h"
#include "policy/policy.h"

enum { CFW_TEXTS = 256, CFW_CUSTOMS = 63 };

/* One server: what the core knows by id is here by kind. */
struct cfw_entry {
	cfw_id id;
	const struct cfw_kind *kind;
	void *srv;
	struct cfw_value *def;
	const char *result;          /* of its stop: "stopped", "cut", "failed"; NULL while none */
	bool decides;                /* S2.15: its exit code is the result */
	uint64_t until_ns;           /* when its last start was to be given up */
	struct cfw_gen *gen;         /* whose functions its definition and its hooks are */
	struct cfw_value *first_def; /* where it is not def: srv's name stands in it */
	uint32_t mark;               /* in the page */
	bool host;                   /* made by curfew_server_add: no script's, so that no reload takes it out */
	bool stays;                  /* during a swap: the new policy has it, too */
	bool retired;                /* a reload has taken it out; it is freed when it is at rest */
};

/* One policy, from its build to the end of the last thing that it began. Its policy's ops have it as their ud. */
struct cfw_gen {
	struct curfew *c;
	struct cfw_policy *policy;
	uint32_t number;
	unsigned tag; /* in its tokens; no other that is there has it */
	struct cfw_policy_config config;
	struct cfw_stage *stage; /* while it is built */
	struct cfw_gen *older;
	uint64_t since_ns; /* built, in force, or replaced since */
	bool cut;          /* its time is over, and it was told */
	bool withering;    /* nothing of it is left but memory */
	bool refused;      /* it never was in force: what its last words ask for is not done */
	struct cfw_region region;
	uint32_t n_servers, n_hooks; /* registered so far: the next places in its region */
};

/* What was loaded, to be loaded again. */
struct cfw_load {
	char *name, *src; /* src NULL: a file */
	size_t n;
};

struct cfw_text {
	uint32_t handle;     /* 0: free */
	int code, sys_errno; /* of an error, as in struct curfew_err; 0 where they are not known */
	char *text, *traceback;
};

/* Somebody who waits for the core's CFW_ACT_REPLY: a script by its token, or whoever called the library by its function. */
struct cfw_waiter {
	uint32_t request;
	cfw_token token;
	curfew_answer_fn *fn;
	void *ud;
	/* AWAITS: it was decided on, and is under way. DECISION: what was decided is the answer */
	enum { CFW_ASKS, CFW_ASKS_RELOAD, CFW_AWAITS_RELOAD, CFW_ASKS_DECISION } what;
	uint32_t build; /* AWAITS_RELOAD: the build that begins after it was asked for */
};

struct curfew {
	struct cfw_options opt;
	struct curfew_loop loop;
	struct cfw_env env;
	struct cfw_log log; /* what every room is given */
	const struct cfw_log *host_log;
	struct cfw_timers timers;
	struct cfw_page *page;
	bool own_page;
	struct cfw_value *overrides;

	struct cfw_core *core;
	struct cfw_policy *policy; /* gen's */
	struct cfw_gen *gen;       /* in force; older ones behind it */
	struct cfw_stage *spent;   /* of a reload that is over: nothing but memory */
	struct cfw_gen *next;      /* being built */
	uint32_t generations;      /* numbers given out */
	uint32_t builds;           /* begun */
	bool reload_asked;
	struct cfw_trial *trial; /* a policy that is to be tried; NULL */
	struct cfw_load *loads;
	size_t nloads, loads_cap, nretired;
	uint32_t *hook_marks; /* by slot: in the page */
	size_t nhook_marks, hook_marks_cap;
	uint64_t reload_grace_ns;
	struct cfw_policy_config policy_config;
	struct cfw_host *host;

	struct {
		const struct cfw_kind *kind;
		void *ud;
	} * kinds;
	size_t nkinds, kinds_cap;
	struct cfw_service *services;
	size_t nservices, services_cap;
	struct cfw_running *running; /* services that a token waits for */
	size_t nrunning, running_cap;
	struct cfw_entry *servers; /* by slot of the id */
	size_t nservers, servers_cap;

	struct cfw_event *inbox; /* a queue: what has happened and was not fed yet */
	size_t inbox_at, inbox_n, inbox_cap;
	struct cfw_waiter *waiters;
	size_t nwaiters, waiters_cap;
	uint32_t requests; /* numbers given out */
	struct cfw_text texts[CFW_TEXTS];
	uint32_t ntexts;
	char *custom[CFW_CUSTOMS]; /* names of scripts' own triggers, by their number - 1 */
	size_t ncustom;

	const struct cfw_action *taken; /* from the core, and not carried out yet: what is told comes first. NULL: none */
	uint64_t journal_seen, noted;
	int wake_fd; /* eventfd of curfew_wake */
	struct curfew_watch *wake_watch;
	unsigned loading;       /* scripts that have not ended yet */
	uint32_t start_request; /* of curfew_start; 0 when not asked for */
	bool autostart, start_asked, stepping, ended, failed, deactivated;
	uint64_t ruled;          /* signals that a rule names, by bit */
	_Atomic int thread_exit; /* code that another thread asked for, + 1; 0: none */
	bool exit_inside;        /* S5.3: exit(3) in a callback is an abort, whatever policy says */
	bool idle_raised;        /* S2.8: not again before new activity */
	bool idle_off;           /* after stop{ exit = false }, until the next start */
	bool decided;            /* a signal was decided on since the last on_deadline */
	unsigned undecided;      /* signals handed in that are not decided on yet: S2.19 */
	uint64_t told_margin, told_deadline;
	int code;
	enum cfw_afterlife {
		CFW_ALIVE,
		CFW_AFTER_LOADING,
		CFW_AFTER_RAISED
	} after;                            /* S8.2: how far the abort after a crash is */
	uint64_t after_until_ns, after_seq; /* loading; journal of the trigger */
	struct cfw_log quiet;               /* the log of what runs a second time */
	bool owns_exit;                     /* exit(3) is its affair */
	struct cfw_own *own;                /* signals that are this instance's; NULL: none */
	struct cfw_embed *embed;            /* made by curfew_new: its own; NULL: by cfw_new */
};

struct cfw_running {
	cfw_token token;
	const struct cfw_service *service;
};

/* Queue an event for the core and see to it that the loop comes by. When memory is gone the event is lost, which is logged: the
 * core's own deadlines decide then. */
int cfw_inbox_open(struct curfew *c); /* before the first _put */
void cfw_inbox_put(struct curfew *c, const struct cfw_event *e);
/* curfew_load.c */
int cfw_put_trigger(struct curfew *c, struct cfw_trigger t);

void cfw_wake(struct curfew *c); /* have curfew_step called soon; on the loop's thread */
uint64_t cfw_now(const struct curfew *c);
/* Keep a text (and traceback, may be NULL) for the journal; its handle, 0 when there is none. */
uint32_t cfw_text_keep(struct curfew *c, const char *text, const char *traceback);
/* The same for an error, with its code. */
uint32_t cfw_text_keep_err(struct curfew *c, const struct curfew_err *err, const char *traceback);
void cfw_texts_clear(struct curfew *c);
const struct cfw_text *cfw_text_find(const struct curfew *c, uint32_t handle);

/* curfew_actions.c */
void cfw_carry_out(struct curfew *c, const struct cfw_action *a);
void cfw_finish(struct curfew *c, int code, bool kill); /* on_exit, once */

/* curfew_gen.c */
struct cfw_gen *cfw_gen_new(struct curfew *c, const struct cfw_policy_config *config, struct curfew_err *err);
void cfw_gen_free(struct cfw_gen *g);   /* NULL is fine */
void cfw_gen_refuse(struct cfw_gen *g); /* the one that is built: it is freed soon */
/* Whose the hooks and functions of a server are; 0: those of no server. */
bool cfw_gen_stops_servers(const struct curfew *c, const struct cfw_gen *g); /* some that a reload has retired */
struct cfw_gen *cfw_gen_of(const struct curfew *c, cfw_id server);
void cfw_gens_answer(struct curfew *c, cfw_token token, struct cfw_value *value, const struct curfew_err *err);
void cfw_gens_gone(struct curfew *c, struct cfw_exchange *x);
void cfw_gens_step(struct curfew *c);               /* what is due in those that are not in force; and end what is over */
uint64_t cfw_gens_deadline(const struct curfew *c); /* of all of them */
bool cfw_gens_busy(const struct curfew *c);
void cfw_gens_limit(struct curfew *c); /* field.md 21: no more than a few old ones */

/* curfew_stage.c: what a policy that is being built registers. */
struct cfw_stage *cfw_stage_new(struct curfew *c);
void cfw_stage_free(struct curfew *c, struct cfw_stage *st);                     /* what is still staged is given up */
void cfw_stage_fail(struct cfw_gen *g, const char *text, const char *traceback); /* the first reason counts */
void cfw_stage_loaded(struct cfw_gen *g, const struct curfew_err *err);          /* one of its scripts has ended */
cfw_id cfw_stage_server(struct cfw_gen *g, const struct cfw_value *def, struct curfew_err *err);
int cfw_stage_after(struct cfw_gen *g, cfw_id server, cfw_id on, struct curfew_err *err);
cfw_id cfw_stage_find(struct cfw_gen *g, const char *name);
struct cfw_value *cfw_stage_info(const struct cfw_gen *g, cfw_id server);
cfw_id cfw_stage_hook(struct cfw_gen *g, const struct cfw_hook_opts *opts, struct curfew_err *err);
int cfw_stage_configure(struct cfw_gen *g, const struct cfw_value *conf, struct curfew_err *err);
void cfw_stage_ruled(struct cfw_gen *g, int signo);
int cfw_stage_trigger(struct cfw_gen *g, const struct cfw_trigger *t, const char *text, const char *traceback);
int cfw_stage_request(struct cfw_gen *g, cfw_token token, enum cfw_request what, cfw_id server, bool flag,
		      struct curfew_err *err);
int cfw_stage_service(struct cfw_gen *g, cfw_token token, const char *name, const struct cfw_value *args,
		      struct curfew_err *err);
void cfw_stage_cancel(struct cfw_gen *g, cfw_token token);
void cfw_stage_source(struct cfw_gen *g, const char *key, const char *path, const char *src, size_t n);

/* curfew_own.c */
void cfw_own_step(struct curfew *c);             /* signals that came become triggers */
void cfw_own_ruled(struct curfew *c, int signo); /* a rule names it from now on */
void cfw_own_nothing(struct curfew *c);          /* signals are given back */

/* curfew_exit.c */
void cfw_exit_step(struct curfew *c);            /* on the thread that may call its functions */
void cfw_exit_told(struct curfew *c, bool kill); /* its end, before on_exit is called, which may end the process */
void cfw_exit_returned(struct curfew *c);        /* on_exit has returned */
void cfw_exit_given_back(struct curfew *c);

/* curfew_swap.c: env->socket; and the swap: 0, or a reason, and nothing has changed. what: what became of each server, a list. */
int cfw_socket(void *ud, cfw_id server, const char *address);
int cfw_swap(struct curfew *c, struct cfw_value **what, struct curfew_err *err);
void cfw_retired_sweep(struct curfew *c); /* those at rest are freed */

/* curfew_reload.c */
void cfw_reload_step(struct curfew *c);                             /* once a step */
int cfw_trial_load(struct cfw_gen *g, struct curfew_err *err);      /* into one that is built for it */
void cfw_trial_end(struct curfew *c, const struct curfew_err *err); /* who asked hears it; NULL: it would load */
uint64_t cfw_reload_deadline(const struct curfew *c);

/* curfew_load.c */
int cfw_load_again(struct cfw_gen *g, const struct cfw_load *load, struct curfew_err *err);

/* curfew_configure.c */
/* reset: what neither conf nor the command line names is back at its default. */
int cfw_configure(struct curfew *c, const struct cfw_value *conf, bool reset, struct curfew_err *err);
void cfw_configure_policy(const struct curfew *c, const struct cfw_value *conf, struct cfw_policy_config *config);

/* curfew_embed.c: of a struct that begins with its size, what this library knows; least: what it must have at least. */
bool cfw_take_struct(void *to, size_t size, const void *from, size_t least);

/* curfew_ops.c */
/* A hook's first instruction comes next; it has ended (text and traceback: of its error, NULL); it asks for more time. */
void cfw_hook_begins(struct curfew *c, uint32_t run);
void cfw_hook_ends(struct curfew *c, uint32_t run, enum cfw_outcome outcome, int code, const char *text, const char *traceback);
int cfw_hook_extend(struct curfew *c, uint32_t run, uint64_t ns, struct curfew_err *err);
extern const struct cfw_policy_ops cfw_curfew_policy_ops;

/* curfew_request.c */
int cfw_gen_check(const struct cfw_gen *g, struct curfew_err *err); /* 0: it may ask for something */
int cfw_request(struct cfw_gen *g, cfw_token token, enum cfw_request what, cfw_id server, bool flag, struct curfew_err *err);
int cfw_raise_trigger(struct cfw_gen *g, const struct cfw_trigger *t, const char *text, const char *traceback);
/* A number for the core to answer, with who waits for it: a token, or fn. 0 when memory is gone. */
void cfw_note_start(struct curfew *c); /* servers are to be started: hooks may be due from now on */
uint32_t cfw_asker_new(struct curfew *c, cfw_token token, curfew_answer_fn *fn, void *ud);
/* Answer who waits: err NULL with true. Forgets them. */
void cfw_waiter_answer(struct curfew *c, uint32_t request, const struct curfew_err *err);
void cfw_waiters_answer_reload(struct curfew *c, const struct cfw_value *value, const struct curfew_err *err);

/* curfew_loop.c */
int cfw_step(struct curfew *c); /* what is due now, as the loop calls it */
uint64_t cfw_deadline(const struct curfew *c);
int cfw_exit_outside(struct curfew *c, int code); /* exit(3) elsewhere: the stop that policy says, here and now (S5.3) */
bool cfw_drain(struct curfew *c);
void cfw_journal_tell(struct curfew *c); /* what of it is new, by on_journal */
int cfw_wake_open(struct curfew *c, struct curfew_err *err);
void cfw_wake_close(struct curfew *c); /* the loop has nothing of ours any more */
void cfw_wake_later(void *ud);         /* cfw_wake as a function to be called back */

/* curfew_raise.c: a trigger by its name: CURFEW_ENOENT, with the nearest; CURFEW_EINVAL: none that anybody could see. _open: whoever is
 * outside may raise it, else CURFEW_EREFUSED (S10.1). */
int cfw_trigger_named(const char *name, struct cfw_trigger *t, struct curfew_err *err);
int cfw_trigger_open(const char *name, struct cfw_trigger *t, struct curfew_err *err);
bool cfw_can_be_trigger(int signo);

/* An entry of the journal, in order; it may be the decision that somebody waits for. */
void cfw_raise_note(struct curfew *c, const struct cfw_journal_entry *e);

/* curfew_crash.c: the page is kept for who comes after, and is read by who has come after. Hooks and servers are known by slot. */
void cfw_page_note_server(struct curfew *c, cfw_id server);
void cfw_page_note_hook(struct curfew *c, cfw_id hook);
void cfw_page_place_server(struct curfew *c, struct cfw_gen *g, cfw_id server); /* the next place of its policy's region */
int cfw_page_hook_room(struct curfew *c, cfw_id hook);                          /* for the next: 0, CURFEW_ENOMEM */
void cfw_page_place_hook(struct curfew *c, struct cfw_gen *g, cfw_id hook);
uint32_t cfw_page_hook_mark(const struct curfew *c, uint32_t run_or_id);
void cfw_page_note_life(struct curfew *c, unsigned life);
/* What a hook of the process before may be told of a server that is not run here. */
bool cfw_after_server(const struct curfew *c, cfw_id server, int *pid, char *address);
void cfw_after_begin(struct curfew *c);
/* Raise the crash when the policy is loaded; called once a step. */
void cfw_after_step(struct curfew *c);
/* True: an action that is answered without being carried out. */
bool cfw_after_action(struct curfew *c, const struct cfw_action *a);
/* "pre_stop of web "drain" (policy.lua:7)", for messages. */
void cfw_hook_text(const struct curfew *c, const struct cfw_hook_view *h, char *out, size_t n);

/* curfew_sandbox.c, S10.4: 0, or err: what the sandbox does not allow, and which option would. Without one: 0. */
int cfw_sandbox_server(const struct curfew *c, const struct cfw_value *def, struct curfew_err *err);
int cfw_sandbox_service(const struct curfew *c, const char *name, const struct cfw_value *args, struct curfew_err *err);
int cfw_sandbox_configure(const struct curfew *c, const struct cfw_value *conf, struct curfew_err *err);
/* What policy answered, or none where it must not answer so. */
int cfw_sandbox_steer(const struct curfew *c, enum cfw_trigger_kind kind, struct curfew_err *err);
struct cfw_decision cfw_sandbox_decision(const struct curfew *c, const struct cfw_trigger *t, struct cfw_decision d);

/* curfew_registry.c */
struct cfw_entry *cfw_entry_get(const struct curfew *c, cfw_id id); /* NULL when there is none */
struct cfw_entry *cfw_entry_room(struct curfew *c, cfw_id id);      /* for a new one; NULL when memory is gone */
void cfw_entry_free(struct cfw_entry *s);
void cfw_server_opts_read(const struct cfw_value *def, struct cfw_server_opts *o);
/* The kind that def is for, and its ud for that policy; NULL and err. */
const struct cfw_kind *cfw_kind_find(const struct curfew *c, const struct cfw_gen *g, const struct cfw_value *def, void **ud,
				     struct curfew_err *err);
cfw_id cfw_entry_new(struct curfew *c, const struct cfw_value *def, struct curfew_err *err);
void cfw_entries_free(struct curfew *c);
void cfw_report(void *ud, const struct cfw_report *r);
int cfw_service_begin(struct curfew *c, cfw_token token, const char *name, const struct cfw_value *args,
		      struct curfew_err *err);
void cfw_service_cancel(struct curfew *c, cfw_token token);
void cfw_service_answer(void *ud, uint64_t token, struct cfw_value *value, const struct curfew_err *err);

/* curfew_steer.c: raise it; whoever waits, by token (not 0) or fn, is answered when it is done or refused. 0, or negative and err: it was
 * not raised. */
int cfw_steer_put(struct curfew *c, const struct cfw_trigger *t, cfw_token token, curfew_answer_fn *fn, void *ud,
		  struct curfew_err *err);

#endif
