/* curfew_own.c: signals of the process, for an instance that was told to take them; curfew_exit.c has its exit(3). What is static here
 * is the process's: it has one table of handlers. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
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
	bool hangup; /* SIGHUP is to be ignored, as it was, unless a rule names it (S2.2) */
};

/* What was there before ours. A handler may come by late and look at it: none is ever freed. */
struct before {
	struct sigaction act;
	atomic_bool spent; /* it has SA_RESETHAND, and was called */
	struct before *older;
};

static struct {
	_Atomic(struct cfw_own *) owners[OWNERS];
	_Atomic(struct before *) before; /* the last one; NULL: ours was never there */
	unsigned n;                      /* owners; 0: before is nothing */
} caught[SIGNALS];

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER; /* of caught: instances of several threads come and go */
static _Atomic pid_t table_pid;                           /* whose owners they are: a child of fork(2) has a copy */
static _Atomic unsigned inside;                           /* handlers that run, in any thread */
/* The signal whose earlier handler is called by this thread. One that calls ours in turn, as it found ours when it was put in place,
 * is not to go round in circles. initial-exec: nothing is allocated in a handler. */
static _Thread_local __attribute__((tls_model("initial-exec"))) volatile sig_atomic_t chaining;

/* Blocked in a call of ours by the kernel, and not while the earlier handler is called: so one of these that has been left by
 * siglongjmp(3) is known from one that calls ours. */
enum { MARK = SIGSYS };

static bool is_ours(const struct sigaction *act);

/* Else whoever has put a handler in place of ours calls it. */
static bool is_in_place(int signo)
{
	struct sigaction now;
	return !sigaction(signo, NULL, &now) && is_ours(&now);
}

static bool is_handled(const struct sigaction *act)
{
	return act->sa_flags & SA_SIGINFO || (act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN);
}

static void chain(struct before *before, int signo, siginfo_t *info, void *context)
{
	const struct sigaction *act = &before->act;
	if (!is_handled(act) || (act->sa_flags & (int)SA_RESETHAND && atomic_exchange(&before->spent, true)))
		return;
	if (act->sa_flags & SA_SIGINFO)
		act->sa_sigaction(signo, info, context);
	else
		act->sa_handler(signo);
}

static bool is_default(const struct before *before)
{
	return is_handled(&before->act) ? atomic_load(&before->spent) : before->act.sa_handler == SIG_DFL;
}

/* Nobody here owns the signal, as in a child of fork(2) without an instance of its own: it ends by it, or whatever the default is, as
 * soon as the handler returns. */
static void take_default(int signo)
{
	const struct sigaction none = {.sa_handler = SIG_DFL};
	if (!sigaction(signo, &none, NULL))
		raise(signo);
}

/* True: an instance owns it, in this process. No other handler comes between: it may leave by siglongjmp(3). */
static bool count(int signo)
{
	bool here = false;
	atomic_fetch_add(&inside, 1);
	for (int i = 0; i < OWNERS; i++) {
		struct cfw_own *own = atomic_load(&caught[signo].owners[i]);
		if (!own || own->pid != getpid())
			continue;
		here = true;
		atomic_fetch_add(&own->counts[signo], 1);
		curfew_wake(own->c);
	}
	atomic_fetch_sub(&inside, 1);
	return here;
}

static void on_signal(int signo, siginfo_t *info, void *context)
{
	int saved = errno, outer = chaining;
	struct before *before = atomic_load(&caught[signo].before);
	sigset_t all, was;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	bool circle = outer == signo && !sigismember(&was, MARK);
	if (!circle && !count(signo) && is_default(before) && is_in_place(signo))
		take_default(signo);
	sigdelset(&was, MARK);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (circle)
		return;
	chaining = signo;
	chain(before, signo, info, context);
	chaining = outer;
	errno = saved;
}

static bool is_ours(const struct sigaction *act)
{
	return act->sa_flags & SA_SIGINFO && act->sa_sigaction == on_signal;
}

static bool is_ignored(const struct sigaction *act)
{
	return !(act->sa_flags & SA_SIGINFO) && act->sa_handler == SIG_IGN;
}

/* Of the mask, what the kernel has; the rest is anything. */
static bool is_same(const struct sigaction *a, const struct sigaction *b)
{
	return a->sa_flags == b->sa_flags && a->sa_sigaction == b->sa_sigaction &&
	       !memcmp(&a->sa_mask, &b->sa_mask, SIGNALS / 8);
}

