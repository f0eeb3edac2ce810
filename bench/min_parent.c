/* min_parent.c: the least that starts N children, passes SIGTERM on, reaps all and ends.
 *
 *   min_parent N COMMAND [ARG…] */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

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

int main(int argc, char **argv)
{
	long n = argc > 2 ? strtol(argv[1], NULL, 10) : 0;
	pid_t *pids = n > 0 && n <= 100000 ? calloc((size_t)n, sizeof *pids) : NULL;
	if (!pids) {
		fprintf(stderr, "usage: min_parent N COMMAND [ARG…]\n");
		return 2;
	}
	sigset_t set, none;
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int rc = 0;
	for (long i = 0; i < n && rc == 0; i++)
		rc = start(&pids[i], argv + 2, &none);
	if (rc == 0)
		sigwaitinfo(&set, NULL);
	for (long i = 0; i < n; i++)
		if (pids[i] > 0)
			kill(pids[i], SIGTERM);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	free(pids);
	return rc ? 1 : 0;
}
