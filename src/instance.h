/* instance.h: an instance as the rooms above it see it, `curfew run` first: include/curfew.h, what everybody has, and besides
 * what is said in values, views and kinds of this house.
 *
 * One thread an instance, except curfew_wake. No global state: instances are independent of each other. Nothing here prints,
 * exits, or touches a signal's disposition. Errors: 0 or a negative CURFEW_E…, text in struct curfew_err. */
#ifndef CFW_INSTANCE_H
#define CFW_INSTANCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/loop.h"
#include "base/err.h"
#include "base/kind.h"
#include "base/log.h"
#include "include/curfew.h"

struct cfw_core;
struct cfw_alloc;
struct cfw_decision;
struct cfw_embed;
struct cfw_host;
struct cfw_page;
struct cfw_region;
struct cfw_trigger;
struct cfw_value;

/* After a crash (S8.2): how the process before ended. The page is its own, with its marks; its policy is loaded again, servers are
 * registered and not started, and what it owed is run: the abort. */
struct curfew_crash {
	bool stall; /* it was ended because it did not turn (S2.17) */
	int signo;  /* that ended it; 0: it exited by itself */
	int code;   /* with this */
	uint64_t deadline_ns;
	/* A run after the crash ended, too, and no hook had begun in it: what the scripts do past their first start() may be why, and is
	 * left out. */
	bool vain;
	/* This run is for servers that a reload had removed or replaced and that were still stopping: for the policy that they came from,
	 * in its region of the page. NULL: for the policy that was in force. */
	const struct cfw_region *old_region;
};

enum curfew_reload_step { CURFEW_RELOAD_BEGINS, CURFEW_RELOAD_DONE, CURFEW_RELOAD_REFUSED };

struct cfw_options {
	size_t size;                    /* sizeof(struct cfw_options); any other is refused */
	const struct curfew_loop *loop; /* copied; the loop behind it must outlive the instance */
	const struct cfw_log *log;      /* must outlive the instance; NULL: silent */
	const struct cfw_alloc *alloc;  /* of core and policies; must outlive the instance. NULL: the C library's */
	struct cfw_page *page;          /* shared page made by the host; NULL: one is made */
	bool own_children; /* the process is ours: every child is reaped when curfew_reap is called, orphans included */
	/* The end: the code of S4.11. Called once, from curfew_step; the host ends its loop. kill: at once, flush nothing. */
	void (*on_exit)(void *ud, int code, bool kill);
	/* Deadlines moved, or the last signal that was handed in has been decided on: the host arms its watchdog. CFW_NEVER: none.
	 * decided: no signal waits for its decision, so a provisional deadline can be taken back (S2.19). May be NULL. */
	void (*on_deadline)(void *ud, uint64_t margin_ns, uint64_t deadline_ns, bool decided);
	/* A stop has begun (S9.1). May be NULL. */
	void (*on_lame)(void *ud);
	void (*on_reload)(void *ud, enum curfew_reload_step step); /* May be NULL */
	void (*on_unlame)(void *ud);                               /* and was cancelled: all serves again. May be NULL */
	/* A rule names a signal: the host should catch it and hand it in by curfew_signal. Negative refuses. May be NULL. */
	int (*on_signal_rule)(void *ud, int signo, struct curfew_err *err);
	/* curfew.configure was called: log, health, control and watch are the part the host owns. conf.reset: for a reload, so what it
	 * does not name is as if nobody had ever named it; negative then refuses the reload, and nothing may have changed. May be NULL. */
	int (*on_configure)(void *ud, const struct cfw_value *conf, struct curfew_err *err);
	void (*on_deactivate)(void *ud); /* S3.5: give signals and interceptions back. May be NULL */
	/* The core's journal has grown: time to render log lines. May be NULL. */
	void (*on_journal)(void *ud);
	/* What the operator asked for on the command line; same keys as curfew.configure, and stronger. Copied. May be NULL. */
	const struct cfw_value *overrides;
	/* S10.4: what policies may do that are not trusted; NULL: everything. A map. exec, listen, fetch, read, write, modules (folders
	 * that require looks in), ignore (triggers that may be answered so), configure (keys), env (variables): lists of strings; limits:
	 * the most that a policy may say of a setting, where that is more than the default. Must outlive the instance. */
	const struct cfw_value *sandbox;
	char *const *args; /* the global arg of scripts, from arg[0] on, NULL-terminated, not copied; NULL: there is none */
	const struct curfew_crash *crash; /* NULL: none. Must outlive the instance */
	/* Texts of scripts: told as they are read from files; and asked for first, found where they were kept. Both may be NULL. */
	void (*keep_source)(void *ud, const char *key, const char *path, const char *src, size_t n);
	const char *(*find_source)(void *ud, const char *key, const char **path, size_t *n);
	/* What keep_source tells from here on belongs to this generation of the policy, and replaces what others had once the page names
	 * it (struct cfw_region). May be NULL. */
	void (*keep_generation)(void *ud, uint16_t generation);
	/* A policy, perhaps one that a reload tries, is read from this file next: somebody may watch it. May be NULL. */
	void (*on_source)(void *ud, const char *path);
	struct cfw_embed *embed; /* curfew_new's part; taken: freed with the instance, once cfw_new has succeeded */
	void *ud;
};

/* NULL and err on failure. */
struct curfew *cfw_new(const struct cfw_options *options, struct curfew_err *err);
/* Instead of curfew_free, for a process that ends at once, with the code that on_exit was given, all its servers stopped: scripts
 * are ended as ever, what only returns memory is left to the kernel. c stays valid for reading. */
void curfew_leave(struct curfew *c);

