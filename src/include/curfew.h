/* curfew.h: a stop orchestrator inside your process: the loop, the signals and the servers stay yours.
 *
 * An instance knows your servers and hooks, and the policy, in Lua or in C, that says what each trigger (a signal, an exit call, an
 * error, a server that ended by itself) comes to: a graceful stop or an abort, with an exit code, under an exit timeout. It calls you
 * from your own event loop and tells you the code in the end.
 *
 * Threads    All functions of an instance belong to one thread, that of its loop, but for curfew_wake and curfew_exit_from_thread.
 * Callbacks  come from the loop, or from curfew_step, never from within the call that caused them. In any of them everything may be
 *            called but curfew_free.
 * Memory     What is passed in is copied, unless its doc says otherwise. Strings that are handed out last for the call.
 * Errors     0, or a negative CURFEW_E… with its text in *err, which may be NULL; constructors return NULL or 0 instead.
 * State      There is none outside of instances: several live in one process. Signals and exit(3) are left alone unless
 *            curfew_own_signals and curfew_own_exit say otherwise.
 * Time       Nanoseconds of CLOCK_MONOTONIC; CURFEW_NEVER: no time at all.
 * ABI        Structs that you fill in begin with their size, and grow at their end only; what a program did not know of is 0.
 *
 * (S4.12 and the like are rules of the contract; curfew(3) has them in its own words.) */
#ifndef CURFEW_H
#define CURFEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CURFEW_API __attribute__((visibility("default")))
#else
#define CURFEW_API
#endif

#define CURFEW_NEVER UINT64_MAX

struct curfew;
typedef uint32_t curfew_id; /* of a server, a hook, a request; never 0 */

/* "0.5.0", of the library that runs. */
CURFEW_API const char *curfew_version(void);

/* ---- errors ---------------------------------------------------------------------------------------------------------------- */

enum curfew_error {
	CURFEW_OK = 0,
	CURFEW_ENOMEM = -1,    /* an allocation failed */
	CURFEW_EINVAL = -2,    /* a wrong argument, a wrong value in a policy */
	CURFEW_ENOENT = -3,    /* no such server, hook, file, name */
	CURFEW_EEXIST = -4,    /* the name is taken */
	CURFEW_ECYCLE = -5,    /* dependencies form a cycle; the text prints it */
	CURFEW_ESTATE = -6,    /* not now: wrong state of the life */
	CURFEW_EREFUSED = -7,  /* asked for and refused (S4.6) */
	CURFEW_ESYS = -8,      /* a system call failed; sys_errno says why */
	CURFEW_ELUA = -9,      /* a script failed; the text has the traceback */
	CURFEW_ETIMEOUT = -10, /* a limit was passed */
	CURFEW_ECANCELED = -11,
	CURFEW_ELIMIT = -12 /* memory, CPU, count: a ceiling was hit */
};

struct curfew_err {
	int code;       /* negative CURFEW_E…, 0 when unset */
	int sys_errno;  /* errno where a system call failed, else 0 */
	char msg[1024]; /* always NUL-terminated; empty when unset */
};

/* ---- your event loop ------------------------------------------------------------------------------------------------------- */

/* The loop belongs to you; nobody else runs it. Mostly nothing of it need be known: watch curfew_fd and call curfew_step. A loop that
 * would have each of our descriptors for itself, and our timers, is handed in as five operations.
 *
 * Every operation may fail (negative CURFEW_E…) and every one is idempotent where that has a meaning. All are called on the loop's
 * thread. Callbacks come from the loop, never from within an operation. */
enum curfew_io { CURFEW_READ = 1, CURFEW_WRITE = 2 };

struct curfew_watch; /* the adapter's; one a watched descriptor */

typedef void curfew_loop_fn(void *ud);
typedef void curfew_watch_fn(void *ud, int fd, unsigned what);

