/* guardian_impl.h: the parts of the guardian; private to guardian*.c. */
#ifndef CFW_SHELL_GUARDIAN_IMPL_H
#define CFW_SHELL_GUARDIAN_IMPL_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/page.h"
#include "host/procfs.h"

/* ---- guardian_watch.c: is it stalled, is its time over? Times and the page in, a verdict out. ---- */

enum cfw_verdict { CFW_FINE, CFW_STALLED, CFW_OVER };

struct cfw_vigil {
	uint64_t since_ns;          /* it was launched, or continued: nothing before counts */
	uint64_t pinged_ns;         /* 0: not yet */
	uint64_t asked_ns;          /* the first of the stopping signals since its loop last turned; 0: none */
	unsigned asked;             /* how many those were */
	bool forced;                /* the third of them came, and the loop had not turned */
	uint64_t finished_ns;       /* its stop was first seen to be over; 0: not yet */
	uint64_t own_end_ns;        /* after a crash: the deadline of before; CFW_NEVER else */
	uint64_t turned_ns, cpu_ns; /* at its last turn that was noted */
	bool after;                 /* it is one that does what another has left */
};

/* When the process is to be over, as things stand; CFW_NEVER: no stop runs. */
uint64_t cfw_vigil_deadline(const struct cfw_vigil *v, const struct cfw_page *page);
void cfw_vigil_asked(struct cfw_vigil *v, const struct cfw_page *page, uint64_t now_ns); /* a stopping signal was passed on */
/* When the loop last turned, as far as that counts. */
uint64_t cfw_vigil_turned(const struct cfw_vigil *v, const struct cfw_page *page);
/* guardian_cpu.c. What the worker has used of the processor when its loop last turned. */
void cfw_vigil_note_cpu(struct cfw_vigil *v, const struct cfw_page *page, pid_t worker);
/* It would run, but has hardly had the processor since: the machine is slow, not its loop. */
bool cfw_vigil_starves(const struct cfw_vigil *v, pid_t worker);
/* *next_ns: look again then. *ping: send one; it is noted as sent. */
enum cfw_verdict cfw_vigil_look(struct cfw_vigil *v, const struct cfw_page *page, uint64_t now_ns, uint64_t *next_ns,
				bool *ping);

/* ---- guardian_signals.c: all signals, read from a descriptor; as they were, for the child ---- */

struct cfw_inherited {
	sigset_t mask;
	struct sigaction act[CFW_PAGE_SIGNALS];
};

/* Block all signals, and take them by a descriptor, also those that are ignored; in this order around a fork. Negative: errno. */
int cfw_inherited_block(struct cfw_inherited *i);
int cfw_inherited_take(struct cfw_inherited *i);
void cfw_inherited_give_back(const struct cfw_inherited *i); /* in the child: as they were found */
/* Is this one passed on? Not those that are about the guardian itself. */
bool cfw_signal_is_passed(int signo);

/* ---- guardian_job.c: the terminal ---- */

struct cfw_job {
	int tty;     /* whose foreground is handed on to the worker's group; -1: it is not */
	bool shares; /* the worker stays in our group: others of a pipeline need the terminal as much as its command does */
	pid_t group; /* our own */
	pid_t worker;
	uint64_t stops, continues; /* asked for from outside, to tell which came last */
};

void cfw_job_init(struct cfw_job *j, bool has_command);
void cfw_job_give(struct cfw_job *j, pid_t worker); /* the foreground, if it is ours to give */
void cfw_job_take(struct cfw_job *j);               /* back */
void cfw_job_stop(struct cfw_job *j);               /* SIGTSTP and its like came */
void cfw_job_continue(struct cfw_job *j);           /* SIGCONT came */
void cfw_job_stopped(struct cfw_job *j, int signo); /* the worker was stopped: so are we, if somebody can continue us */

/* ---- guardian_rest.c: what is left at the end ---- */

/* Kill every child that is not among spared (with what is below them, which then is ours), and reap. Bounded by deadline_ns. */
void cfw_rest_kill(const struct cfw_page *page, const struct cfw_pids *spared, uint64_t deadline_ns);

/* The socket files of an orchestrator that could not remove them itself. */
void cfw_rest_remove_files(const struct cfw_page *page);

/* guardian_memory.c: give back the pages of files that starting up has touched. */
void cfw_guardian_slim(void);

#endif
