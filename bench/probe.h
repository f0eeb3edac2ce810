/* probe.h: one measurement of one command; see probe.c for the command line. */
#ifndef CURFEW_BENCH_PROBE_H
#define CURFEW_BENCH_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROBE_MS UINT64_C(1000000)

struct probe_options {
	char **command;
	int signo;             /* what ends it */
	const uint16_t *ports; /* on 127.0.0.1 */
	int nports;
	bool http;         /* ready is a 200, not a connect */
	const char *ready; /* ready is when this file exists */
	const char *marks; /* the file that children map */
	int n;             /* children, or connections */
	bool waves;        /* all connections ask at once, and again when all have their answer */
	unsigned seed;
	uint64_t idle_ns;  /* between ready and the signal */
	uint64_t bound_ns; /* what is left so long after the signal is killed, and that is the result; 0: it is a failure */
	uint64_t deadline_ns;
};

int probe_life(const struct probe_options *o);
int probe_children(const struct probe_options *o);
int probe_load(const struct probe_options *o);

/* Ends everything that the probe started, and the probe, with 1. */
_Noreturn void probe_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void probe_check_deadline(const struct probe_options *o, const char *waiting_for);

/* Starts the command; *exec_ns is when it called exec. The probe becomes subreaper: nothing that the command starts gets lost. */
pid_t probe_spawn(const struct probe_options *o, uint64_t *exec_ns);
/* Sends the signal; returns when, just before. */
uint64_t probe_stop(const struct probe_options *o, pid_t pid);
/* Waits until pid has ended. Returns when; *status as waitpid(2). */
uint64_t probe_wait(const struct probe_options *o, pid_t pid, int *status);
/* Waits until nothing is left of what the probe started; returns when the last of them ended, 0 when there was none. *status is
 * set when pid was among them. */
uint64_t probe_wait_all(const struct probe_options *o, pid_t pid, int *status);
/* The same with o->bound_ns after stop: 0 when it had to kill what was left then. */
uint64_t probe_wait_bounded(const struct probe_options *o, pid_t pid, uint64_t stop, int *status);
/* One more look without waiting: true when pid has ended, *status then as waitpid(2). */
bool probe_ended(pid_t pid, int *status);
/* Kilobytes (PSS) of everything below the probe, but for the pids in except. */
long probe_pss_kb(const int32_t *except, int nexcept);
void probe_print_end(int status);
void probe_nap(uint64_t ns);

/* A connection to 127.0.0.1:port, or -1. From 127.0.0.2: one made while nobody listens cannot meet itself. */
int probe_connect(uint16_t port);
/* Waits until all ports accept; with o->http, until the first answers 200. Returns when. */
uint64_t probe_wait_ports(const struct probe_options *o, pid_t pid);

#endif
