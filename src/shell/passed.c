#define _GNU_SOURCE
#include "shell/passed.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "shell/listen.h"

enum { FIRST = 3, MOST = 256 }; /* SD_LISTEN_FDS_START; a service has a few */

/* Of the process: descriptors are its own, and the environment is read once. */
static struct passed {
	struct cfw_listen_addr addr; /* text: its name */
	bool usable, used;
} * list;
static int n_list;

static bool is_for_us(void)
{
	const char *pid = getenv("LISTEN_PID");
	return pid && strtol(pid, NULL, 10) == (long)getpid();
}

static bool is_stream_listener(int fd)
{
	int type = 0, listens = 0;
	socklen_t len = sizeof type;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) || type != SOCK_STREAM)
		return false;
	len = sizeof listens;
	return !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) && listens;
}

/* Its address as a policy would write it. */
static bool look_up(int fd, struct cfw_listen_addr *addr)
{
	int only = 1;
	socklen_t len = sizeof only;
	addr->len = sizeof addr->sa;
	if (getsockname(fd, (struct sockaddr *)&addr->sa, &addr->len))
		return false;
	if (addr->sa.ss_family == AF_INET6) {
		getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len);
		addr->dual = !only;
	}
	return addr->sa.ss_family == AF_INET || addr->sa.ss_family == AF_INET6 || addr->sa.ss_family == AF_UNIX;
}

static void take_one(struct passed *p, int fd, const char *name, size_t n, const struct cfw_log *log)
{
	int flags = fcntl(fd, F_GETFD);
	if (flags < 0) {
		cfw_log_at(log, CFW_WARN, "LISTEN_FDS: descriptor %d is not open", fd);
		return;
	}
	fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
	p->addr.text = n ? strndup(name, n) : strdup("unknown");
	p->usable = p->addr.text && is_stream_listener(fd) && look_up(fd, &p->addr);
	if (!p->usable)
		cfw_log_at(log, CFW_WARN, "LISTEN_FDS: descriptor %d (%s) is no listening stream socket: it is left alone", fd,
			   p->addr.text ? p->addr.text : "?");
}

void cfw_passed_take(const struct cfw_log *log)
{
	const char *fds = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
	char *end = NULL;
	long n = fds && is_for_us() ? strtol(fds, &end, 10) : 0;
	if (end && (*end || n < 0 || n > MOST)) {
		cfw_log_at(log, CFW_WARN, "LISTEN_FDS=%.40s: expected a number of sockets, at most %d", fds, MOST);
		n = 0;
	}
	list = n ? calloc((size_t)n, sizeof *list) : NULL;
	n_list = list ? (int)n : 0;
	for (int i = 0; i < n_list; i++) {
		size_t len = names ? strcspn(names, ":") : 0;
		take_one(&list[i], FIRST + i, names, len, log);
		if (names)
			names += len + (names[len] == ':');
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static bool same(const struct cfw_listen_addr *a, const struct cfw_listen_addr *b)
{
	if (a->sa.ss_family != b->sa.ss_family)
		return false;
	const struct sockaddr_un *ua = (const struct sockaddr_un *)&a->sa, *ub = (const struct sockaddr_un *)&b->sa;
	if (a->sa.ss_family == AF_UNIX && ua->sun_path[0]) /* whether the NUL counts depends on who bound it */
		return strncmp(ua->sun_path, ub->sun_path, sizeof ua->sun_path) == 0;
	return a->len == b->len && a->dual == b->dual && !memcmp(&a->sa, &b->sa, a->len);
}

int cfw_passed_find(const struct cfw_listen_addr *addr)
{
	for (int i = 0; i < n_list; i++) {
		if (!list[i].usable || !same(&list[i].addr, addr))
			continue;
		int fd = fcntl(FIRST + i, F_DUPFD_CLOEXEC, FIRST), flags = fd < 0 ? -1 : fcntl(fd, F_GETFL);
		if (flags >= 0)
			fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		list[i].used |= fd >= 0;
		return fd;
	}
	return -1;
}

static bool is_named(const struct passed *p, const char *name)
{
	return p->usable && strcmp(p->addr.text, name) == 0;
}

int cfw_passed_count(const char *name)
{
	int n = 0;
	for (int i = 0; i < n_list; i++)
		n += is_named(&list[i], name);
	return n;
}

int cfw_passed_named(const char *name, int nth, struct cfw_listen_addr *out, struct curfew_err *err)
{
	char names[200] = "";
	for (int i = 0; i < n_list; i++) {
		size_t at = strlen(names);
		if (!list[i].usable)
			continue;
		if (is_named(&list[i], name) && nth-- == 0) {
			out->sa = list[i].addr.sa;
			out->len = list[i].addr.len;
			out->dual = list[i].addr.dual;
			return 0;
		}
		snprintf(names + at, sizeof names - at, "%s%s", at ? ", " : "", list[i].addr.text);
	}
	return *names ? cfw_err_set(err, CURFEW_EINVAL, "no socket was passed by the name \"%.60s\"; there are %s", name, names)
		      : cfw_err_set(err, CURFEW_EINVAL,
				    "no socket was passed by the name \"%.60s\": it takes a socket unit with "
				    "FileDescriptorName=%.60s, or LISTEN_FDS",
				    name, name);
}

void cfw_passed_warn(const struct cfw_log *log)
{
	for (int i = 0; i < n_list; i++)
		if (list[i].usable && !list[i].used)
			cfw_log_at(log, CFW_WARN, "no server listens at the socket \"%s\" that was passed (LISTEN_FDS)",
				   list[i].addr.text);
}
