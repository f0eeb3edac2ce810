/* curfew_own.c: signals and exit(3) of the process, for an instance that was told to take them. What is static here is the process's:
 * it has one table of handlers and one end. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "curfew_embed.h"

enum { SIGNALS = 65, OWNERS = 16 };

/* What the handler finds of an instance. */
struct cfw_own {
	struct curfew *c;
	pid_t pid; /* a child that was forked has the handlers, too, and must not count here */
	_Atomic unsigned counts[SIGNALS];
	bool owned[SIGNALS];
};

static struct {
	_Atomic(struct cfw_own *) owners[OWNERS];
	struct sigaction before;
	unsigned n; /* owners; 0: before is nothing */
} caught[SIGNALS];

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER; /* of caught: instances of several threads come and go */
static _Atomic unsigned inside;                           /* handlers that run, in any thread */
/* The signal whose earlier handler is called by this thread. One that calls ours in turn, as it found ours when it was put in place,
 * is not to go round in circles. initial-exec: nothing is allocated in a handler. */
static _Thread_local __attribute__((tls_model("initial-exec"))) volatile sig_atomic_t chaining;
static _Atomic(struct curfew *) exit_owner;
static pid_t exit_pid;

/* ---- signals ---- */

static void chain(int signo, siginfo_t *info, void *context)
{
	const struct sigaction *before = &caught[signo].before;
	if (before->sa_flags & SA_SIGINFO)
		before->sa_sigaction(signo, info, context);
	else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN)
		before->sa_handler(signo);
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	int saved = errno, outer = chaining;
	if (outer == signo)
		return;
	atomic_fetch_add(&inside, 1);
	for (int i = 0; i < OWNERS; i++) {
		struct cfw_own *own = atomic_load(&caught[signo].owners[i]);
		if (!own || own->pid != getpid())
			continue;
		atomic_fetch_add(&own->counts[signo], 1);
		curfew_wake(own->c);
	}
	atomic_fetch_sub(&inside, 1);
	chaining = signo;
	chain(signo, info, context);
	chaining = outer;
	errno = saved;
}

static int catch (int signo, struct curfew_err *err)
{
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO};
	sigfillset(&act.sa_mask);
	if (sigaction(signo, NULL, &caught[signo].before)) /* known before ours can be called */
		return cfw_err_sys(err, "cannot catch %s", cfw_signal_name(signo));
	act.sa_flags |= caught[signo].before.sa_flags & (SA_ONSTACK | SA_NOCLDSTOP);
	return sigaction(signo, &act, NULL) ? cfw_err_sys(err, "cannot catch %s", cfw_signal_name(signo)) : 0;
}

static void give_back(int signo)
{
	struct sigaction now;
	if (!sigaction(signo, NULL, &now) && now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_signal)
		sigaction(signo, &caught[signo].before, NULL);
}

static bool may_be_caught(int signo)
{
	static const int never[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		if (signo == never[i])
			return false;
	return signo > 0 && signo < SIGNALS && !(signo >= 32 && signo < SIGRTMIN); /* the C library has those for itself */
}

static int own(struct cfw_own *o, int signo, struct curfew_err *err)
{
	int slot = 0;
	if (o->owned[signo])
		return 0;
	while (slot < OWNERS && atomic_load(&caught[signo].owners[slot]))
		slot++;
	if (slot == OWNERS)
		return cfw_err_set(err, CURFEW_ELIMIT, "%d instances own %s already", OWNERS, cfw_signal_name(signo));
	int rc = caught[signo].n ? 0 : catch (signo, err);
	if (rc)
		return rc;
	caught[signo].n++;
	o->owned[signo] = true;
	atomic_store(&caught[signo].owners[slot], o);
	return 0;
}

static void disown(struct cfw_own *o, int signo)
{
	for (int i = 0; i < OWNERS; i++)
		if (atomic_load(&caught[signo].owners[i]) == o)
			atomic_store(&caught[signo].owners[i], NULL);
	if (!--caught[signo].n)
		give_back(signo);
	o->owned[signo] = false;
}

int curfew_own_signals(struct curfew *c, const int *signals, size_t n, struct curfew_err *err)
{
	if (n && !signals)
		return cfw_err_set(err, CURFEW_EINVAL, "curfew_own_signals: no signals");
	for (size_t i = 0; i < n; i++)
		if (!may_be_caught(signals[i]))
			return cfw_err_set(err, CURFEW_EINVAL, "curfew_own_signals: signal %d is none that can be a trigger",
					   signals[i]);
	if (!c->own) {
		c->own = calloc(1, sizeof *c->own);
		if (!c->own)
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		c->own->c = c;
		c->own->pid = getpid();
	}
	int rc = 0;
	pthread_mutex_lock(&table);
	for (size_t i = 0; i < n && !rc; i++)
		rc = own(c->own, signals[i], err);
	pthread_mutex_unlock(&table);
	return rc;
}

void cfw_own_step(struct curfew *c)
{
	for (int signo = 1; c->own && signo < SIGNALS; signo++) {
		unsigned times = c->own->owned[signo] ? atomic_exchange(&c->own->counts[signo], 0) : 0;
		if (times)
			curfew_signal(c, signo, times);
	}
}

/* ---- exit(3) ---- */

static void on_process_exit(int status, void *nothing)
{
	(void)nothing;
	struct curfew *c = atomic_load(&exit_owner);
	if (!c || exit_pid != getpid() || curfew_ended(c, NULL))
		return;
	on_exit(on_process_exit,
		NULL); /* a hook of this very stop may call exit as well; without memory that ends the process */
	if (c->stepping)
		cfw_host_hook_exits(c);
	int code = c->stepping ? curfew_exit_inside(c, status) : cfw_exit_outside(c, status);
	fflush(NULL);
	_exit(code); /* handlers registered before ours are not called: exit(3) cannot be told another code */
}

int curfew_own_exit(struct curfew *c, struct curfew_err *err)
{
	static bool registered;
	struct curfew *none = NULL;
	if (!atomic_compare_exchange_strong(&exit_owner, &none, c))
		return none == c ? 0 : cfw_err_set(err, CURFEW_EEXIST, "another instance owns the exit of this process");
	exit_pid = getpid();
	if (!registered && on_exit(on_process_exit, NULL)) {
		atomic_store(&exit_owner, NULL);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	registered = true;
	return 0;
}

void cfw_own_nothing(struct curfew *c)
{
	struct curfew *self = c;
	atomic_compare_exchange_strong(&exit_owner, &self, NULL);
	if (!c->own)
		return;
	pthread_mutex_lock(&table);
	for (int signo = 1; signo < SIGNALS; signo++)
		if (c->own->owned[signo])
			disown(c->own, signo);
	pthread_mutex_unlock(&table);
	while (atomic_load(&inside)) /* in another thread, for a moment */
		sched_yield();
	free(c->own);
	c->own = NULL;
}
