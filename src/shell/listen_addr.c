/* listen_addr.c: what a policy may write as an address to listen at. */
#define _GNU_SOURCE
#include "shell/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/err.h"
#include "base/value.h"
#include "shell/passed.h"

#define PASSED "systemd:"

static int parse_port(const char *s, in_port_t *port)
{
	unsigned long n = 0;
	if (!*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -1;
		n = n * 10 + (unsigned long)(*s - '0');
		if (n > 65535)
			return -1;
	}
	*port = htons((in_port_t)n);
	return 0;
}

static int parse_unix(const char *name, const char *path, struct cfw_listen_addr *out, struct curfew_err *err)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&out->sa;
	size_t n = strlen(path);
	if (!n || (path[0] == '@' && n == 1))
		return cfw_err_set(err, CURFEW_EINVAL, "%s: listen \"unix:%s\": a path is missing", name, path);
	if (n >= sizeof un->sun_path)
		return cfw_err_set(err, CURFEW_EINVAL,
				   "%s: listen \"unix:%s\": the path has %zu bytes, at most %zu are possible", name, path, n,
				   sizeof un->sun_path - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n + 1);
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	if (path[0] == '@') {
		un->sun_path[0] = 0;
		out->len--;
	}
	return 0;
}

static int parse_host(const char *host, bool bracketed, in_port_t port, struct cfw_listen_addr *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&out->sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out->sa;
	if (!*host || !strcmp(host, "*")) {
		out->dual = true;
		in6->sin6_addr = in6addr_any;
	} else if (!bracketed && inet_pton(AF_INET, !strcmp(host, "localhost") ? "127.0.0.1" : host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = port;
		out->len = sizeof *in;
		return 0;
	} else if (!bracketed || inet_pton(AF_INET6, host, &in6->sin6_addr) != 1) {
		return -1;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = port;
	out->len = sizeof *in6;
	return 0;
}

int cfw_listen_parse_one(const char *name, const char *text, int nth, struct cfw_listen_addr *out, struct curfew_err *err)
{
	char host[INET6_ADDRSTRLEN + 2];
	in_port_t port;
	memset(out, 0, sizeof *out);
	if (!strncmp(text, PASSED, strlen(PASSED))) {
		struct curfew_err why = {0};
		if (cfw_passed_named(text + strlen(PASSED), nth, out, &why))
			return cfw_err_set(err, CURFEW_EINVAL, "%s: listen \"%s\": %s", name, text, why.msg);
	} else if (!strncmp(text, "unix:", 5)) {
		int rc = parse_unix(name, text + 5, out, err);
		if (rc)
			return rc;
	} else {
		const char *colon = strrchr(text, ':');
		bool bracketed = text[0] == '[' && colon && colon > text && colon[-1] == ']';
		if (!colon || (text[0] == '[' && !bracketed))
			return cfw_err_set(err, CURFEW_EINVAL, "%s: listen \"%s\": a port is missing, as in \"%s:8080\"", name,
					   text, *text ? text : "127.0.0.1");
		if (parse_port(colon + 1, &port))
			return cfw_err_set(err, CURFEW_EINVAL, "%s: listen \"%s\": \"%s\" is no port (0 to 65535)", name, text,
					   colon + 1);
		size_t n = (size_t)(colon - text) - (bracketed ? 2 : 0);
		snprintf(host, sizeof host, "%.*s", (int)(n < sizeof host ? n : sizeof host - 1), text + bracketed);
		if (n >= sizeof host || parse_host(host, bracketed, port, out))
			return cfw_err_set(
				err, CURFEW_EINVAL,
				"%s: listen \"%s\": not an address (\"127.0.0.1:80\", \"[::1]:80\", \":80\", \"unix:/path\")",
				name, text);
	}
	out->text = strdup(text);
	return out->text ? 0 : cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", name);
}

/* How many sockets an address stands for. */
static int count_of(const char *text)
{
	int n = text && !strncmp(text, PASSED, strlen(PASSED)) ? cfw_passed_count(text + strlen(PASSED)) : 1;
	return n ? n : 1; /* none has that name: one error */
}

static const char *text_at(const struct cfw_value *listen, size_t i)
{
	return cfw_value_to_str(cfw_value_type(listen) == CFW_V_LIST ? cfw_value_at(listen, i) : listen, NULL);
}

int cfw_listen_parse(const char *name, const struct cfw_value *listen, struct cfw_listen_addr **out, struct curfew_err *err)
{
	size_t n = cfw_value_type(listen) == CFW_V_LIST ? cfw_value_len(listen) : cfw_value_type(listen) == CFW_V_STR;
	int total = 0, done = 0, rc = 0;
	*out = NULL;
	if (!n)
		return cfw_err_set(err, CURFEW_EINVAL, "%s: listen is missing: an address such as \"127.0.0.1:8080\"", name);
	for (size_t i = 0; i < n; i++)
		total += count_of(text_at(listen, i));
	struct cfw_listen_addr *addrs = calloc((size_t)total, sizeof *addrs);
	if (!addrs)
		return cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", name);
	for (size_t i = 0; i < n && rc == 0; i++) {
		const char *text = text_at(listen, i);
		int sockets = count_of(text);
		if (!text)
			rc = cfw_err_set(err, CURFEW_EINVAL, "%s: listen: address %zu is not a string", name, i + 1);
		for (int nth = 0; nth < sockets && rc == 0; nth++)
			if ((rc = cfw_listen_parse_one(name, text, nth, &addrs[done], err)) == 0)
				done++;
	}
	if (rc) {
		cfw_listen_addrs_free(addrs, done);
		return rc;
	}
	*out = addrs;
	return done;
}

void cfw_listen_addrs_free(struct cfw_listen_addr *addrs, int n)
{
	for (int i = 0; i < n; i++)
		free(addrs[i].text);
	free(addrs);
}
