/* cmd_timeline.c: curfew timeline: the last stop of a running curfew. */
#include <stdio.h>

#include "bin/bin.h"
#include "bin/client.h"

static int run(int argc, char **argv)
{
	struct cfw_client c;
	struct cfw_buf b;
	int rc = cfw_client_parse(&c, &cfw_command_timeline, argc, argv, 0);
	if (rc)
		return rc < 0 ? 0 : rc;
	cfw_buf_init(&b);
	rc = cfw_client_get(&c, c.json ? "/v1/timeline?format=json" : "/v1/timeline", &b);
	if (!rc && b.len)
		fwrite(b.data, 1, b.len, stdout);
	cfw_buf_clear(&b);
	return rc;
}

const struct cfw_command cfw_command_timeline = {.name = "timeline",
						 .usage = "timeline [-s SOCKET] [--json]",
						 .summary = "Show the last stop of a running curfew, or the one that runs",
						 .help = CFW_CLIENT_HELP,
						 .run = run};
