/* module.h: what the parts of the module know of each other.
 *
 *   module.c   directives, and the calls that nginx makes
 *   lib.c      libcurfew, opened at run time
 *   worker.c   an instance in a worker: its one descriptor in nginx's loop, the stop
 *   clients.c  who is connected, as a worker leaves
 *   signals.c  the worker's signals, and a kernel timer over its deadline
 *   master.c   the master's signals: TERM mapped, the stop of all workers together
 *   shared.c   memory that the processes of a cycle share: who leads, who is done
 *   http.c     lame duck, $curfew_state, curfew_status */
#ifndef NGX_CURFEW_MODULE_H
#define NGX_CURFEW_MODULE_H

#include <ngx_config.h>

#include <ngx_core.h>
#include <signal.h>

#include "lib.h"

extern ngx_module_t ngx_curfew_module;

enum { NGX_CURFEW_FAST, NGX_CURFEW_GRACEFUL }; /* curfew_term */
enum { NGX_CURFEW_WORKER, NGX_CURFEW_MASTER }; /* curfew_mode */

/* Of a cycle, and of its pool. Each string ends with NUL besides its length. */
struct ngx_curfew_conf {
	ngx_str_t library;
	ngx_str_t policy; /* its path; len 0: there is none, and all is as without the module */
	ngx_str_t text;   /* as it was read and compiled by the master: workers need not be able to read the file */
	ngx_msec_t exit_timeout;
	ngx_uint_t term;
	ngx_uint_t mode;
	ngx_flag_t watch;
	ngx_flag_t lame_duck;
	struct ngx_curfew_shared *shared; /* not of the pool: mapped, unmapped with it */
};

/* ---- shared.c ---- */

/* What a worker tells the master, in the slot of its process. */
enum { NGX_CURFEW_NONE, NGX_CURFEW_SERVES, NGX_CURFEW_HOOKS, NGX_CURFEW_DONE };
struct ngx_curfew_slot {
	volatile ngx_pid_t pid;
	volatile ngx_uint_t state;
	volatile uint64_t until_ns; /* when its stop ends at the latest; CURFEW_NEVER: none runs. Of CLOCK_MONOTONIC */
};

struct ngx_curfew_shared {
	ngx_atomic_t leader; /* the process that does what is to be done once; 0: not yet elected */
	ngx_atomic_t led;    /* it has been there to the end of the stop of all */
	ngx_atomic_t asked;  /* how many times the master has asked for a stop */
	struct ngx_curfew_slot slots[NGX_MAX_PROCESSES];
};

/* NULL, with errno. Gone with the pool of the cycle; workers have theirs by the fork. */
struct ngx_curfew_shared *ngx_curfew_shared_new(ngx_pool_t *pool);
/* Is this process the one? The first to ask is; should it die before it has ended its stop, the next to ask. */
bool ngx_curfew_lead(struct ngx_curfew_shared *s);
/* Its stop has ended: that of all workers of the cycle, after which nobody else leads, or its own. */
void ngx_curfew_lead_end(struct ngx_curfew_shared *s, bool all);
uint64_t ngx_curfew_now_ns(void);

/* ---- worker.c ---- */

ngx_int_t ngx_curfew_worker_init(ngx_cycle_t *cycle, const struct ngx_curfew_conf *conf);
void ngx_curfew_worker_exit(void);
void ngx_curfew_worker_quit(void);
void ngx_curfew_worker_term(int signo); /* or INT, that this process alone was sent */
void ngx_curfew_worker_wake(void);      /* from a signal handler */

/* For http.c: the instance of this process, or NULL; and whether replies are to end their connections. */
const struct curfew *ngx_curfew_instance(void);
bool ngx_curfew_is_lame(void);

/* ---- clients.c ---- */

/* S9.1: those in the kernel's queue are taken in: closing the listener would reset them. */
void ngx_curfew_clients_take(ngx_cycle_t *cycle);
/* nginx closes idle ones the moment that it quits; these it does not, until ngx_curfew_clients_close. */
void ngx_curfew_clients_spare(ngx_cycle_t *cycle);
void ngx_curfew_clients_close(ngx_cycle_t *cycle);
size_t ngx_curfew_clients_busy(const ngx_cycle_t *cycle); /* that are served */

/* ---- signals.c ---- */

/* The worker's QUIT, TERM, INT and USR2 are counted, and CHLD is left to libcurfew, which waits for its own children. */
void ngx_curfew_signals_take(void);
/* Those that came since the last call, each raised as ngx_curfew_worker_… */
void ngx_curfew_signals_look(void);
/* The process is killed at that time, whatever it does then: the loop may be blocked in C (S4.8). CURFEW_NEVER: not at all. */
void ngx_curfew_bound(uint64_t at_ns);

/* ---- master.c ---- */

/* At the end of a cycle's start; conf NULL or without a policy: signals are nginx's own. */
void ngx_curfew_master_init(ngx_cycle_t *cycle, struct ngx_curfew_conf *conf);
/* Is this the handler of nginx itself? */
bool ngx_curfew_is_nginx(const struct sigaction *sa);
/* This configuration goes with its pool. */
void ngx_curfew_master_forget(const struct ngx_curfew_conf *conf);
/* From a worker: look at the slots. */
void ngx_curfew_master_wake(ngx_log_t *log);

#endif
