/* exchange.h: one conversation that a server hands to policy (an HTTP request, a TCP connection), and how policy answers.
 *
 * The server embeds a struct cfw_exchange in its own object and passes it to env->serve. Policy keeps it until it calls
 * ops->release, exactly once; or until the server says env->gone (the client left): after that policy must not touch it.
 * Everything runs on the loop's thread. Calls never re-enter policy: answers to tokens are queued. */
#ifndef CFW_BASE_EXCHANGE_H
#define CFW_BASE_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

struct cfw_exchange;
struct cfw_value;

enum cfw_exchange_kind { CFW_X_HTTP, CFW_X_TCP };

struct cfw_exchange_ops {
	/* HTTP: the whole reply at once. headers: map of name to string or list of strings, may be NULL. CURFEW_ESTATE when a
	 * reply was begun. HEAD and HTTP/1.0 are the server's business. */
	int (*reply)(struct cfw_exchange *x, int status, const struct cfw_value *headers, const void *body, size_t n);
	/* HTTP: a reply in pieces: begin, write…, end. */
	int (*begin)(struct cfw_exchange *x, int status, const struct cfw_value *headers);
	int (*end)(struct cfw_exchange *x);
	/* HTTP after begin, TCP always: queue bytes. Copies. */
	int (*write)(struct cfw_exchange *x, const void *data, size_t n);
	/* Answer token (with true) when what is queued fell below the low-water mark, or the peer is gone (error). */
	int (*flush)(struct cfw_exchange *x, uint64_t token);
	/* TCP: answer token with the next bytes (a string), nil at the end of input, an error. max 0: whatever is there. */
	int (*read)(struct cfw_exchange *x, size_t max, uint64_t token);
	/* Cut the connection now. Still to be released. */
	void (*close)(struct cfw_exchange *x);
	/* Policy is done with x. A reply not finished is completed with 500, or the connection is closed (S6.2, S6.3). */
	void (*release)(struct cfw_exchange *x);
};

struct cfw_exchange {
	enum cfw_exchange_kind kind;
	const struct cfw_exchange_ops *ops;
	/* http: method, path (decoded), target (raw), query (raw or nil), version ("1.1"), headers (map, lower-case names; several of
	 * one name joined by ", "), body (string), peer, route (the key of the route that matched), params (map), server-owned.
	 * tcp: peer. Owned by the server, valid until release or gone. */
	const struct cfw_value *request;
	void *policy_ud; /* the policy's own mark; NULL at first */
};

#endif
