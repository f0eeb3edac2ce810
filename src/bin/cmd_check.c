/* cmd_check.c: curfew check: what would go wrong, found before it runs. The work is Lua's, lua/curfew/check/. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "bin/bin.h"
#include "policy/script.h"

static const char help[] = "      --format FORMAT       text, json or sarif (2.1.0)\n"
			   "      --async NAME[:ARG]    a function that calls back later: \"db.query:2\", its 2nd argument;\n"
			   "                            \":on_data\", a method of anything; \"pool.new:done\", a key of a\n"
			   "                            table argument; without ARG every function among the arguments\n"
			   "      --handler NAME[:ARG]  a function whose argument serves requests, named in the same way\n"
			   "\n"
			   "It reads Lua scripts and runs none of them. In all, also for luv, cqueues, copas and\n"
			   "OpenResty, it finds\n"
			   "  server-crash     an error raised in an asynchronous callback of a request handler, with no\n"
			   "                   pcall between\n"
			   "and in policies\n"
			   "  hook-too-long    a hook that can wait longer than the exit timeout\n"
			   "  busy-loop        a loop that neither waits nor ends\n"
			   "  blocking-call    a call that blocks the event loop\n"
			   "  unknown-trigger  a rule for a trigger that there is not\n"
			   "  decision-unused  a decision that is built and not returned\n"
			   "  pre-stop-exit-0  a pre_stop hook that exits with 0\n"
			   "\n"
			   "`-- curfew: ignore RULE` on the same line, or on a line of its own above, silences one.\n"
			   "\n"
			   "Exit codes: 0, nothing was found; 1, something was; 2 for bad usage, or a file that cannot be\n"
			   "read or has a wrong syntax.\n";

/* A pipe that nobody writes to would hold us up for ever, and other things that are no files, too. NULL: it is none of them. */
static const char *why_unreadable(const char *path)
{
	enum { PATIENCE_MS = 5000 };
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return NULL; /* the reader says why */
	struct pollfd p = {.fd = fd, .events = POLLIN};
	const char *why = NULL;
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && poll(&p, 1, PATIENCE_MS) == 0)
		why = "a pipe, and nothing comes from it";
	else if (S_ISCHR(st.st_mode))
		why = "a device, no file";
	close(fd);
	return why;
}

static int run(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0) {
			cfw_print_help(&cfw_command_check);
			return 0;
		}
	}
	for (int i = 1; i < argc; i++) {
		const char *why = argv[i][0] == '-' ? NULL : why_unreadable(argv[i]);
		if (!why)
			continue;
		fprintf(stderr, "curfew check: %s: it is %s\n", argv[i], why);
		return 2;
	}
	struct curfew_err err = {0};
	int rc = cfw_script_run("curfew.check", argc - 1, argv + 1, &err);
	if (rc < 0)
		fprintf(stderr, "curfew check: %s\n", err.msg);
	return rc < 0 ? 2 : rc;
}

const struct cfw_command cfw_command_check = {.name = "check",
					      .usage = "check [--format text|json|sarif] [OPTION]... FILE...",
					      .summary = "Find in scripts what would go wrong when they run",
					      .help = help,
					      .run = run};
