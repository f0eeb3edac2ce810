/* cmd_act.c: the commands that ask a running curfew for something: all of one shape, a POST and its answer. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/value.h"
#include "bin/bin.h"
#include "bin/client.h"

/* "stop: graceful, code 0", "reload: generation 2: web unchanged", "done". */
static void print_answer(const struct cfw_client *c, const struct cfw_value *v)
{
	const char *decision = cfw_value_get_str(v, "decision", NULL);
	const struct cfw_value *servers = cfw_value_get(v, "servers");
	if (decision) {
		cfw_client_print(cfw_value_get_str(v, "trigger", "?"));
		printf(": %s, code %lld", decision, (long long)cfw_value_get_int(v, "code", 0));
		if (cfw_value_get(v, "exit"))
			printf("; it has ended with %lld", (long long)cfw_value_get_int(v, "exit", 0));
		else if (!strcmp(cfw_value_get_str(v, "state", ""), "started"))
			fputs("; it was cancelled", stdout);
		putchar('\n');
	} else if (servers) {
		printf("generation %lld\n", (long long)cfw_value_get_int(v, "generation", 0));
		for (size_t i = 0; i < cfw_value_len(servers); i++) {
			fputs("  ", stdout);
			cfw_client_print(cfw_value_get_str(cfw_value_at(servers, i), "name", "?"));
			printf(": %s\n", cfw_value_get_str(cfw_value_at(servers, i), "change", "?"));
		}
	} else {
		printf("%s: done\n", c->command->name);
	}
}

static int post(struct cfw_client *c, const char *before, const char *name, const char *after)
{
	struct cfw_buf path, b;
	struct cfw_value *v = NULL;
	cfw_buf_init(&path);
	cfw_buf_init(&b);
	cfw_buf_puts(&path, before);
	if (name)
		cfw_client_put_encoded(&path, name);
	cfw_buf_puts(&path, after);
	if (c->wait)
		cfw_buf_puts(&path, "?wait=1");
	int rc = path.failed ? CFW_CLIENT_REFUSED : cfw_client_ask(c, "POST", path.data, &b, &v);
	if (!rc && c->json)
		fputs(b.data, stdout);
	else if (!rc)
		print_answer(c, v);
	cfw_value_free(v);
	cfw_buf_clear(&path);
	cfw_buf_clear(&b);
	return rc;
}

static int simple(const struct cfw_command *command, int argc, char **argv, const char *path, int takes)
{
	struct cfw_client c;
	int rc = cfw_client_parse(&c, command, argc, argv, takes);
	if (rc)
		return rc < 0 ? 0 : rc;
	return post(&c, path, takes ? c.argv[0] : NULL, "");
}

static int run_stop(int argc, char **argv)
{
	return simple(&cfw_command_stop, argc, argv, "/v1/stop", 0);
}

static int run_abort(int argc, char **argv)
{
	return simple(&cfw_command_abort, argc, argv, "/v1/abort", 0);
}

static int run_reload(int argc, char **argv)
{
	return simple(&cfw_command_reload, argc, argv, "/v1/reload", 0);
}

static int run_trigger(int argc, char **argv)
{
	return simple(&cfw_command_trigger, argc, argv, "/v1/trigger/", 1);
}

static int run_hurry(int argc, char **argv)
{
	return simple(&cfw_command_hurry, argc, argv, "/v1/hurry", 0);
}

static int run_extend(int argc, char **argv)
{
	return simple(&cfw_command_extend, argc, argv, "/v1/extend?by=", 1);
}

static int run_skip(int argc, char **argv)
{
	return simple(&cfw_command_skip, argc, argv, "/v1/skip/", 1);
}

static int run_cancel(int argc, char **argv)
{
	return simple(&cfw_command_cancel, argc, argv, "/v1/cancel", 0);
}

static int run_server(int argc, char **argv)
{
	static const char *const verbs[] = {"start", "stop", "restart", NULL};
	struct cfw_client c;
	char after[16];
	int rc = cfw_client_parse(&c, &cfw_command_server, argc, argv, 2);
	if (rc)
		return rc < 0 ? 0 : rc;
	for (size_t i = 0; verbs[i]; i++)
		if (!strcmp(c.argv[0], verbs[i])) {
			snprintf(after, sizeof after, "/%s", verbs[i]);
			return post(&c, "/v1/servers/", c.argv[1], after);
		}
	return cfw_usage_error(&cfw_command_server, "\"%.60s\" is none of start, stop, restart", c.argv[0]);
}

#define WAIT_HELP "      --wait              answer when the stop is over\n" CFW_CLIENT_HELP

const struct cfw_command cfw_command_stop = {.name = "stop",
					     .usage = "stop [-s SOCKET] [--json] [--wait]",
					     .summary = "Ask a running curfew to stop and end",
					     .help = WAIT_HELP,
					     .run = run_stop};
const struct cfw_command cfw_command_abort = {.name = "abort",
					      .usage = "abort [-s SOCKET] [--json] [--wait]",
					      .summary = "Ask a running curfew to end at once, by an abort",
					      .help = WAIT_HELP,
					      .run = run_abort};
const struct cfw_command cfw_command_reload = {.name = "reload",
					       .usage = "reload [-s SOCKET] [--json]",
					       .summary = "Have a running curfew read its policy anew",
					       .help = CFW_CLIENT_HELP,
					       .run = run_reload};
const struct cfw_command cfw_command_trigger = {.name = "trigger",
						.usage = "trigger [-s SOCKET] [--json] [--wait] NAME",
						.summary =
							"Raise a trigger: a signal's name, exit, stop, custom:NAME and others",
						.help = WAIT_HELP,
						.run = run_trigger};
const struct cfw_command cfw_command_hurry = {.name = "hurry",
					      .usage = "hurry [-s SOCKET] [--json]",
					      .summary = "Skip what is left of the holds and waits of a stop",
					      .help = CFW_CLIENT_HELP,
					      .run = run_hurry};
const struct cfw_command cfw_command_extend = {.name = "extend",
					       .usage = "extend [-s SOCKET] [--json] DURATION",
					       .summary = "Move the end of a stop: so long from now",
					       .help = CFW_CLIENT_HELP,
					       .run = run_extend};
const struct cfw_command cfw_command_skip = {.name = "skip",
					     .usage = "skip [-s SOCKET] [--json] SERVER",
					     .summary = "Give up what the stop of a server waits for at this moment",
					     .help = CFW_CLIENT_HELP,
					     .run = run_skip};
const struct cfw_command cfw_command_cancel = {.name = "cancel",
					       .usage = "cancel [-s SOCKET] [--json]",
					       .summary = "Take a stop back while nothing has been stopped yet",
					       .help = CFW_CLIENT_HELP,
					       .run = run_cancel};
const struct cfw_command cfw_command_server = {.name = "server",
					       .usage = "server [-s SOCKET] [--json] start|stop|restart SERVER",
					       .summary = "Start, stop or restart one server with what depends on it",
					       .help = CFW_CLIENT_HELP,
					       .run = run_server};
