/* client.h: the thin side of the control API (curfew-control(7)): one request on a unix socket, and its answer. */
#ifndef CFW_BIN_CLIENT_H
#define CFW_BIN_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct cfw_command;
struct cfw_value;

/* What all of these commands understand: -s SOCKET, --json, --wait and -h. */
struct cfw_client {
	const struct cfw_command *command;
	const char *socket; /* $CURFEW_SOCKET, else /run/curfew.sock */
	bool json, wait;
	const char *form, *file; /* of timeline: "svg", "trace" or NULL; a black box */
	int argc;                /* what is left: the operands */
	char **argv;
};
enum { CFW_CLIENT_DONE = 0, CFW_CLIENT_REFUSED = 1, CFW_CLIENT_USAGE = 2, CFW_CLIENT_NOBODY = 3 }; /* exit codes */

/* Of all of them, for `curfew help`. */
#define CFW_CLIENT_HELP                                                                                                        \
	"  -s, --socket SOCKET     where it listens ($CURFEW_SOCKET, else /run/curfew.sock)\n"                                 \
	"      --json              the answer as it came: see curfew-control(7)\n"                                             \
	"\n"                                                                                                                   \
	"Exit codes: 0 when it is done, 1 when it was refused, 2 for bad usage, 3 when nobody\n"                               \
	"answers at the socket.\n"

/* 0; -1: help was asked for, and printed; or CFW_CLIENT_USAGE. takes: the operands that the command wants. */
int cfw_client_parse(struct cfw_client *c, const struct cfw_command *command, int argc, char **argv, int takes);

/* One request. The answer's body is in out (the caller clears it) where on_data is NULL; else it is told as it comes, without a time
 * limit. 0 with any status below 400; CFW_CLIENT_REFUSED or _NOBODY, and why is on stderr. */
int cfw_client_call(const struct cfw_client *c, const char *method, const char *path, struct cfw_buf *out,
		    void (*on_data)(void *ud, const char *data, size_t n), void *ud);
#define cfw_client_get(c, path, out) cfw_client_call(c, "GET", path, out, NULL, NULL)
/* The same, the body as a value that the caller frees. */
int cfw_client_ask(const struct cfw_client *c, const char *method, const char *path, struct cfw_buf *out, struct cfw_value **v);
/* s as a part of a path or query. */
void cfw_client_put_encoded(struct cfw_buf *b, const char *s);
/* s as a terminal may show it. */
void cfw_client_print(const char *s);

#endif
