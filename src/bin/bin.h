/* bin.h: one small file a command, each one const entry. */
#ifndef CFW_BIN_BIN_H
#define CFW_BIN_BIN_H

struct cfw_command {
	const char *name;
	const char *usage;                 /* one line, without "curfew " */
	const char *summary;               /* one line */
	const char *help;                  /* what `curfew help NAME` adds; NULL: nothing */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; the exit code */
};

extern const struct cfw_command cfw_command_run, cfw_command_check, cfw_command_plan, cfw_command_test, cfw_command_help,
	cfw_command_version;
extern const struct cfw_command *const cfw_commands[]; /* NULL-terminated */

const struct cfw_command *cfw_command_find(const char *name); /* NULL when there is none */
/* "curfew: …" and the way out on stderr; the exit code of bad usage, 2. */
int cfw_usage_error(const struct cfw_command *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cfw_print_help(const struct cfw_command *command); /* on stdout; NULL: of all */

#endif
