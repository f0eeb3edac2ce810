/* cmd_help.c: curfew help [COMMAND]; and what every command says about bad usage. */
#include <stdarg.h>
#include <stdio.h>

#include "bin/bin.h"

void cfw_print_help(const struct cfw_command *command)
{
	if (command) {
		printf("usage: curfew %s\n\n%s.\n", command->usage, command->summary);
		if (command->help)
			printf("\n%s", command->help);
		return;
	}
	puts("curfew: stops servers properly, by a policy written in Lua.\n\nusage:");
	for (const struct cfw_command *const *c = cfw_commands; *c; c++)
		printf("  curfew %s\n      %s\n", (*c)->usage, (*c)->summary);
	puts("\n`curfew help COMMAND` says more; so do curfew(1) and curfew-policy(5).");
}

int cfw_usage_error(const struct cfw_command *command, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fprintf(stderr, "curfew %s: ", command->name);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: curfew %s\n`curfew help %s` says more\n", command->usage, command->name);
	return 2;
}

static int run(int argc, char **argv)
{
	if (argc > 2)
		return cfw_usage_error(&cfw_command_help, "one command at a time, please");
	if (argc < 2) {
		cfw_print_help(NULL);
		return 0;
	}
	const struct cfw_command *command = cfw_command_find(argv[1]);
	if (!command)
		return cfw_usage_error(&cfw_command_help, "there is no command \"%.60s\"", argv[1]);
	cfw_print_help(command);
	return 0;
}

const struct cfw_command cfw_command_help = {
	.name = "help", .usage = "help [COMMAND]", .summary = "Show what there is, or what a command does", .run = run};
