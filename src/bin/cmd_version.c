/* cmd_version.c: curfew version. */
#include <stdio.h>
#include <string.h>

#include "bin/bin.h"
#include "version.h"

static int run(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		cfw_print_help(&cfw_command_version);
		return 0;
	}
	if (argc > 1)
		return cfw_usage_error(&cfw_command_version, "it takes no arguments");
	puts("curfew " CURFEW_VERSION);
	return 0;
}

const struct cfw_command cfw_command_version = {
	.name = "version", .usage = "version", .summary = "Print the version", .run = run};
