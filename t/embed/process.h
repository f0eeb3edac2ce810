/* process.h: what an instance does to the process that it is in: threads that call exit(3), children of fork(2), handlers of signals
 * and system calls that they interrupt. Part of suite.h. */
#ifndef T_EMBED_PROCESS_H
#define T_EMBED_PROCESS_H

#include <fcntl.h>
#include <pthread.h>
#include <sys/time.h>

/* ---- exit(3) in a thread that is not the loop's ---- */

struct leaver {
	pthread_t loop; /* the thread that turns it */
	int out;        /* a pipe */
	_Atomic bool go;
	int code;
};

static void write_word(int fd, const char *word)
{
	ssize_t n = write(fd, word, strlen(word));
	(void)n;
}

static void hook_on_loop(void *ud, const struct curfew_hook *hook)
{
	const struct hook *k = ud;
	const struct leaver *l = (const void *)k->name;
	write_word(l->out, pthread_equal(pthread_self(), l->loop) ? "hook " : "elsewhere ");
	curfew_hook_done(k->h->c, hook->run, NULL);
}

static void *leave(void *ud)
{
	struct leaver *l = ud;
	while (!l->go)
		usleep(500);
	exit(l->code);
}

static void *read_standard_input(void *ud)
{
	struct leaver *l = ud;
	l->go = true;
	getc(stdin);
	return NULL;
}

static int at_exit_fd;
static void at_exit(void)
{
	write_word(at_exit_fd, "atexit ");
}

enum how { ONE_THREAD, TWO_THREADS, NO_TURN, A_READER };

static int hear_child(pid_t pid, int pipes[2], char *out, size_t size)
{
	size_t at = 0;
	close(pipes[1]);
	for (ssize_t n; at < size - 1 && (n = read(pipes[0], out + at, size - 1 - at)) > 0;)
		at += (size_t)n;
	out[at] = '\0';
	close(pipes[0]);
	return reap(pid);
}

/* A child whose loop is busy, while others of its threads exit; or that is ended by the alarm. What its hook wrote. */
static int leaves(enum how how, char *out, size_t size)
{
	static const char busy[] = "local curfew = require 'curfew' curfew.every('1ms', function() end)";
	int pipes[2], in[2];
	if (pipe(pipes) || pipe(in))
		tap_bail("pipe");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		alarm(60);
		dup2(in[0], 0); /* nobody writes */
		loop_open();
		struct host h;
		struct server a;
		struct leaver l = {.loop = pthread_self(), .out = at_exit_fd = pipes[1], .code = 3}, second = l;
		struct hook k = {.h = &h, .name = (const char *)&l};
		pthread_t thread;
		second.code = 4;
		open_with(&h, (struct curfew_options){.exit_timeout_ns = how == NO_TURN ? SEC / 4 : 20 * SEC});
		add(&h, &a, "a", NULL);
		struct curfew_hook_options o = {
			.size = sizeof o, .server = a.id, .phase = CURFEW_PRE_STOP, .fn = hook_on_loop, .ud = &k};
		if (!curfew_hook_new(h.c, &o, NULL) || curfew_load(h.c, "=busy", busy, sizeof busy - 1, NULL) ||
		    atexit(at_exit) || curfew_own_exit(h.c, NULL))
			_exit(90);
		curfew_start(h.c);
		turn_until(&h, is_state(&h, "started"));
		if (how == A_READER) {
			pthread_create(&thread, NULL, read_standard_input, &second);
			while (!second.go)
				usleep(500);
			exit(5);
		}
		pthread_create(&thread, NULL, leave, &l);
		if (how == TWO_THREADS)
			pthread_create(&thread, NULL, leave, &second);
		l.go = second.go = true;
		if (how == NO_TURN)
			pthread_join(thread, NULL);
		turn_until(&h, false);
		_exit(91);
	}
	close(in[0]);
	close(in[1]);
	return hear_child(pid, pipes, out, size);
}

