#define _GNU_SOURCE
#include "host/httpget.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

static bool plain(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s == 127)
			return false;
	return true;
}

int cfw_httpget_parse(struct cfw_httpget *g, const char *url, struct curfew_err *err)
{
	memset(g, 0, sizeof *g);
	const char *rest = !strncmp(url, "http://", 7) ? url + 7 : url;
	bool local = !strncmp(rest, "unix:", 5);
	if ((rest == url && !local) || !plain(url))
		return cfw_err_set(err, CURFEW_EINVAL,
				   "\"%s\" is no URL of the form http://host:port/path or unix:/socket:/path", url);
	const char *path = local ? strchr(rest + 5, ':') : strchr(rest, '/');
	char *where = strndup(rest, path ? (size_t)(path - rest) : strlen(rest));
	if (!where)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (path && local)
		path++;
	int e = cfw_addr_parse(&g->addr, where, 80, err);
	if (!e) {
		struct cfw_buf b;
		cfw_buf_init(&b);
		cfw_buf_printf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: curfew\r\nConnection: close\r\n\r\n",
			       path && *path ? path : "/", local ? "localhost" : where);
		g->request = cfw_buf_take(&b);
		if (!g->request)
			e = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	free(where);
	return e;
}

void cfw_httpget_clear(struct cfw_httpget *g)
{
	free(g->request);
	g->request = NULL;
}

int cfw_httpget_status(const char *reply, size_t n)
{
	static const char begin[] = "HTTP/1.";
	size_t cmp = n < 7 ? n : 7;
	if (memcmp(reply, begin, cmp) != 0)
		return -1;
	if (n < 12)
		return 0;
	int status = 0;
	for (int i = 9; i < 12; i++) {
		if (reply[i] < '0' || reply[i] > '9')
			return -1;
		status = status * 10 + (reply[i] - '0');
	}
	return reply[8] == ' ' && status >= 100 ? status : -1;
}
