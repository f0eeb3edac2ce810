/* main.c: curfew COMMAND …: finds the command and calls it. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "bin/bin.h"

const struct cfw_command *const cfw_commands[] = {
	&cfw_command_run,    &cfw_command_check,    &cfw_command_init,  &cfw_command_plan,    &cfw_command_test,
	&cfw_command_status, &cfw_command_stop,     &cfw_command_abort, &cfw_command_reload,  &cfw_command_trigger,
	&cfw_command_hurry,  &cfw_command_extend,   &cfw_command_skip,  &cfw_command_cancel,  &cfw_command_server,
	&cfw_command_events, &cfw_command_timeline, &cfw_command_help,  &cfw_command_version, NULL};

const struct cfw_command *cfw_command_find(const char *name)
{
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	for (const struct cfw_command *const *c = cfw_commands; *c; c++)
		if (strcmp((*c)->name, name) == 0)
			return *c;
	return NULL;
}

/* Whoever starts us with a standard descriptor closed must not have a socket of ours in its place, with log lines in it. */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			return; /* no /dev: nothing better to put there */
}

int main(int argc, char **argv)
{
	fill_standard_descriptors();
	if (argc < 2) {
		fputs("curfew: no command; `curfew help` lists them, `curfew run policy.lua` is the usual one\n", stderr);
		return 2;
	}
	const struct cfw_command *command = cfw_command_find(argv[1]);
	if (command)
		return command->run(argc - 1, argv + 1);
	const char *names[sizeof cfw_commands / sizeof *cfw_commands] = {NULL};
	size_t known = 0;
	for (const struct cfw_command *const *c = cfw_commands; *c; c++)
		names[known++] = (*c)->name;
	const char *near = cfw_nearest(argv[1], names);
	size_t n = strlen(argv[1]);
	if (near)
		fprintf(stderr, "curfew: there is no command \"%.60s\"; did you mean `curfew %s`?\n", argv[1], near);
	else if (n > 4 && strcmp(argv[1] + n - 4, ".lua") == 0)
		fprintf(stderr, "curfew: there is no command \"%.60s\"; did you mean `curfew run %.60s`?\n", argv[1], argv[1]);
	else
		fprintf(stderr, "curfew: there is no command \"%.60s\"; `curfew help` lists them\n", argv[1]);
	return 2;
}
