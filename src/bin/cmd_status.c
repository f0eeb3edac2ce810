/* cmd_status.c: curfew status: what an instance does, and what its stop waits for. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/value.h"
#include "bin/bin.h"
#include "bin/client.h"

static const char *duration(char buf[32], const struct cfw_value *map, const char *key)
{
	double s = cfw_value_to_num(cfw_value_get(map, key), 0);
	return s > 0 ? cfw_format_duration(buf, 32, (uint64_t)(s * 1e9)) : "0s";
}

static void print_server(const struct cfw_value *s)
{
	char age[32];
	int64_t pid = cfw_value_get_int(s, "pid", 0), restarts = cfw_value_get_int(s, "restarts", 0);
	const char *address = cfw_value_get_str(s, "address", NULL);
	fputs("  ", stdout);
	cfw_client_print(cfw_value_get_str(s, "name", "?"));
	printf(": %s, %s for %s", cfw_value_get_str(s, "kind", "?"), cfw_value_get_str(s, "state", "?"),
	       duration(age, s, "for"));
	if (address)
		fputs(", ", stdout), cfw_client_print(address);
	if (pid)
		printf(", pid %lld", (long long)pid);
	if (restarts)
		printf(", restarted %lld times", (long long)restarts);
	putchar('\n');
}

static void print_wait(const struct cfw_value *w)
{
	char age[32], left[32];
	const char *hook = cfw_value_get_str(w, "hook", NULL), *where = cfw_value_get_str(w, "where", NULL);
	fputs("  waits for ", stdout);
	cfw_client_print(cfw_value_get_str(w, "server", "all"));
	printf(" %s", cfw_value_get_str(w, "phase", "?"));
	if (hook)
		fputs(" \"", stdout), cfw_client_print(hook), putchar('"');
	if (where)
		fputs(" (", stdout), cfw_client_print(where), putchar(')');
	if (cfw_value_get_int(w, "pid", 0))
		printf(", pid %lld", (long long)cfw_value_get_int(w, "pid", 0));
	printf(", for %s", duration(age, w, "for"));
	if (cfw_value_get(w, "left"))
		printf("; in %s: ", duration(left, w, "left"));
	else
		fputs("; ", stdout);
	printf("%s\n", cfw_value_get_str(w, "then", "?"));
}

static void print_status(const struct cfw_value *v)
{
	char left[32];
	const struct cfw_value *stop = cfw_value_get(v, "stop"), *list = cfw_value_get(v, "servers");
	printf("%s, pid %lld, curfew %s\n", cfw_value_get_str(v, "state", "?"), (long long)cfw_value_get_int(v, "pid", 0),
	       cfw_value_get_str(v, "version", "?"));
	for (size_t i = 0; i < cfw_value_len(list); i++)
		print_server(cfw_value_at(list, i));
	if (stop) {
		printf("stop: %s, code %lld, ", cfw_value_get_str(stop, "mode", "?"),
		       (long long)cfw_value_get_int(stop, "code", 0));
		cfw_client_print(cfw_value_get_str(stop, "cause", "?"));
		printf("; %s left\n", duration(left, stop, "left"));
	}
	list = cfw_value_get(v, "waits");
	for (size_t i = 0; i < cfw_value_len(list); i++)
		print_wait(cfw_value_at(list, i));
	list = cfw_value_get(v, "then");
	for (size_t i = 0; i < cfw_value_len(list); i++) {
		fputs(i ? ", " : "  then: ", stdout);
		cfw_client_print(cfw_value_to_str(cfw_value_at(list, i), "?"));
	}
	if (cfw_value_len(list))
		putchar('\n');
}

static int run(int argc, char **argv)
{
	struct cfw_client c;
	struct cfw_value *v;
	struct cfw_buf b;
	int rc = cfw_client_parse(&c, &cfw_command_status, argc, argv, 0);
	if (rc)
		return rc < 0 ? 0 : rc;
	cfw_buf_init(&b);
	rc = cfw_client_ask(&c, "GET", "/v1/status", &b, &v);
	if (!rc && c.json)
		fputs(b.data, stdout);
	else if (!rc)
		print_status(v);
	cfw_value_free(v);
	cfw_buf_clear(&b);
	return rc;
}

const struct cfw_command cfw_command_status = {.name = "status",
					       .usage = "status [-s SOCKET] [--json]",
					       .summary = "Show what a running curfew does, and what its stop waits for",
					       .help = CFW_CLIENT_HELP,
					       .run = run};