static void test_exit_in_threads(void)
{
	char out[64];
	int code = 3;
	for (int i = 0; i < 5 && code == 3; i++)
		code = leaves(ONE_THREAD, out, sizeof out);
	is_int(code, 3, "S5.3: exit(3) in a thread while the loop is busy ends with 3");
	is_str(out, "hook atexit ", "its hook ran on the loop's thread; handlers registered before are called");
	code = leaves(TWO_THREADS, out, sizeof out);
	ok(code == 3 || code == 4, "S5.3: of two threads that exit, a code: %d", code);
	is_str(out, "hook atexit ", "and one stop");
	is_int(leaves(NO_TURN, out, sizeof out), 255, "S4.8: a loop that does not turn, with 255 after the exit timeout");
	is_int(leaves(A_READER, out, sizeof out), 5, "S5.3: a thread that waits for input does not hold up the end");
	is_str(out, "hook atexit ", "after its hook");
}

/* ---- children of fork(2) ---- */

static int note_fd;
static void noting_handler(int signo)
{
	(void)signo;
	write_word(note_fd, "x");
}

/* A child of a program that owns SIGTERM, which was handled like that before; how a SIGTERM ends it, -1: it did not. */
static int forked(void (*handler)(int), char *noted)
{
	struct host h;
	int term[] = {SIGTERM}, pipes[2];
	struct sigaction act = {.sa_handler = handler}, old;
	sigaction(SIGTERM, &act, &old);
	if (pipe(pipes))
		tap_bail("pipe");
	note_fd = pipes[1];
	open_host(&h);
	is_int(curfew_own_signals(h.c, term, 1, &h.err), 0, "a signal is owned");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		raise(SIGTERM);
		_exit(7);
	}
	int code = reap(pid);
	turn(&h);
	ok(!h.over, "the parent is not meant");
	close_host(&h);
	close(pipes[1]);
	*noted = '-';
	if (read(pipes[0], noted, 1) < 0)
		*noted = '?';
	close(pipes[0]);
	sigaction(SIGTERM, &old, NULL);
	return code;
}

/* A child has an instance of its own, in a program that has one as well. */
static int forked_worker(bool by_exit)
{
	struct host h;
	int both[] = {SIGTERM, SIGUSR2};
	open_host(&h);
	if (curfew_own_signals(h.c, both, 2, &h.err) || curfew_own_exit(h.c, &h.err))
		tap_bail("%s", h.err.msg);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		static const char policy[] = "local curfew = require 'curfew' curfew.on('*', curfew.graceful(9))";
		struct host own;
		struct server a;
		loop_open();
		open_host(&own);
		add(&own, &a, "a", NULL);
		if (curfew_load(own.c, "=worker", policy, sizeof policy - 1, NULL) ||
		    curfew_own_signals(own.c, both, 2, NULL) || curfew_own_exit(own.c, NULL))
			_exit(90);
		curfew_start(own.c);
		turn_until(&own, is_state(&own, "started"));
		if (by_exit)
			exit(0);
		raise(SIGTERM);
		int code = end_of(&own);
		close_host(&own);
		_exit(code);
	}
	int code = reap(pid);
	close_host(&h);
	return code;
}

static void test_forks(void)
{
	char noted;
	is_int(forked(SIG_DFL, &noted), 1000 + SIGTERM, "a child has the default that was there before");
	is_int(forked(SIG_IGN, &noted), 7, "or ignores it");
	is_int(forked(noting_handler, &noted), 7, "or handles it");
	ok(noted == 'x', "as the program does");
	is_int(forked_worker(false), 9, "a child with an instance of its own owns its signals");
	is_int(forked_worker(true), 9, "and its exit");
}

/* ---- what a handler of the program's relies on ---- */

static volatile sig_atomic_t alarms;
static void alarm_handler(int signo)
{
	(void)signo;
	if (++alarms == 500)
		write_word(note_fd, "late");
}