struct curfew_loop_ops {
	size_t size; /* sizeof(struct curfew_loop_ops) as the adapter was compiled: what is past it is absent */
	const char *name;
	/* Monotonic nanoseconds. Need not be cached: each call may read the clock. */
	uint64_t (*now_ns)(void *loop);
	/* The one timer of fn: call fn(ud) once at at_ns or soon after; CURFEW_NEVER takes it back; a new call replaces the old time. */
	int (*timer)(void *loop, uint64_t at_ns, curfew_loop_fn *fn, void *ud);
	/* Watch fd while what (bits of enum curfew_io, level-triggered) is not 0. *w NULL makes a watch, else changes it; what 0 ends
	 * it and sets *w NULL, after which fn is never called again, even when this turn had it queued. fd stays the caller's; end the
	 * watch before closing it. */
	int (*watch)(void *loop, struct curfew_watch **w, int fd, unsigned what, curfew_watch_fn *fn, void *ud);
	/* Call fn(ud) once, in this or the next turn, not from within this call. Asked for again while pending: still once. */
	int (*defer)(void *loop, curfew_loop_fn *fn, void *ud);
	/* Forget timer, watches and deferred calls. Nothing is called afterwards. */
	void (*detach)(void *loop);
};

struct curfew_loop {
	const struct curfew_loop_ops *ops;
	void *loop;
};

/* ---- an instance ----------------------------------------------------------------------------------------------------------- */

enum curfew_log_level { CURFEW_LOG_DEBUG, CURFEW_LOG_INFO, CURFEW_LOG_WARN, CURFEW_LOG_ERROR };

struct curfew_log_field {
	const char *key, *value; /* bytes as they are, a script's perhaps: escape them (S10.3) */
};

/* A line of the log, without its time and its end. May be called within any function of the instance. */
typedef void curfew_log_fn(void *ud, enum curfew_log_level level, const char *text, const struct curfew_log_field *fields,
			   size_t n);

/* As lua_Alloc: new_size 0 frees and returns NULL; ptr NULL allocates; NULL on failure leaves ptr valid. */
typedef void *curfew_alloc_fn(void *ud, void *ptr, size_t old_size, size_t new_size);

struct curfew_options {
	size_t size; /* sizeof(struct curfew_options) */
	/* NULL: you watch curfew_fd. Else copied; the loop behind it outlives the instance. */
	const struct curfew_loop *loop;
	/* The end, called once: all servers have stopped, or were cut off, and this is the process's exit code (S4.11). kill: end at
	 * once, by _exit, and flush nothing (S4.14). What ends the process is up to you. */
	void (*on_exit)(void *ud, int code, bool kill);
	/* Deadlines moved (CURFEW_NEVER: none): for a watchdog of your own, since nothing of ours runs while your loop does not turn.
	 * May be NULL. */
	void (*on_deadline)(void *ud, uint64_t margin_ns, uint64_t deadline_ns);
	/* on: a stop has begun, tell balancers and clients (S9.1); off: it was called off, serve again. May be NULL. */
	void (*on_lame)(void *ud, bool on);
	void *ud;           /* of these */
	curfew_log_fn *log; /* NULL: silent */
	void *log_ud;
	enum curfew_log_level log_level; /* what is below is not handed over; 0 is debug */
	curfew_alloc_fn *alloc;          /* for the registry and all of Lua. NULL: realloc(3) and free(3) */
	void *alloc_ud;
	uint64_t exit_timeout_ns; /* S4.6, up to thirty years; 0: what the policy says, or 5 s. Stronger than the policy */
	bool own_children;        /* every child of the process is to be reaped, not only those that were started here (S9.3) */
	bool watch; /* reload by itself when a file of the policy has changed (S7.1). Stronger than the policy's "watch" */
	/* Of several processes that run this policy side by side: does this one do what is to be done once? ctx.leader of a script asks,
	 * from within a hook, any number of times. NULL: yes. It calls nothing of the instance. */
	bool (*leader)(void *ud);
};

/* NULL and *err: CURFEW_EINVAL, CURFEW_ENOMEM, CURFEW_ESYS. */
CURFEW_API struct curfew *curfew_new(const struct curfew_options *options, struct curfew_err *err);
/* Give up what is left, servers that still run included: ops->abort is called, and not waited for. Signals and exit(3) are given back.
 * Not from within a callback. NULL is fine. */
CURFEW_API void curfew_free(struct curfew *c);

/* Compile and begin a policy: a file of Lua, see curfew-policy(5); any number. It runs in the next steps. CURFEW_ESYS, CURFEW_ELUA
 * (where it does not compile), CURFEW_ELIMIT, CURFEW_ESTATE after the end; an error as it runs, before it has started its servers,
 * ends with on_exit(2) (S3.7). */
CURFEW_API int curfew_load_file(struct curfew *c, const char *path, struct curfew_err *err);
/* The same for a text of n bytes; chunk names it in messages: "=builtin". */
CURFEW_API int curfew_load(struct curfew *c, const char *chunk, const char *src, size_t n, struct curfew_err *err);
/* Start all servers, what they depend on first (S3.1), once the loaded policies have run. CURFEW_ESTATE after the end; whether they
 * have started is told by the log and curfew_status. */