/* Kinds and services beyond the built-in ones ("process", "server", exec, fetch, fs.*); before the first load. */
int curfew_kind_add(struct curfew *c, const struct cfw_kind *kind, void *kind_ud);
int curfew_service_add(struct curfew *c, const struct cfw_service *service);

/* A server from a definition in plain values, as curfew.process{…} makes one. 0 and err on failure. */
cfw_id curfew_server_add(struct curfew *c, const struct cfw_value *def, struct curfew_err *err);
/* A rule of a policy names this signal. */
bool curfew_signal_has_rule(const struct curfew *c, int signo);
/* Pass a signal on to what runs behind a server. */
int curfew_server_signal(struct curfew *c, cfw_id server, int signo, struct curfew_err *err);

/* { name =, kind =, state =, restarts =, address =, pid =, stats = (if asked) } of a server; the caller frees. NULL when there is no
 * such server or no memory. */
struct cfw_value *curfew_server_info(const struct curfew *c, uint32_t server, bool with_stats);

/* What curfew_status says, as plain values; the caller frees. NULL when memory is gone. */
struct cfw_value *curfew_status_value(const struct curfew *c);

/* What came of something that was asked for; called once, from a later curfew_step or from curfew_free, never from within the call
 * that asked. value: what there is to say, NULL where that is nothing; err: NULL when it went well. Both only for the call. */
typedef void curfew_answer_fn(void *ud, const struct cfw_value *value, const struct curfew_err *err);

/* As curfew_trigger, and answered as soon as it is decided on, before anything follows from it. code: of "exit". value: { trigger =,
 * decision = "graceful", code =, default = bool }; default: no rule had an answer, or none that this trigger allows (S2.12). 0, or
 * negative and err (fn is not called then): CURFEW_ENOENT with the nearest name, CURFEW_EREFUSED for what only curfew may raise
 * (S10.1). fn may be NULL. */
int curfew_raise(struct curfew *c, const char *name, int code, curfew_answer_fn *fn, void *ud, struct curfew_err *err);

/* S7: build the policy anew from the files it was loaded from, beside the running one, and swap. fn may be NULL. Asked for again
 * before it has begun, it is the same reload, and all are answered; while it is being built, one more follows, since the files may
 * have changed after they were read (S7.4). value: { generation = N, servers = { { name =, change = "added" | "removed" |
 * "replaced" | "updated" | "unchanged" }, … } }; err: why it was refused, with file and line, and nothing
 * has changed then. 0, or negative and err (fn is not called then). */
int cfw_reload(struct curfew *c, curfew_answer_fn *fn, void *ud, struct curfew_err *err);

/* { { generation = N, state = "current" | "old" | "building", age_ns =, tasks =, memory = }, … }: the policies that are there, the
 * newest first. Old ones end what they have begun. The caller frees; NULL when memory is gone. */
struct cfw_value *curfew_generations(const struct curfew *c);

/* Steering: a stop that runs, or one server with what depends on it. Each is a trigger that a rule may refuse. */
enum curfew_steer_what {
	CURFEW_HURRY,  /* skip what is left of holds and waits: hooks' sleeps, idle_grace, a process's wait for its signal */
	CURFEW_EXTEND, /* the end moves by ns, up to max_exit_timeout (S4.6) */
	CURFEW_SKIP,   /* what the named server's stop waits for at this moment is given up: its hook, else its drain */
	CURFEW_CANCEL, /* while nothing has been stopped yet: servers that were only pre-stopped serve again */
	CURFEW_SERVER_START,   /* the named server, with what it depends on */
	CURFEW_SERVER_STOP,    /* what depends on it first */
	CURFEW_SERVER_RESTART, /* those that depend on it are stopped before and started after */
};
#define CURFEW_GLOBAL "curfew" /* where no server has this name: the global hooks, as logs call them */
struct curfew_steer {
	enum curfew_steer_what what;
	const char *server; /* SKIP, SERVER_…: its name. SKIP: or CURFEW_GLOBAL */
	uint64_t ns;        /* EXTEND: from now */
};
/* 0, or negative and err (fn is not called then). Answered when it is done (SERVER_…: when the server has started or stopped), or
 * when it was refused: err says by whom, a rule or the state. fn may be NULL. */
int curfew_steer(struct curfew *c, const struct curfew_steer *steer, curfew_answer_fn *fn, void *ud, struct curfew_err *err);

/* Tell scripts, as curfew.wait(event) and curfew.subscribe(event, f) hear it. value may be NULL; not taken. */
void curfew_emit(struct curfew *c, const char *event, const struct cfw_value *value);

void curfew_reap(struct curfew *c); /* own_children: SIGCHLD came */
/* exit(3) was called inside one of our own callbacks (S5.3): an abort with that code, run to its end here and now, without the
 * host's loop: hooks may compute and sleep; what they wait for on descriptors is not served any more, and the exit timeout bounds
 * it. For an exit handler; the code of S4.11, with which the handler should _exit. */
int curfew_exit_inside(struct curfew *c, int code);

/* What the rules of the policy say to a trigger (CFW_D_NONE: nothing), asked and not acted on: for what tries a policy out. text: of
 * its error, or a script's own trigger's whole name; may be NULL. */
struct cfw_decision curfew_ask(const struct curfew *c, const struct cfw_trigger *t, const char *text);

/* For the shell's views. */
const struct cfw_core *curfew_core(const struct curfew *c);
const struct cfw_env *curfew_env(const struct curfew *c);
struct cfw_page *curfew_page(const struct curfew *c);
struct cfw_host *curfew_host(const struct curfew *c);
/* Entries of the journal before this one are no news: after a crash, how it came to be where the crash was. */
uint64_t curfew_journal_from(const struct curfew *c);
const char *curfew_text(void *c, uint32_t text); /* a cfw_text_fn with ud = the instance */

#endif
