/* handlers.h: handlers of the program's beneath ours and above it: left by siglongjmp(3), interrupted by others, called once, put back
 * later, in children of fork(2); and children of a program that ignores SIGCHLD. Part of suite.h. */
#ifndef T_EMBED_HANDLERS_H
#define T_EMBED_HANDLERS_H

#include <setjmp.h>
#include <stdatomic.h>

static volatile sig_atomic_t handled, interrupted;
static sigjmp_buf away;
static struct sigaction beneath;

static void jumping_handler(int signo)
{
	(void)signo;
	handled++;
	siglongjmp(away, 1);
}

static void interrupting_handler(int signo)
{
	(void)signo;
	interrupted++;
}

static void raising_handler(int signo)
{
	(void)signo;
	handled++;
	raise(SIGWINCH);
	handled += interrupted * 10;
}

static void counting_handler(int signo)
{
	(void)signo;
	handled++;
}

/* As programs do that keep what they have found. */
static void handler_above(int signo)
{
	handled++;
	if (beneath.sa_flags & SA_SIGINFO)
		beneath.sa_sigaction(signo, NULL, NULL);
	else if (beneath.sa_handler != SIG_DFL && beneath.sa_handler != SIG_IGN)
		beneath.sa_handler(signo);
}

static struct curfew_decision rule_of_none(void *ud, const struct curfew_trigger_info *t)
{
	(void)t;
	return *(struct curfew_decision *)ud;
}

static void own_with(struct host *h, int signo, void (*handler)(int), int flags)
{
	static struct curfew_decision ignore = {CURFEW_IGNORE, 0};
	char name[16];
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags};
	sigaction(signo, &act, NULL);
	handled = interrupted = 0;
	open_host(h);
	snprintf(name, sizeof name, "SIG%s", sigabbrev_np(signo));
	curfew_on(h->c, name, rule, &ignore, NULL);
	is_int(curfew_own_signals(h->c, &signo, 1, &h->err), 0, "%s is owned", name);
}

/* How a child ends that raises the signal so often; 7: by itself. */
static int raised_in_child(int signo, int times)
{
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		while (times-- > 0)
			raise(signo);
		_exit(7);
	}
	return reap(pid);
}

/* The first raises of the first instance are left; where the program has put its handler above ours since, none goes in circles. */
static void test_jumps(void)
{
	struct host h;
	own_with(&h, SIGUSR1, jumping_handler, 0);
	for (volatile int i = 0; i < 3; i++)
		if (!sigsetjmp(away, 1))
			raise(SIGUSR1);
	is_int(handled, 3, "a handler that is left by siglongjmp(3) is called each time");
	turn_until(&h, strstr(told, "SIGUSR1:3"));
	ok(strstr(told, "SIGUSR1:3"), "and each is a trigger");
	close_host(&h);

	own_with(&h, SIGUSR1, SIG_DFL, 0);
	struct sigaction act = {.sa_handler = handler_above};
	sigfillset(&act.sa_mask);
	sigaction(SIGUSR1, &act, &beneath);
	close_host(&h);
	open_host(&h);
	int usr1 = SIGUSR1;
	is_int(curfew_own_signals(h.c, &usr1, 1, &h.err), 0, "one that calls ours is beneath another of ours");
	raise(SIGUSR1);
	raise(SIGUSR1);
	is_int(handled, 2, "it is called once for each signal");
	close_host(&h);
	signal(SIGUSR1, SIG_DFL);
}

