/* bound SECONDS COMMAND ARG…: run a test, bounded in time, and end what it leaves behind.
 *
 * A test that started a process has to have seen its end. What is still there a moment after the test has ended, whatever
 * session it went to, is named, killed, and fails the test; so does the time limit. Exit code: the test's own, 128 + signal,
 * 124 when it was out of time, 125 when it left a process behind, 127 when it could not be run. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { OUT_OF_TIME = 124, LEFT_BEHIND = 125, NOT_RUN = 127 };
static const double moment = 1; /* seconds for what is about to end anyway */

static pid_t test;
static int test_status = -1; /* of waitpid, once it has ended */
static sigset_t waited;

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reap all that has ended; true while any child, adopted ones included, is there. */
static bool reap(void)
{
	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);
		if (pid <= 0)
			return pid == 0;
		if (pid == test)
			test_status = status;
	}
}

/* Wait for a child's end or a signal to end ourselves, at most until then; the signal, 0. */
static int wait_until(double then)
{
	double left = then - now();
	if (left < 0)
		left = 0;
	struct timespec t = {.tv_sec = (time_t)left, .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
	int signo = sigtimedwait(&waited, NULL, &t);
	return signo > 0 && signo != SIGCHLD ? signo : 0;
}

/* Kill every child of ours; how many there were. say: name them. */
static int kill_children(bool say)
{
	int n = 0;
	DIR *proc = opendir("/proc");
	if (!proc)
		return 0;
	for (struct dirent *e; (e = readdir(proc));) {
		char path[300], line[512] = "";
		int pid = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : 0, parent = 0;
		snprintf(path, sizeof path, "/proc/%d/stat", pid);
		FILE *f = pid > 0 ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		const char *after =
			fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL; /* behind the name, whatever is in it */
		fclose(f);
		if (!after || sscanf(after, ") %*c %d", &parent) != 1 || parent != getpid())
			continue;
		if (say)
			fprintf(stderr, "# left behind: %.*s\n", (int)(after - line) + 1, line);
		kill(pid, SIGKILL);
		n++;
	}
	closedir(proc);
	return n;
}

/* Nothing of the test is left afterwards, save what the kernel cannot end; true when there was something. */
static bool end_all(bool say)
{
	double end = now() + 10;
	bool any = false;
	while (reap() && now() < end) {
		any |= kill_children(say && !any) > 0;
		wait_until(now() + 0.01);
	}
	return any;
}

/* Signals 32 and 33 are glibc's own. Its posix_spawn, by which make starts all this, leaves them ignored, and they would stay so
 * in every process below; its sigaction does not touch them. */
static void default_internal_signals(void)
{
	static const unsigned long zero[8]; /* a kernel's struct sigaction: SIG_DFL, no flags, an empty mask */
	for (int signo = 32; signo <= 33; signo++)
		syscall(SYS_rt_sigaction, signo, zero, NULL, 8);
}

static _Noreturn void run(char **argv)
{
	default_internal_signals();
	sigprocmask(SIG_UNBLOCK, &waited, NULL);
	const char *apart = getenv("GCOV_APART"); /* each test counts for itself: what is killed loses no other's counters */
	char own[4096];
	if (apart && (size_t)snprintf(own, sizeof own, "%s/%ld", apart, (long)getpid()) < sizeof own)
		setenv("GCOV_PREFIX", own, 1);
	execvp(argv[0], argv);
	fprintf(stderr, "# %s: %s\n", argv[0], strerror(errno));
	_exit(NOT_RUN);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return NOT_RUN;
	sigemptyset(&waited);
	const int signals[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
	for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
		sigaddset(&waited, signals[i]);
	sigprocmask(SIG_BLOCK, &waited, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* who ran us is gone: nobody reads on */
	double limit = atof(argv[1]), end = now() + limit;
	test = fork();
	if (test == 0)
		run(argv + 2);
	if (test < 0)
		return NOT_RUN;
	int signo = 0;
	while (reap() && test_status < 0 && !signo && now() < end)
		signo = wait_until(end);
	if (test_status < 0) {
		if (!signo)
			fprintf(stderr, "# %s: not ended after %g s\n", argv[argc - 1], limit);
		end_all(false);
		return signo ? 128 + signo : OUT_OF_TIME;
	}
	for (end = now() + moment; reap() && now() < end;)
		wait_until(now() + 0.01);
	bool left = end_all(true);
	int code = WIFSIGNALED(test_status) ? 128 + WTERMSIG(test_status) : WEXITSTATUS(test_status);
	return code ? code : left ? LEFT_BEHIND : 0;
}
