/* exits.h: exit(3) at odd moments: in many threads at once, in one that is canceled, in the log's function when all is over, after the
 * end, after curfew.deactivate(). Part of suite.h. */
#ifndef T_EMBED_EXITS_H
#define T_EMBED_EXITS_H

#include "process.h"

enum { CROWD = 8 }; /* of many more the C library itself may make a crash: its exit is MT-Unsafe */

static pthread_barrier_t crowd;
static _Atomic bool leaves_now;
static bool hook_fails;

static void quick_hook(void *ud, const struct curfew_hook *hook)
{
	const struct host *h = ud;
	write_word(at_exit_fd, "hook ");
	curfew_hook_done(h->c, hook->run, hook_fails ? "on purpose" : NULL);
}

static void *leave_in_crowd(void *ud)
{
	pthread_barrier_wait(&crowd);
	exit((int)(intptr_t)ud);
}

/* Registered last, called first. */
static void note_leaver(void)
{
	leaves_now = true;
}

static void *leave_alone(void *ud)
{
	exit((int)(intptr_t)ud);
}

static void exit_at_end(void *ud, enum curfew_log_level level, const char *text, const struct curfew_log_field *fields,
			size_t n)
{
	(void)ud, (void)level, (void)fields, (void)n;
	if (!strcmp(text, hook_fails ? "on purpose" : "exit 0"))
		exit(5);
}

enum moment { IN_CROWD, CANCELED, IN_LOG, IN_LOG_OF_HOOK, AFTER_END, DEACTIVATED };

static void leave_at(struct host *h, enum moment moment)
{
	struct sigaction is;
	pthread_t thread;
	if (moment == IN_CROWD) {
		pthread_barrier_init(&crowd, NULL, CROWD);
		for (int i = 0; i < CROWD; i++)
			pthread_create(&thread, NULL, leave_in_crowd, (void *)3);
	} else if (moment == CANCELED) {
		atexit(note_leaver);
		pthread_create(&thread, NULL, leave_alone, (void *)3);
		while (!leaves_now)
			usleep(500);
		pthread_cancel(thread);
	} else if (moment == IN_LOG || moment == IN_LOG_OF_HOOK) {
		curfew_stop(h->c);
	} else if (moment == AFTER_END) {
		curfew_stop(h->c);
		turn_until(h, h->over);
		if (curfew_own_exit(h->c, NULL))
			_exit(92);
		pthread_create(&thread, NULL, leave_alone, (void *)7);
		pthread_join(thread, NULL);
	} else {
		turn_until(h, !sigaction(SIGTERM, NULL, &is) && is.sa_handler == SIG_DFL);
		exit(is.sa_handler == SIG_DFL ? 6 : 93);
	}
	turn_until(h, false);
}

/* How a child ends, what its hook wrote; by SIGALRM where it waits for an end that nobody brings, as its exit timeout is long. */
static int left_at(enum moment moment, char *out, size_t size)
{
	static const char policy[] = "local curfew = require 'curfew' curfew.after('1ms', curfew.deactivate)";
	int pipes[2], term = SIGTERM;
	if (pipe(pipes))
		tap_bail("pipe");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		struct host h;
		struct server a;
		alarm(20);
		at_exit_fd = pipes[1];
		loop_open();
		open_with(&h, (struct curfew_options){.exit_timeout_ns = 1000 * SEC});
		hook_fails = moment == IN_LOG_OF_HOOK;
		if (moment == IN_LOG || hook_fails) { /* the log is told from the beginning: this one is another */
			close_host(&h);
			struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code, .ud = &h, .log = exit_at_end};
			o.exit_timeout_ns = 1000 * SEC;
			if (!(h.c = curfew_new(&o, NULL)) || loop_attach(&h.adapter, h.c))
				_exit(94);
		}
		add(&h, &a, "a", NULL);
		struct curfew_hook_options o = {
			.size = sizeof o, .server = a.id, .phase = CURFEW_PRE_STOP, .fn = quick_hook, .ud = &h};
		curfew_hook_new(h.c, &o, NULL);
		if (moment == DEACTIVATED)
			curfew_load(h.c, "=off", policy, sizeof policy - 1, NULL);
		if (atexit(at_exit) || curfew_own_signals(h.c, &term, 1, NULL) ||
		    (moment != AFTER_END && curfew_own_exit(h.c, NULL)))
			_exit(90);
		curfew_start(h.c);
		turn_until(&h, is_state(&h, "started"));
		leave_at(&h, moment);
		_exit(91);
	}
	return hear_child(pid, pipes, out, size);
}

static void test_exits(void)
{
	char out[64] = "hook atexit ";
	int code = 3;
	for (int i = 0; i < 20 && code == 3 && !strcmp(out, "hook atexit "); i++)
		code = left_at(IN_CROWD, out, sizeof out);
	is_int(code, 3, "S5.3: many threads exit at the same moment");
	is_str(out, "hook atexit ", "S4.12: and the hook is called");
	for (int i = 0; i < 5 && code == 3; i++)
		code = left_at(CANCELED, out, sizeof out);
	is_int(code, 3, "S5.3: a thread that is canceled while it exits does so");
	is_str(out, "hook atexit ", "with all that belongs to it");
	is_int(left_at(IN_LOG, out, sizeof out), 5, "S5.3: exit(3) in the function of the log, as the last line is told");
	is_str(out, "hook atexit ", "is the end");
	is_int(left_at(IN_LOG_OF_HOOK, out, sizeof out), 5, "S5.3: or as it is told that a hook has failed");
	is_str(out, "hook atexit ", "which waits for nothing");
	is_int(left_at(AFTER_END, out, sizeof out), 0, "S5.3: the exit of an instance that has ended is its end");
	is_int(left_at(DEACTIVATED, out, sizeof out), 6, "S3.5: curfew.deactivate() gives back signals and exit(3)");
	is_str(out, "atexit ", "with which curfew has nothing to do any more");
}

#endif
