/* stdout.c: the standard output for a command alone, where scripts run that print. */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <unistd.h>

#include "bin/bin.h"

FILE *cfw_take_stdout(void)
{
	int fd = dup(STDOUT_FILENO);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (out && dup2(STDERR_FILENO, STDOUT_FILENO) >= 0)
		return out;
	perror("curfew");
	return NULL;
}
