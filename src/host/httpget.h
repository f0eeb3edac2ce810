/* httpget.h: the least of HTTP: does a URL answer with 2xx or 3xx? For readiness; curfew.fetch has libcurl. */
#ifndef CFW_HOST_HTTPGET_H
#define CFW_HOST_HTTPGET_H

#include <stddef.h>

#include "host/addr.h"

struct cfw_httpget {
	struct cfw_addr addr;
	char *request; /* owned */
};

/* "http://127.0.0.1:80/path", "unix:/socket[:/path]", "http://unix:/socket[:/path]". 0, or CURFEW_EINVAL or CURFEW_ENOMEM. */
int cfw_httpget_parse(struct cfw_httpget *g, const char *url, struct curfew_err *err);
void cfw_httpget_clear(struct cfw_httpget *g);
/* The status in the first bytes of a reply; 0: more is needed; -1: this is no HTTP. */
int cfw_httpget_status(const char *reply, size_t n);

#endif
