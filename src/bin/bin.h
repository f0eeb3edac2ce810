/* bin.h: one small file a command, each one const entry. */
#ifndef CFW_BIN_BIN_H
#define CFW_BIN_BIN_H

#include <stdio.h>

struct cfw_command {
	const char *name;
	const char *usage;                 /* one line, without "curfew " */
	const char *summary;               /* one line */
	const char *help;                  /* what `curfew help NAME` adds; NULL: nothing */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; the exit code */
};

extern const struct cfw_command cfw_command_run, cfw_command_check, cfw_command_plan, cfw_command_test, cfw_command_help,
	cfw_command_init, cfw_command_version;
/* Of a running one, through its control socket. */
extern const struct cfw_command cfw_command_status, cfw_command_stop, cfw_command_abort, cfw_command_reload,
	cfw_command_trigger, cfw_command_hurry, cfw_command_extend, cfw_command_skip, cfw_command_cancel, cfw_command_server,
	cfw_command_events, cfw_command_timeline;
extern const struct cfw_command *const cfw_commands[]; /* NULL-terminated */

const struct cfw_command *cfw_command_find(const char *name); /* NULL when there is none */
/* "curfew: …" and the way out on stderr; the exit code of bad usage, 2. */
int cfw_usage_error(const struct cfw_command *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What is the standard output so far; what scripts print from now on goes to the standard error, so that nobody takes it for a result.
 * NULL and a message on failure. The caller closes it. */
FILE *cfw_take_stdout(void);
void cfw_print_help(const struct cfw_command *command); /* on stdout; NULL: of all */

#endif