static void test_interrupted(void)
{
	struct host h;
	int alrm[] = {SIGALRM}, pipes[2];
	char word[8];
	struct sigaction act = {.sa_handler = alarm_handler}, old;
	struct itimerval often = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
	struct curfew_decision ignore = {CURFEW_IGNORE, 0};
	if (pipe(pipes))
		tap_bail("pipe");
	note_fd = pipes[1];
	sigaction(SIGALRM, &act, &old);
	open_host(&h);
	curfew_on(h.c, "SIGALRM", rule, &ignore, NULL);
	is_int(curfew_own_signals(h.c, alrm, 1, &h.err), 0, "a signal whose handler interrupts");
	setitimer(ITIMER_REAL, &often, NULL);
	ssize_t n = read(pipes[0], word, sizeof word);
	int why = errno;
	setitimer(ITIMER_REAL, &never, NULL);
	ok(n == -1 && why == EINTR, "a system call is interrupted, as it was");
	close_host(&h);
	sigaction(SIGALRM, &old, NULL);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_once(void)
{
	struct host h;
	int usr2[] = {SIGUSR2};
	struct sigaction act = {.sa_handler = own_handler, .sa_flags = (int)SA_RESETHAND}, after;
	struct curfew_decision ignore = {CURFEW_IGNORE, 0};
	open_host(&h);
	curfew_on(h.c, "SIGUSR2", rule, &ignore, NULL);
	sigaction(SIGUSR2, &act, NULL);
	is_int(curfew_own_signals(h.c, usr2, 1, &h.err), 0, "a signal whose handler is for once");
	own_count = 0;
	raise(SIGUSR2);
	raise(SIGUSR2);
	is_int(own_count, 1, "it is called once");
	turn_until(&h, strstr(told, "SIGUSR2:2"));
	ok(strstr(told, "SIGUSR2:2"), "each is a trigger");
	close_host(&h);
	sigaction(SIGUSR2, NULL, &after);
	ok(after.sa_handler == SIG_DFL, "and then the default is there, as it would be");
}

static void test_hangup(void)
{
	struct host h;
	struct server a;
	int hup[] = {SIGHUP};
	struct sigaction act = {.sa_handler = SIG_IGN}, old, is;
	struct curfew_decision ignore = {CURFEW_IGNORE, 0};
	static const char policy[] = "local curfew = require 'curfew' curfew.on('SIGHUP', curfew.graceful(8))";
	sigaction(SIGHUP, &act, &old);
	for (int in_lua = 0; in_lua <= 1; in_lua++) {
		open_host(&h);
		add(&h, &a, "a", NULL);
		is_int(curfew_own_signals(h.c, hup, 1, &h.err), 0, "SIGHUP, which is ignored");
		if (in_lua)
			is_int(curfew_load(h.c, "=hup", policy, sizeof policy - 1, &h.err), 0, "a policy that names it");
		curfew_start(h.c);
		turn_until(&h, is_state(&h, "started"));
		sigaction(SIGHUP, NULL, &is);
		if (in_lua) {
			is_int(curfew_reload(h.c, NULL, NULL, &h.err), 0, "and does so after a reload");
			turn(&h);
			raise(SIGHUP);
			is_int(end_of(&h), 8, "S2.2: has it caught");
		} else {
			ok(is.sa_handler == SIG_IGN, "S2.2: stays ignored, for children as well");
			curfew_on(h.c, "SIGHUP", rule, &ignore, NULL);
			turn_until(&h, (sigaction(SIGHUP, NULL, &is), is.sa_handler != SIG_IGN));
			raise(SIGHUP);
			turn_until(&h, strstr(told, "SIGHUP:1"));
			ok(strstr(told, "SIGHUP:1"), "S2.2: until a rule names it");
		}
		close_host(&h);
		sigaction(SIGHUP, NULL, &is);
		ok(is.sa_handler == SIG_IGN, "and again when the instance has gone");
	}
	sigaction(SIGHUP, &old, NULL);
}

static void test_process(void)
{
	test_exit_in_threads();
	test_forks();
	test_interrupted();
	test_once();
	test_hangup();
}

#endif
