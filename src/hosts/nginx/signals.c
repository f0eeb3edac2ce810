/* signals.c: the signals of a worker. nginx's own handler sets flags that its loop looks at whenever it comes by, also right after
 * the tail event has looked: so those that end a worker are counted here instead, and wake the instance. */
#include "module.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

static volatile sig_atomic_t quits, terms, ints;
static timer_t timer;
static bool have_timer;

static void handle(int signo)
{
	int saved = errno;
	if (signo == SIGQUIT)
		quits = 1;
	else if (signo == SIGTERM)
		terms = 1;
	else if (signo == SIGINT)
		ints = 1;
	ngx_curfew_worker_wake(); /* all that USR2 is for: the master has written to shared memory */
	errno = saved;
}

void ngx_curfew_signals_take(void)
{
	static const int mine[] = {SIGQUIT, SIGTERM, SIGINT, SIGUSR2};
	size_t n = sizeof mine / sizeof *mine - (ngx_process == NGX_PROCESS_SINGLE); /* whose USR2 is nginx's */
	struct sigaction sa = {.sa_handler = handle, .sa_flags = SA_RESTART}, was;
	size_t i;
	sigfillset(&sa.sa_mask);
	for (i = 0; i < n; i++)
		sigaction(mine[i], &sa, NULL);
	/* nginx's handler reaps every child, those of scripts, too. One of another module's stays. */
	if (sigaction(SIGCHLD, NULL, &was) == 0 && ngx_curfew_is_nginx(&was)) {
		sa.sa_handler = SIG_DFL;
		sigaction(SIGCHLD, &sa, NULL);
	}
}

void ngx_curfew_signals_look(void)
{
	if (quits) {
		quits = 0;
		ngx_curfew_worker_quit();
	}
	if (terms) {
		terms = 0;
		ngx_curfew_worker_term(SIGTERM);
	}
	if (ints) {
		ints = 0;
		ngx_curfew_worker_term(SIGINT);
	}
}

/* The signal is SIGKILL: no handler, no lock, nothing that a blocked worker could hold up. The master takes its mutexes back. */
void ngx_curfew_bound(uint64_t at_ns)
{
	enum { SLACK = 250000000 }; /* what the loop ends in time ends by itself */
	struct itimerspec t = {{0, 0}, {0, 0}};
	struct sigevent ev;
	if (!have_timer && at_ns == CURFEW_NEVER)
		return;
	if (!have_timer) {
		ngx_memzero(&ev, sizeof ev);
		ev.sigev_notify = SIGEV_SIGNAL;
		ev.sigev_signo = SIGKILL;
		have_timer = timer_create(CLOCK_MONOTONIC, &ev, &timer) == 0;
	}
	if (at_ns != CURFEW_NEVER) {
		at_ns += SLACK;
		t.it_value.tv_sec = (time_t)(at_ns / 1000000000);
		t.it_value.tv_nsec = (long)(at_ns % 1000000000);
	}
	if (have_timer)
		timer_settime(timer, TIMER_ABSTIME, &t, NULL);
}
