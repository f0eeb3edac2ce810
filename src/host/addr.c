#define _GNU_SOURCE
#include "host/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"

static int parse_unix(struct cfw_addr *a, const char *path, struct curfew_err *err)
{
	struct sockaddr_un *un = (void *)&a->sa;
	size_t n = strlen(path);
	if (!n || n >= sizeof un->sun_path)
		return cfw_err_set(err, CURFEW_EINVAL, "a unix socket's path has 1 to %zu bytes, this one %zu",
				   sizeof un->sun_path - 1, n);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n + 1);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return 0;
}

/* Cut text into host and port; false where it has no such shape. */
static bool split(const char *text, char *host, size_t size, const char **port)
{
	const char *end, *begin = text;
	*port = NULL;
	if (*text == '[') {
		begin++;
		end = strchr(begin, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		if (end[1])
			*port = end + 2;
	} else if ((end = strrchr(text, ':')))
		*port = end + 1;
	else if (strspn(text, "0123456789") == strlen(text)) {
		*port = text;
		end = begin;
	} else
		end = text + strlen(text);
	size_t n = (size_t)(end - begin);
	if (n >= size)
		return false;
	memcpy(host, begin, n);
	host[n] = '\0';
	return true;
}

int cfw_addr_parse(struct cfw_addr *a, const char *text, unsigned port, struct curfew_err *err)
{
	char host[64], *end;
	const char *digits;
	memset(a, 0, sizeof *a);
	if (!strncmp(text, "unix:", 5))
		return parse_unix(a, text + 5, err);
	if (!split(text, host, sizeof host, &digits))
		return cfw_err_set(err, CURFEW_EINVAL, "\"%s\" is no address: host:port, [v6]:port or unix:/path", text);
	if (digits) {
		unsigned long n = strtoul(digits, &end, 10);
		if (*digits < '0' || *digits > '9' || *end || !n || n > 65535)
			return cfw_err_set(err, CURFEW_EINVAL, "\"%s\": the port is a number from 1 to 65535", text);
		port = (unsigned)n;
	} else if (!port)
		return cfw_err_set(err, CURFEW_EINVAL, "\"%s\": the port is missing", text);
	const char *number = !*host || !strcmp(host, "localhost") || !strcmp(host, "*") ? "127.0.0.1" : host;
	struct sockaddr_in *in = (void *)&a->sa;
	struct sockaddr_in6 *in6 = (void *)&a->sa;
	if (inet_pton(AF_INET, number, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		a->len = sizeof *in;
	} else if (inet_pton(AF_INET6, number, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		a->len = sizeof *in6;
	} else
		return cfw_err_set(err, CURFEW_EINVAL, "\"%s\": the host must be a number or localhost", text);
	return 0;
}

int cfw_addr_connect(const struct cfw_addr *a, bool *done)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	*done = connect(fd, (const struct sockaddr *)&a->sa, a->len) == 0;
	if (!*done && errno != EINPROGRESS) {
		int saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int cfw_addr_connected(int fd)
{
	struct sockaddr_storage us, peer;
	socklen_t n = sizeof(int), us_len = sizeof us, peer_len = sizeof peer;
	int error = 0;
	memset(&us, 0, sizeof us);
	memset(&peer, 0, sizeof peer);
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n))
		return errno;
	if (error)
		return error;
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len))
		return errno;
	if (getsockname(fd, (struct sockaddr *)&us, &us_len))
		return errno;
	if (peer.ss_family != AF_UNIX && !memcmp(&us, &peer, sizeof us))
		return ECONNREFUSED;
	return 0;
}
