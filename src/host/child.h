/* child.h: child processes by pid: started, signalled, reaped, and their whole trees cleared away (S9.3).
 *
 * What is below a child is found by its process group, and, where it left that, by the marker that all our children carry in
 * their environment: CURFEW_SERVER=<instance>.<serial>:<name>. */
#ifndef CFW_HOST_CHILD_H
#define CFW_HOST_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/timers.h"
#include "host/spawn.h"

struct cfw_child;
struct cfw_host;
struct cfw_kin;
struct cfw_value;
struct curfew_err;
struct curfew_watch;

#define CFW_CHILD_MARK "CURFEW_SERVER"

enum { CFW_CHILD_SIGNALS = 64 /* the highest there is */ };

enum cfw_child_phase {
	CFW_CHILD_NONE,     /* not started, or all gone */
	CFW_CHILD_ALIVE,    /* its main process has not been reaped */
	CFW_CHILD_LINGER,   /* the main process is gone, its group, which it has, is not; nobody kills it yet */
	CFW_CHILD_CLEARING, /* what is left is being killed */
};

/* What happens with the rest of the tree when the main process ends. */
enum cfw_child_rest { CFW_REST_KILL, CFW_REST_LINGER, CFW_REST_LEAVE };

struct cfw_child {
	/* The owner's, set before the launch. Neither is called from within a call of the owner's. */
	void (*ended)(struct cfw_child *c); /* the main process was reaped; code and signo are set. May be NULL */
	void (*gone)(struct cfw_child *c);  /* after that: nothing is left of its tree; c is free to go */
	enum cfw_child_rest rest;           /* may be changed until ended */

	/* To be read. */
	enum cfw_child_phase phase;
	pid_t pid;       /* of the main process; 0 once it was reaped */
	pid_t group;     /* 0: it has none of its own */
	int code, signo; /* how it ended: code -1 where a signal did, signo 0 where none did */
	uint64_t asked;  /* bit n - 1: signal n was sent by cfw_child_signal or _kill */
	uint64_t serial;

	/* children.c's and tree.c's. */
	struct cfw_host *host;
	int page_slot, pidfd;
	struct curfew_watch *watch;
	struct cfw_child *next;      /* in its bucket */
	struct cfw_child *unsettled; /* next of those whose main process is gone */
	bool left;                   /* the last sweep saw something of it */
	uint64_t doubt_ns;           /* until then one whose marker cannot be read may be its own; 0: there was none */
	struct cfw_kin *kin;         /* for those who hide their marker and leave the group */
	size_t n_kin;
};

/* A process below a child, as it was when the child was about to be killed: names it for good. */
struct cfw_kin {
	pid_t pid;
	uint64_t started;
};

struct cfw_children {
	struct cfw_child **buckets;
	size_t n_buckets, n; /* n: main processes alive */
	struct cfw_child *unsettled;
	bool blind;              /* CFW_REAP_PIDFD, and this kernel has none */
	struct cfw_timer settle; /* the next look at the unsettled ones */
	uint64_t since;          /* when this process was started, as in struct cfw_proc */
	uint64_t sweep_ns;       /* not before: sweeps take a fifth of the time at most */
	uint64_t wait_ns;        /* until the next look; grows while nothing happens */
	char *stack;             /* for cfw_spawn */
};

/* What to run, and how. */
struct cfw_launch {
	const struct cfw_value *def;     /* env, clear_env, cwd, user, group are read from it */
	const struct cfw_value *command; /* a list of strings, not empty */
	const char *name;                /* for the marker */
	const char *notify;              /* NOTIFY_SOCKET; NULL: none */
	int fd[3];                       /* as in struct cfw_spawn */
	enum cfw_spawn_group group;
};

void cfw_children_init(struct cfw_host *h);
void cfw_children_clear(struct cfw_host *h); /* nobody is called any more; the processes are the caller's worry */

/* 0 and phase ALIVE, or a negative error (the text says what could not be run and why) and nothing happened. */
int cfw_child_launch(struct cfw_host *h, struct cfw_child *c, const struct cfw_launch *l, struct curfew_err *err);
/* signo, 1 to CFW_CHILD_SIGNALS, to its group, or to the main process alone. 0, or CURFEW_ESTATE when there is nobody to hear it. */
int cfw_child_signal(struct cfw_child *c, int signo, bool whole_group);
/* SIGKILL to the whole tree, now; ended (where that was not yet) and gone follow. Nothing happens in phase NONE. */
void cfw_child_kill(struct cfw_child *c);
/* The same, and wait for the end of it all, without a loop: for a struct that has to go. At deadline_ns it is forgotten. */
void cfw_child_clear(struct cfw_child *c, uint64_t deadline_ns);
/* Is the process there, and in the tree of c? By group, marker or descent. */
bool cfw_child_owns(const struct cfw_child *c, pid_t pid);

/* For children.c, tree.c and host.c. */
void cfw_child_note_kin(struct cfw_child *c);  /* before it is killed */
void cfw_child_reap_known(struct cfw_host *h); /* those of the table, without a loop */
struct cfw_child *cfw_child_find(const struct cfw_host *h, pid_t pid);
void cfw_child_signal_rest(const struct cfw_child *c, int signo); /* to its group, whose leader is gone, one by one */
void cfw_child_settle(struct cfw_host *h);                        /* look after those whose main process is gone */
void cfw_child_settle_soon(struct cfw_host *h);                   /* the same from the timer */
void cfw_child_settled(struct cfw_child *c);                      /* all is gone: forget and tell */
void cfw_child_end(struct cfw_child *c, int code, int signo);     /* the main process was just reaped */

#endif
