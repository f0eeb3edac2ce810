/* kind.h: what a kind of server offers, and what it may use. One const table a kind: "process" (host), "http" and "tcp"
 * (shell), "server" (a pair of Lua functions: policy), and a host's own.
 *
 * Only curfew.c calls these, only on the loop's thread, and only when it carries out an action of the core. Kinds answer by
 * env->report, which queues: it never calls back from within itself. */
#ifndef CFW_BASE_KIND_H
#define CFW_BASE_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slots.h"

struct curfew_err;
struct curfew_loop;
struct cfw_exchange;
struct cfw_log;
struct cfw_page;
struct cfw_timers;
struct cfw_value;

enum cfw_report_what {
	CFW_REPORT_STARTED,      /* ready; answer to start */
	CFW_REPORT_START_FAILED, /* answer to start; err has the reason */
	CFW_REPORT_STOPPED,      /* all gone; answer to stop or cut */
	CFW_REPORT_CLOSED,       /* after started: it ended by itself */
	CFW_REPORT_DIED,         /* while it was stopping: it ended in a way nobody asked for (S4.11, S4.13) */
};

struct cfw_report {
	enum cfw_report_what what;
	cfw_id server;
	uint32_t attempt;             /* the number that start, stop or cut came with */
	int exit_code;                /* of a process; -1 where there is none */
	int signo;                    /* the signal that ended it; 0 where none did */
	const struct curfew_err *err; /* NULL where nothing went wrong; copied. The server's name need not stand in front */
	const char *traceback;        /* of a script's error; NULL where there is none; copied */
};

/* What every kind and service is given: owned by the instance, valid as long as it. */
struct cfw_env {
	const struct curfew_loop *loop; /* the host's: descriptors and defer */
	struct cfw_timers *timers;      /* run by the instance; set any number */
	const struct cfw_log *log;
	struct cfw_page *page;
	void *ud;
	uint64_t (*now_ns)(void *ud);
	void (*report)(void *ud, const struct cfw_report *r);
	/* Hand a conversation to the function that ref means. 0, or an error when policy cannot take it (x is untouched). */
	int (*serve)(void *ud, cfw_id server, int64_t ref, struct cfw_exchange *x);
	void (*gone)(void *ud, struct cfw_exchange *x);
	/* For a server: a listening socket for this address from one that a reload takes out; where the port is 0, from its own
	 * predecessor only: a descriptor of the caller's; -1: there is none,
	 * bind one; CFW_SOCKET_LATER: there will be one, once the reload is through. */
	int (*socket)(void *ud, cfw_id server, const char *address);
	/* Answer a service's or an exchange's token: takes value (NULL is nil); err set means nil, message, code. Queued. */
	void (*answer)(void *ud, uint64_t token, struct cfw_value *value, const struct curfew_err *err);
};

enum { CFW_SOCKET_LATER = -2 };

struct cfw_stop {
	uint32_t attempt;
	uint64_t deadline_ns; /* when cut will come: the margin, or the server's own limit */
	int signo;            /* the signal whose trigger caused this stop; 0 for any other trigger */
	bool hurried;         /* an operator has no time for what is waited for out of politeness */
};

struct cfw_kind {
	size_t size; /* sizeof(struct cfw_kind): the table may grow */
	const char *name;
	/* Make a server from its definition; nothing is started or bound. NULL and err on a bad definition. def lives until free. */
	void *(*open)(void *kind_ud, const struct cfw_env *env, cfw_id id, const struct cfw_value *def, struct curfew_err *err);
	void (*free)(void *srv);                              /* only when not running */
	void (*start)(void *srv, uint32_t attempt);           /* reports STARTED or START_FAILED */
	void (*stop)(void *srv, const struct cfw_stop *stop); /* drain; reports STOPPED */
	void (*cut)(void *srv, uint32_t attempt);             /* end it at once, from any state; reports STOPPED */
	/* The process ends and it is not down: what is lost with it is logged (S9.4). Nothing else follows. May be NULL. */
	void (*last)(void *srv);
	void (*lame)(void *srv);   /* a stop has begun: Connection: close and so on (S9.1); may be NULL */
	void (*unlame)(void *srv); /* and was taken back before srv was told to stop; may be NULL */
	/* What it waits for by the clock in its stop, at this moment, it does not wait for any longer; may be NULL. */
	void (*hurry)(void *srv);
	/* Reads; each may be NULL. */
	struct cfw_value *(*stats)(void *srv); /* counters: a map the caller frees */
	const char *(*address)(void *srv);     /* where it really listens, "127.0.0.1:43211"; NULL */
	int (*pid)(void *srv);                 /* 0 when there is none */
	int (*signal)(void *srv, int signo);   /* pass a signal on; negative CURFEW_E… */
	/* Is this definition its own? NULL: each of its name. Of several kinds of one name the newest that says so is taken. */
	bool (*takes)(void *kind_ud, const struct cfw_value *def);
	/* Reload (S7.2). next was opened from the new definition of the same server and never started. Each may be NULL: then a server
	 * whose definition says the same runs on as it is, any other is replaced. */
	/* May srv, while it runs, become what next is, without touching its socket or process? */
	bool (*fits)(const void *srv, const void *next);
	/* It does: srv has next's definition, functions included, from now on; its name stays where it was. Cannot fail. True: next is
	 * srv's now; false: the caller frees it, with the definition that srv had. */
	bool (*renew)(void *srv, void *next);
	/* Before the swap: have what could make the start fail, a socket, in hand; what env->socket says will be handed over is not
	 * for now. 0, or an error that refuses the reload. Once more after it, with err NULL, for what is handed over. */
	int (*prepare)(void *srv, struct curfew_err *err);
	/* The listening socket of this address, as a definition writes it, for a successor: a descriptor of the caller's, and from now
	 * on srv does nothing to the socket that others would notice; or -1. take false: only whether it is there (0). */
	int (*hand_over)(void *srv, const char *address, bool take);
	bool takes_requests; /* it has conversations with the policy (exchange.h) */
	bool beside;         /* a changed one starts first, and the old one stops when it has; or def.overlap says so */
};

/* A named operation that a script can wait on: exec, fetch, fs.read, … */
struct cfw_service {
	const char *name;
	/* Begin; answer token later (or at once) by env->answer. Negative with err: nothing was begun, nothing will be answered.
	 * args are the caller's, copy what you keep. */
	int (*begin)(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err);
	void (*cancel)(void *ud, uint64_t token); /* give up, release everything; no answer follows. Unknown token: nothing */
	void *ud;
};

#endif
