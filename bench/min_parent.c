/* min_parent.c: the least that starts N children, passes SIGTERM on, reaps all and ends.
 *
 *   min_parent [-o] [-k MS] N COMMAND
 *
 * -o stops them one after the other, the last first, and tells each its place; -k kills what is left MS after the signal. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pid_t *pids;
static long count;

static int start(pid_t *pid, char **argv, const sigset_t *none)
{
	posix_spawnattr_t attr;
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attr, none);
	int rc = posix_spawnp(pid, argv[0], NULL, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	if (rc)
		fprintf(stderr, "min_parent: %s: %s\n", argv[0], strerror(rc));
	return rc;
}

static void kill_all(int signo)
{
	for (long i = 0; i < count; i++)
		if (pids[i] > 0)
			kill(pids[i], signo == SIGALRM ? SIGKILL : SIGTERM);
}

static void stop_in_order(void)
{
	for (long i = count - 1; i >= 0; i--) {
		kill(pids[i], SIGTERM);
		while (waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
			;
		pids[i] = 0;
	}
}

int main(int argc, char **argv)
{
	bool ordered = false;
	long kill_ms = 0;
	for (int opt; (opt = getopt(argc, argv, "+ok:")) != -1;) {
		ordered |= opt == 'o';
		if (opt == 'k')
			kill_ms = strtol(optarg, NULL, 10);
	}
	argv += optind;
	argc -= optind;
	count = argc == 2 ? strtol(argv[0], NULL, 10) : 0;
	pids = count > 0 && count <= 100000 ? calloc((size_t)count, sizeof *pids) : NULL;
	if (!pids) {
		fprintf(stderr, "usage: min_parent [-o] [-k MS] N COMMAND\n");
		return 2;
	}
	sigset_t set, none;
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGALRM, kill_all);
	int rc = 0;
	for (long i = 0; i < count && rc == 0; i++) {
		char place[24];
		snprintf(place, sizeof place, "%ld", i + 1);
		rc = start(&pids[i], (char *[]){argv[1], ordered ? place : NULL, NULL}, &none);
	}
	if (rc == 0)
		sigwaitinfo(&set, NULL);
	if (kill_ms)
		setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {kill_ms / 1000, kill_ms % 1000 * 1000}}, NULL);
	if (ordered && rc == 0)
		stop_in_order();
	else
		kill_all(SIGTERM);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	free(pids);
	return rc ? 1 : 0;
}