static void test_mask(void)
{
	struct host h;
	struct sigaction act = {.sa_handler = interrupting_handler};
	sigaction(SIGWINCH, &act, NULL);
	own_with(&h, SIGUSR1, raising_handler, 0);
	raise(SIGUSR1);
	is_int(handled, 11, "what a handler does not block interrupts it, as it would");
	close_host(&h);
	act.sa_handler = raising_handler;
	sigaddset(&act.sa_mask, SIGWINCH);
	sigaction(SIGUSR1, &act, NULL);
	open_host(&h);
	int usr1 = SIGUSR1;
	curfew_own_signals(h.c, &usr1, 1, &h.err);
	handled = interrupted = 0;
	raise(SIGUSR1);
	is_int(handled * 10 + interrupted, 11, "and what it blocks comes after it");
	close_host(&h);
	signal(SIGUSR1, SIG_DFL);
	signal(SIGWINCH, SIG_DFL);
}

static void test_defaults(void)
{
	struct host h;
	struct sigaction act = {.sa_handler = handler_above};
	own_with(&h, SIGTERM, counting_handler, (int)SA_RESETHAND);
	is_int(raised_in_child(SIGTERM, 1), 7, "a child handles what is handled once");
	is_int(raised_in_child(SIGTERM, 2), 1000 + SIGTERM, "and the second time it is the default");
	close_host(&h);
	own_with(&h, SIGTERM, SIG_DFL, 0);
	sigaction(SIGTERM, &act, &beneath);
	is_int(raised_in_child(SIGTERM, 2), 7, "a child handles what a handler above ours handles");
	close_host(&h);
	is_int(raised_in_child(SIGTERM, 1), 7, "which stays when the instance has gone");
	sigaction(SIGTERM, &beneath, NULL);
	is_int(raised_in_child(SIGTERM, 1), 1000 + SIGTERM, "and when it goes the default is there");
	signal(SIGTERM, SIG_DFL);
}

static void test_no_zombies(void)
{
	struct host h;
	own_with(&h, SIGCHLD, SIG_IGN, 0);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	ok(waitpid(pid, NULL, 0) == -1 && errno == ECHILD, "children of a program that ignores SIGCHLD leave nothing behind");
	turn_until(&h, strstr(told, "SIGCHLD:1"));
	ok(strstr(told, "SIGCHLD:1"), "though it is owned, and a trigger");
	close_host(&h);
	signal(SIGCHLD, SIG_DFL);
}

enum { COMING = 3, RAISED = 3000 };

static _Atomic int counted;

static void atomic_handler(int signo)
{
	(void)signo;
	counted++;
}

static void *come_and_go(void *ud)
{
	const atomic_bool *over = ud;
	static const int usr2 = SIGUSR2;
	struct curfew_decision ignore = {CURFEW_IGNORE, 0};
	while (!*over) {
		struct host h = {.code = -1};
		struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code, .ud = &h};
		struct curfew *c = curfew_new(&o, NULL);
		if (!c || curfew_on(c, "SIGUSR2", rule_of_none, &ignore, NULL) || curfew_own_signals(c, &usr2, 1, NULL))
			_exit(90);
		curfew_step(c);
		curfew_free(c);
	}
	return NULL;
}

/* Instances of other threads own a signal, and no more, at any moment: with a sanitizer of threads this sees who looks after it. */
static void test_crossing(void)
{
	struct sigaction act = {.sa_handler = atomic_handler}, is;
	pthread_t threads[COMING];
	atomic_bool over = false;
	sigaction(SIGUSR2, &act, NULL);
	counted = 0;
	for (int i = 0; i < COMING; i++)
		pthread_create(&threads[i], NULL, come_and_go, &over);
	for (int i = 0; i < RAISED; i++)
		raise(SIGUSR2);
	over = true;
	for (int i = 0; i < COMING; i++)
		pthread_join(threads[i], NULL);
	is_int(counted, RAISED, "each signal is handled while instances come and go");
	sigaction(SIGUSR2, NULL, &is);
	ok(is.sa_handler == atomic_handler, "and the handler is there in the end");
	signal(SIGUSR2, SIG_DFL);
}

static void test_handlers(void)
{
	test_crossing();
	test_jumps();
	test_mask();
	test_defaults();
	test_no_zombies();
}

#endif