CURFEW_API int curfew_start(struct curfew *c);

/* What came of something that was asked for: err NULL when it went well. Called once, from a later step, or from curfew_free. */
typedef void curfew_done_fn(void *ud, const struct curfew_err *err);

/* Build the policy anew from its files beside the one that runs, and swap (S7). Servers and hooks of yours stay. CURFEW_ESTATE during
 * a stop; else fn, which may be NULL, hears the rest: err has file and line of what was wrong, and nothing has changed. */
CURFEW_API int curfew_reload(struct curfew *c, curfew_done_fn *fn, void *ud, struct curfew_err *err);

/* Would this policy (n bytes, named as for curfew_load) load in place of the one in force? It is built as by curfew_reload, which runs
 * its top level but for what that begins, and thrown away: nothing changes (S7.1). It is well as far as it goes where it waits for a
 * command, changes a file or the locale, or posts something. CURFEW_EINVAL: chunk or src is NULL; CURFEW_ESTATE during a stop, and while another is tried;
 * CURFEW_ENOMEM; else fn hears the answer, err with file and line of what is wrong. */
CURFEW_API int curfew_try(struct curfew *c, const char *chunk, const char *src, size_t n, curfew_done_fn *fn, void *ud,
			  struct curfew_err *err);

/* ---- servers --------------------------------------------------------------------------------------------------------------- */

/* A server of yours. Each function may be NULL. What is asked for is answered by curfew_server_started, …_failed and …_stopped, at
 * once from within, or later. */
struct curfew_server_ops {
	size_t size; /* sizeof(struct curfew_server_ops) */
	/* Begin to serve; answer started or failed. NULL: it serves already. */
	void (*start)(void *ud, curfew_id server);
	/* Let nobody in any more, and finish what is under way until deadline_ns; answer stopped. What is bracketed by requests is
	 * waited for besides. NULL: there is nothing else to wait for. */
	void (*stop)(void *ud, curfew_id server, uint64_t deadline_ns);
	/* End it at once, from any state: the deadline has come, or it is an abort (S4.2). It counts as stopped when this returns. */
	void (*abort)(void *ud, curfew_id server);
	/* A stop has begun, on, or was called off (S9.1): replies carry Connection: close, and so on. */
	void (*lame)(void *ud, curfew_id server, bool on);
	/* What is under way and not bracketed: for status and logs; not waited for. */
	size_t (*in_flight)(void *ud, curfew_id server);
};

struct curfew_server_options {
	size_t size;      /* sizeof(struct curfew_server_options) */
	const char *name; /* unique, not empty, no control characters; scripts find it by curfew.find(name) */
	const struct curfew_server_ops *ops; /* copied; NULL: all NULL */
	void *ud;
	const char *const *after;  /* names of what it depends on, ended by NULL; may be NULL (S3.1, S4.1) */
	uint64_t start_timeout_ns; /* 0, CURFEW_NEVER: the manager's alone */
	uint64_t stop_timeout_ns;  /* from stop to abort; 0, CURFEW_NEVER: until the margin of the exit timeout (S4.7) */
};

/* 0 and *err: CURFEW_EINVAL, CURFEW_EEXIST, CURFEW_ENOENT, CURFEW_ECYCLE, CURFEW_ENOMEM, CURFEW_ESTATE once a stop has begun. */
CURFEW_API curfew_id curfew_server_new(struct curfew *c, const struct curfew_server_options *o, struct curfew_err *err);
/* Answers. A late or doubled one is ignored. */
CURFEW_API void curfew_server_started(struct curfew *c, curfew_id server);
CURFEW_API void curfew_server_failed(struct curfew *c, curfew_id server, const char *why); /* its start (S3.2) */
CURFEW_API void curfew_server_stopped(struct curfew *c, curfew_id server);
/* Unasked: a server that had started has ended by itself, with this code or -1: the trigger "closed" (S2.7). */
CURFEW_API void curfew_server_closed(struct curfew *c, curfew_id server, int code);

/* The first half of closing a listener, a TCP or unix socket, in ops->stop (S9.1): from here on the kernel lets nobody new in, in any
 * process that shares fd; accept who is in the queue, and close fd then. Closing alone resets who gets in between. CURFEW_ESYS: it is
 * no such socket, or the kernel has no socket filters: close it all the same. */
