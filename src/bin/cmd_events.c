/* cmd_events.c: curfew events: what happens, a line each, as it does. */
#include <stdio.h>
#include <string.h>

#include "base/value.h"
#include "bin/bin.h"
#include "bin/client.h"
#include "view/json.h"

struct lines {
	struct cfw_buf rest; /* of a line that is not whole yet */
	bool json;
};

/* "12 server web stopping": the fields that say most come first. */
static void print_event(const char *line, size_t n)
{
	char why[100];
	struct cfw_value *v = cfw_view_parse_json(line, n, why, sizeof why);
	printf("%lld %s", (long long)cfw_value_get_int(v, "seq", 0), cfw_value_get_str(v, "event", "?"));
	for (size_t i = 0; i < cfw_value_len(v); i++) {
		const char *key = cfw_value_key(v, i), *s = cfw_value_to_str(cfw_value_at(v, i), NULL);
		if (!strcmp(key, "seq") || !strcmp(key, "event") || !strcmp(key, "at"))
			continue;
		printf(" %s=", key);
		if (s)
			cfw_client_print(s);
		else if (cfw_value_type(cfw_value_at(v, i)) == CFW_V_BOOL)
			fputs(cfw_value_to_bool(cfw_value_at(v, i)) ? "yes" : "no", stdout);
		else
			printf("%lld", (long long)cfw_value_to_int(cfw_value_at(v, i), 0));
	}
	putchar('\n');
	cfw_value_free(v);
}

static void on_data(void *ud, const char *data, size_t n)
{
	struct lines *l = ud;
	for (const char *end; n && (end = memchr(data, '\n', n)) != NULL;) {
		size_t part = (size_t)(end - data) + 1;
		cfw_buf_put(&l->rest, data, part);
		if (l->json && !l->rest.failed)
			fwrite(l->rest.data, 1, l->rest.len, stdout);
		else if (!l->rest.failed)
			print_event(l->rest.data, l->rest.len);
		cfw_buf_reset(&l->rest);
		data += part;
		n -= part;
	}
	cfw_buf_put(&l->rest, data, n);
	fflush(stdout);
}

static int run(int argc, char **argv)
{
	struct cfw_client c;
	struct lines l = {.json = false};
	int rc = cfw_client_parse(&c, &cfw_command_events, argc, argv, 0);
	if (rc)
		return rc < 0 ? 0 : rc;
	l.json = c.json;
	cfw_buf_init(&l.rest);
	rc = cfw_client_call(&c, "GET", "/v1/events", NULL, on_data, &l);
	cfw_buf_clear(&l.rest);
	return rc;
}

const struct cfw_command cfw_command_events = {.name = "events",
					       .usage = "events [-s SOCKET] [--json]",
					       .summary = "Follow what happens in a running curfew, until it ends",
					       .help = CFW_CLIENT_HELP,
					       .run = run};
