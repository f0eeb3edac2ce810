/* http_route.h: which function serves a request: a table of method and path patterns. Knows nothing of evhttp. */
#ifndef CFW_SHELL_HTTP_ROUTE_H
#define CFW_SHELL_HTTP_ROUTE_H

#include <stddef.h>
#include <stdint.h>

struct curfew_err;
struct cfw_value;
struct cfw_routes;

/* Bits; CFW_M_OTHER stands for a method that we have no name for. */
enum cfw_method {
	CFW_M_GET = 1,
	CFW_M_HEAD = 2,
	CFW_M_POST = 4,
	CFW_M_PUT = 8,
	CFW_M_DELETE = 16,
	CFW_M_OPTIONS = 32,
	CFW_M_PATCH = 64,
	CFW_M_TRACE = 128,
	CFW_M_OTHER = 256,
	CFW_M_ANY = 511
};

/* A path decoded and cut at its slashes. A slash that came as %2F does not cut. */
enum { CFW_PATH_SEGMENTS = 64 };
struct cfw_path {
	char *text; /* decoded; owned */
	size_t len;
	size_t n;
	size_t at[CFW_PATH_SEGMENTS + 1]; /* where each segment begins in text; at[n] is len + 1 */
};

/* 0, or CURFEW_EINVAL for what is no path: no slash in front, a broken or a NUL escape, a ".." segment, too many segments;
 * CURFEW_ENOMEM. */
int cfw_path_parse(const char *raw, struct cfw_path *out);
void cfw_path_clear(struct cfw_path *p);

struct cfw_route_match {
	const char *key; /* "GET /x/:id", the table's; NULL: no route matched */
	int64_t ref;
	struct cfw_value *params; /* a map, NULL when there are none; the caller's to free */
	unsigned allow;           /* without a match: methods that this path has; 0: nobody knows it */
};

/* From def.routes: "GET /x", "ANY /x/:id", "GET /files/ *" (without the blank). 0 and *out, or a negative error that names the
 * server and the route. NULL routes make an empty table. */
int cfw_routes_new(const char *name, const struct cfw_value *routes, struct cfw_routes **out, struct curfew_err *err);
void cfw_routes_free(struct cfw_routes *t);

/* The most particular route wins: a literal segment before ":name", that before a trailing "*"; the named method before ANY. GET
 * serves HEAD. 0 (also without a match), or CURFEW_ENOMEM. */
int cfw_routes_find(const struct cfw_routes *t, enum cfw_method method, const struct cfw_path *path, struct cfw_route_match *m);
/* "GET, HEAD, POST": the value of Allow. buf has at least 80 bytes; returns buf. */
const char *cfw_routes_allow(unsigned methods, char *buf, size_t n);

#endif
