/* fetch.h: between fetch.c (requests and replies) and fetcher.c (libcurl's multi interface on the host's loop). */
#ifndef CFW_HOST_FETCH_H
#define CFW_HOST_FETCH_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/timers.h"
#include "host/curl.h"

struct cfw_fetch {
	struct cfw_host *host;
	const struct cfw_curl *curl;
	struct cfw_fetch *next;
	uint64_t token;
	CURL *easy;
	struct curl_slist *headers_out;
	struct cfw_value *headers;
	struct cfw_buf body;
	size_t max_body, header_bytes;
	uint64_t timeout_ns;
	bool too_big;
	char *url;
	char text[CURL_ERROR_SIZE];
};

struct cfw_fetcher {
	struct cfw_host *host;
	const struct cfw_curl *curl;
	CURLM *multi;
	struct cfw_timer timer;
	struct cfw_fetch *running;
	struct cfw_socket *sockets;
	bool deaf; /* the loop or the timers did not take what libcurl waits for: what runs would never end */
};

/* The host's; made at the first fetch. NULL and err on failure. */
struct cfw_fetcher *cfw_fetcher_get(struct cfw_host *h, struct curfew_err *err);
/* f's handle is ready to go; it is the fetcher's until cfw_fetch_done, or until cfw_fetcher_drop. */
int cfw_fetcher_add(struct cfw_fetcher *m, struct cfw_fetch *f, struct curfew_err *err);
void cfw_fetcher_drop(struct cfw_fetcher *m, struct cfw_fetch *f);
/* fetch.c: it ended with result. Answers and frees f. */
void cfw_fetch_done(struct cfw_fetch *f, CURLcode result);
void cfw_fetch_clear(struct cfw_fetch *f); /* frees */

#endif