CURFEW_API int curfew_bar_listener(int fd, struct curfew_err *err);

/* A request, or whatever a stop is to wait for, begins and ends (S9.4): two calls around your handler. 0: there is no such server, or
 * no memory: nothing counts, and curfew_request_end(c, 0) is fine. */
CURFEW_API curfew_id curfew_request_begin(struct curfew *c, curfew_id server);
CURFEW_API void curfew_request_end(struct curfew *c, curfew_id request);
/* Instead of _end: its handler has failed. It is logged and counted, and nothing else notices (S6.1, S6.2). */
CURFEW_API void curfew_request_failed(struct curfew *c, curfew_id request, const char *why);

/* ---- hooks ----------------------------------------------------------------------------------------------------------------- */

enum curfew_phase { CURFEW_PRE_START, CURFEW_POST_START, CURFEW_PRE_STOP, CURFEW_POST_STOP };

struct curfew_hook {
	size_t size;      /* of this struct, as the library has it */
	curfew_id run;    /* this call of it: for curfew_hook_done and curfew_hook_extend */
	curfew_id server; /* 0: a global one, once around all servers */
	enum curfew_phase phase;
	bool abort;           /* the stop is one (S4.2) */
	const char *trigger;  /* that stopped: "SIGTERM", "exit", …; NULL while starting */
	const char *text;     /* of its error; NULL */
	uint64_t began_ns;    /* the stop, or the hook where none runs */
	uint64_t deadline_ns; /* when it is cut off */
};

/* Call curfew_hook_done(c, hook->run, …) when it is over, from within or later: the stop goes on then. */
typedef void curfew_hook_fn(void *ud, const struct curfew_hook *hook);

struct curfew_hook_options {
	size_t size;      /* sizeof(struct curfew_hook_options) */
	curfew_id server; /* 0: before, or after, all servers; pre_stop and post_stop only */
	enum curfew_phase phase;
	const char *name;    /* for log and timeline, without control characters; may be NULL */
	uint64_t timeout_ns; /* its own limit (S4.9); 0: none */
	curfew_hook_fn *fn;
	/* It has passed its limit, or the stop its deadline: nothing waits for it any more, and its answer is ignored. May be NULL. */
	void (*cut)(void *ud, curfew_id run);
	void *ud;
};

/* Hooks of a phase run one after another in the order in which they were made (S4.1), those of C before those of scripts. 0 and *err:
 * CURFEW_EINVAL, CURFEW_ENOENT, CURFEW_ENOMEM, CURFEW_ESTATE once a stop has begun. */
CURFEW_API curfew_id curfew_hook_new(struct curfew *c, const struct curfew_hook_options *o, struct curfew_err *err);
/* why NULL: it went well; else it failed: the stop goes on, and the code becomes at least 1 (S4.9). */
CURFEW_API void curfew_hook_done(struct curfew *c, curfew_id run, const char *why);
/* S4.6: the exit timeout ends no sooner than ns from now. CURFEW_EREFUSED past the margin, in an abort and at max_exit_timeout. */
CURFEW_API int curfew_hook_extend(struct curfew *c, curfew_id run, uint64_t ns, struct curfew_err *err);

/* ---- triggers -------------------------------------------------------------------------------------------------------------- */

/* Each is queued and decided on in the next step: by the scripts' rules, then those of curfew_on, then the default (S2.11). */
/* You have caught it so many times (S2.13). CURFEW_EINVAL: no signal, one that cannot be caught, or a fault of the program. */
CURFEW_API int curfew_signal(struct curfew *c, int signo, unsigned times);
CURFEW_API int curfew_exit(struct curfew *c, int code); /* S2.3, S2.4; & 255, or 1 where that is 0 (S2.18) */
CURFEW_API int curfew_stop(struct curfew *c);           /* graceful, code 0 */
/* By its name: "SIGTERM", "abort", "hurry", or "custom:NAME", one of your own. CURFEW_ENOENT, with the nearest name; CURFEW_EREFUSED:
 * only curfew raises it (S10.1), or nobody could see the signal; CURFEW_EINVAL: NAME has control characters. */
CURFEW_API int curfew_trigger(struct curfew *c, const char *name, struct curfew_err *err);