/* Known before ours can be called. */
static int keep_before(int signo, const struct sigaction *now, struct curfew_err *err)
{
	struct before *last = atomic_load(&caught[signo].before), *b = last;
	if (!last || !is_same(&last->act, now)) {
		if (!(b = malloc(sizeof *b)))
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		b->act = *now;
		b->older = last;
	}
	atomic_store(&b->spent, false);
	atomic_store(&caught[signo].before, b);
	return 0;
}

/* The program's system calls are interrupted, or not, as its own handler would have them, and so is this handler by others. */
static int catch (int signo, struct curfew_err *err)
{
	struct sigaction act = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK}, now;
	if (sigaction(signo, NULL, &now))
		return cfw_err_sys(err, "cannot catch %s", cfw_signal_name(signo));
	if (is_ours(&now)) /* a child's, from before the fork */
		return 0;
	int rc = keep_before(signo, &now, err);
	if (rc)
		return rc;
	act.sa_flags |= now.sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_NODEFER);
	act.sa_mask = now.sa_mask;
	sigaddset(&act.sa_mask, MARK);
	act.sa_flags |= is_handled(&now) ? now.sa_flags & SA_RESTART : SA_RESTART;
	if (signo == SIGCHLD && is_ignored(&now)) /* then children leave no zombies */
		act.sa_flags |= SA_NOCLDWAIT;
	return sigaction(signo, &act, NULL) ? cfw_err_sys(err, "cannot catch %s", cfw_signal_name(signo)) : 0;
}

static void give_back(int signo)
{
	const struct before *before = atomic_load(&caught[signo].before);
	const struct sigaction none = {.sa_handler = SIG_DFL};
	if (is_in_place(signo))
		sigaction(signo, atomic_load(&before->spent) ? &none : &before->act, NULL);
}

/* S2.2. */
static bool stays_ignored(const struct curfew *c, int signo)
{
	struct sigaction now;
	if (signo != SIGHUP || curfew_signal_has_rule(c, signo) || cfw_host_rule_names(c, signo))
		return false;
	return caught[signo].n ? is_ignored(&atomic_load(&caught[signo].before)->act)
			       : !sigaction(signo, NULL, &now) && is_ignored(&now);
}

/* In a child: those of the parent own nothing here; another of its threads may have held the lock. */
static void leave_parent(void)
{
	pid_t before = atomic_exchange(&table_pid, getpid());
	if (before == 0 || before == getpid())
		return;
	pthread_mutex_init(&table, NULL);
	atomic_store(&inside, 0);
	for (int signo = 1; signo < SIGNALS; signo++) {
		caught[signo].n = 0;
		for (int i = 0; i < OWNERS; i++)
			atomic_store(&caught[signo].owners[i], NULL);
	}
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
	if (stays_ignored(o->c, signo)) {
		o->hangup = true;
		return 0;
	}
	while (slot < OWNERS && atomic_load(&caught[signo].owners[slot]))
		slot++;
	if (slot == OWNERS)
		return cfw_err_set(err, CURFEW_ELIMIT, "%d instances own %s already", OWNERS, cfw_signal_name(signo));
	atomic_store(&caught[signo].owners[slot], o); /* before the first one comes */
	int rc = caught[signo].n ? 0 : catch (signo, err);
	if (rc) {
		atomic_store(&caught[signo].owners[slot], NULL);
		return rc;
	}
	caught[signo].n++;
	o->owned[signo] = true;
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
	leave_parent();
	pthread_mutex_lock(&table);
	for (size_t i = 0; i < n && !rc; i++)
		rc = own(c->own, signals[i], err);
	pthread_mutex_unlock(&table);
	return rc;
}

void cfw_own_ruled(struct curfew *c, int signo)
{
	struct curfew_err err = {0};
	if (!c->own || !c->own->hangup || signo != SIGHUP)
		return;
	c->own->hangup = false;
	pthread_mutex_lock(&table);
	int rc = own(c->own, signo, &err);
	pthread_mutex_unlock(&table);
	if (rc)
		cfw_log_at(c->opt.log, CFW_ERROR, "SIGHUP stays ignored, though a rule names it: %s", err.msg);
}

void cfw_own_step(struct curfew *c)
{
	for (int signo = 1; c->own && signo < SIGNALS; signo++) {
		unsigned times = c->own->owned[signo] ? atomic_exchange(&c->own->counts[signo], 0) : 0;
		if (times && !stays_ignored(c, signo)) /* a reload may have dropped the rule */
			curfew_signal(c, signo, times);
	}
}

void cfw_own_nothing(struct curfew *c)
{
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
