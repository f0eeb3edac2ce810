/* client.h: the far side of a request or connection, which counts what is done to it. */
#ifndef T_POLICY_CLIENT_H
#define T_POLICY_CLIENT_H

#include "base/err.h"
#include "base/exchange.h"
#include "policy/policy.h"

struct client {
	struct cfw_exchange x;
	cfw_token read, flushed;
	int replies, releases, status; /* status: of the last reply */
	bool refuses;
};

static struct client *of(struct cfw_exchange *x)
{
	return (struct client *)x;
}

static int x_reply(struct cfw_exchange *x, int status, const struct cfw_value *headers, const void *body, size_t n)
{
	(void)headers;
	(void)body;
	(void)n;
	of(x)->status = status;
	of(x)->replies++;
	return of(x)->refuses ? CURFEW_ESTATE : 0;
}

static int x_begin(struct cfw_exchange *x, int status, const struct cfw_value *headers)
{
	return x_reply(x, status, headers, NULL, 0);
}

static int x_end(struct cfw_exchange *x)
{
	return of(x)->refuses ? CURFEW_ESTATE : 0;
}

static int x_write(struct cfw_exchange *x, const void *data, size_t n)
{
	(void)data;
	(void)n;
	return x_end(x);
}

static int x_flush(struct cfw_exchange *x, uint64_t token)
{
	of(x)->flushed = token;
	return x_end(x);
}

static int x_read(struct cfw_exchange *x, size_t max, uint64_t token)
{
	(void)max;
	of(x)->read = token;
	return x_end(x);
}

static void x_close(struct cfw_exchange *x)
{
	of(x)->replies++;
}

static void x_release(struct cfw_exchange *x)
{
	of(x)->releases++;
}

static const struct cfw_exchange_ops x_ops = {x_reply, x_begin, x_end, x_write, x_flush, x_read, x_close, x_release};

#endif
