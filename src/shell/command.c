#define _POSIX_C_SOURCE 200809L
#include "shell/command.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "core/core.h"
#include "instance.h"

const int cfw_command_signals[] = {SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGALRM, 0};

/* A Lua string literal of s, whatever bytes it has. */
static void put_quoted(struct cfw_buf *b, const char *s)
{
	cfw_buf_putc(b, '"');
	for (; *s; s++)
		cfw_buf_printf(b, "\\%03d", (unsigned char)*s);
	cfw_buf_putc(b, '"');
}

int cfw_command_load(struct curfew *c, char *const *argv, struct curfew_err *err)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	cfw_buf_printf(&b, "require 'curfew.command' ({");
	for (; *argv; argv++) {
		put_quoted(&b, *argv);
		cfw_buf_putc(&b, ',');
	}
	/* on a terminal the command stays in the group that the terminal speaks to */
	cfw_buf_printf(&b, "}, %s)", isatty(STDIN_FILENO) == 1 ? "true" : "false");
	int rc = b.failed ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory") : curfew_load(c, "=command", b.data, b.len, err);
	cfw_buf_clear(&b);
	return rc;
}

bool cfw_command_forwards(struct curfew *c, int signo)
{
	const int *s = cfw_command_signals;
	while (*s && *s != signo)
		s++;
	cfw_id id = cfw_core_server_find(curfew_core(c), "command");
	return *s && id && !curfew_signal_has_rule(c, signo) && curfew_server_signal(c, id, signo, NULL) == 0;
}