enum curfew_answer {
	CURFEW_NO_ANSWER,
	CURFEW_GRACEFUL,
	CURFEW_ABORT,
	CURFEW_KILL,
	CURFEW_RELOAD,
	CURFEW_RESTART,
	CURFEW_IGNORE
};
struct curfew_decision {
	enum curfew_answer answer;
	int code; /* with graceful, abort, kill: 0 to 255 */
};
struct curfew_trigger_info {
	size_t size;      /* of this struct, as the library has it */
	const char *name; /* "SIGTERM", "exit", "custom:backup", … */
	unsigned count;   /* S2.13: 1 at the first of its kind */
	int code;         /* exit: asked for; closed: the server's, or -1 */
	curfew_id server; /* closed, start_failed: whose; else 0 */
	const char *text; /* of an error; NULL */
};
typedef struct curfew_decision curfew_rule_fn(void *ud, const struct curfew_trigger_info *t);
/* A rule in C for a trigger by its name, or for all ("*"). The newest is asked first; CURFEW_NO_ANSWER leaves it to older ones. What
 * is no answer, or none that its trigger allows, is logged, and the next one is asked (S2.12); codes are as in curfew_exit.
 * CURFEW_EINVAL, also for a signal that nobody could see; CURFEW_ENOENT, CURFEW_ENOMEM. */
CURFEW_API int curfew_on(struct curfew *c, const char *name, curfew_rule_fn *fn, void *ud, struct curfew_err *err);

/* Catch these signals: each becomes a trigger of this instance, of several if several own it, and the handler that was there before is
 * called as well, system calls being interrupted as it would have it. They are given back by curfew_free, unless somebody else has put
 * a handler in place of ours since. Any thread may take the signal. A SIGHUP that is ignored, as nohup(1) leaves it, stays so unless a
 * rule names it (S2.2). In a child of fork(2) they do what they did before. CURFEW_EINVAL for SIGKILL, SIGSTOP and what the kernel
 * raises for a fault of the program; CURFEW_ENOMEM; CURFEW_ELIMIT: sixteen instances own it. */
CURFEW_API int curfew_own_signals(struct curfew *c, const int *signals, size_t n, struct curfew_err *err);
/* From here on exit(n) anywhere in the process, return from main included, first runs the stop that S2.3 and S2.4 ask for, and the
 * process ends with the code of S4.11 (S5.3). On the instance's thread the stop runs in this very call: what your loop would do
 * meanwhile is not done. In another thread it is as curfew_exit_from_thread, and the call waits while the loop goes on; where that does
 * not turn, hooks cannot be called, and the process ends with code 255 after the exit timeout. on_exit is called as ever and must
 * return. Several threads may exit at the same moment; not dozens: the C library's own list is not made for that (MT-Unsafe race:exit in
 * exit(3)). A child of fork(2) exits as if this were not there. At most one instance of a process: CURFEW_EEXIST; CURFEW_ENOMEM. */
CURFEW_API int curfew_own_exit(struct curfew *c, struct curfew_err *err);

/* ---- running --------------------------------------------------------------------------------------------------------------- */

/* Do all that is due now; never blocks. With a loop it is called by itself. Without one: call it whenever curfew_fd is readable; that is
 * all that an event loop has to do, and curfew-libevent.h, curfew-uv.h, curfew-ev.h and curfew-glib.h do for theirs. 0. */
CURFEW_API int curfew_step(struct curfew *c);
/* A descriptor to watch for reading: it becomes readable when something has happened, or is due by the clock. The instance's; -1 with
 * options.loop. */
CURFEW_API int curfew_fd(const struct curfew *c);
CURFEW_API uint64_t curfew_deadline(const struct curfew *c); /* when something is due by the clock; CURFEW_NEVER */
CURFEW_API void curfew_wake(struct curfew *c);               /* curfew_step soon; from any thread, and from a signal handler */
CURFEW_API void curfew_exit_from_thread(struct curfew *c, int code); /* as curfew_exit, from any thread */
CURFEW_API bool curfew_ended(const struct curfew *c, int *code);     /* on_exit was called, with this code; code may be NULL */
CURFEW_API const char *curfew_state(const struct curfew *c); /* "new", "starting", "started", "stopping", …, as curfew.state */
/* What it does at this moment, as JSON on one line: state, servers, and in a stop what it waits for, since when, until when: as
 * /v1/status of curfew-control(7). Written to buf (size bytes, NUL-terminated unless size is 0) as far as there is room; its length is
 * returned, as by snprintf(3). 0: no memory. */
CURFEW_API size_t curfew_status(const struct curfew *c, char *buf, size_t size);

#ifdef __cplusplus
}
#endif
#endif
