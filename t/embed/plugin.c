/* plugin.c: a program that has the library by dlopen(3), as plugins do, and lets go of it: the C library still calls what it was given
 * for the end of the process. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "curfew.h"
#include "tap.h"

static void on_exit_code(void *ud, int code, bool kill)
{
	(void)ud, (void)code, (void)kill;
}

/* By its path: the address sanitizer's dlopen does not look where this program was told to. */
static void *open_library(int how)
{
	char path[4096];
	const char *build = getenv("BUILD");
	snprintf(path, sizeof path, "%s/libcurfew.so.0", build ? build : "build");
	return dlopen(path, how);
}

static void *symbol(void *library, const char *name)
{
	void *at = dlsym(library, name);
	if (!at)
		_exit(91);
	return at;
}

/* In a child: an instance comes, owns what it can, and goes, and so does the library. */
static void come_and_go(void)
{
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code};
	int term = SIGTERM;
	struct curfew *(*new)(const struct curfew_options *, struct curfew_err *);
	int (*own_exit)(struct curfew *, struct curfew_err *);
	int (*own_signals)(struct curfew *, const int *, size_t, struct curfew_err *);
	void (*end)(struct curfew *);
	void *library = open_library(RTLD_NOW | RTLD_LOCAL);
	if (!library)
		_exit(90);
	*(void **)&new = symbol(library, "curfew_new");
	*(void **)&own_exit = symbol(library, "curfew_own_exit");
	*(void **)&own_signals = symbol(library, "curfew_own_signals");
	*(void **)&end = symbol(library, "curfew_free");
	struct curfew *c = new (&o, NULL);
	if (!c || own_exit(c, NULL) || own_signals(c, &term, 1, NULL))
		_exit(92);
	end(c);
	if (dlclose(library))
		_exit(93);
}

int main(void)
{
	int status = 0;
	ok(!open_library(RTLD_NOW | RTLD_NOLOAD), "the program does not have the library");
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		come_and_go();
		exit(3);
	}
	if (waitpid(pid, &status, 0) != pid)
		tap_bail("waitpid");
	is_int(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), 3, "it exits as ever once it has let go of it");
	return tap_done();
}
