#define _GNU_SOURCE
#include "shell/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "adapters/bar.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/kind.h"
#include "shell/passed.h"

enum { BACKLOG = 4096 };

/* ---- opening ---- */

/* Is the socket file at addr one that nobody serves? Sets errno to why it is not to be touched. */
static bool is_stale(const struct cfw_listen_addr *addr, const char *path)
{
	struct stat st;
	if (lstat(path, &st))
		return errno == ENOENT;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return false;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	bool refused = connect(fd, (const struct sockaddr *)&addr->sa, addr->len) && errno == ECONNREFUSED;
	close(fd);
	errno = EADDRINUSE;
	return refused;
}

/* The file of a unix socket becomes ours: we remove it in the end. */
static int own_file(const char *path, struct cfw_listener *out)
{
	struct stat st;
	if (!*path)
		return 0;
	if (lstat(path, &st) || !(out->path = strdup(path)))
		return -1;
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	return 0;
}

static int bind_unix(int fd, const struct cfw_listen_addr *addr, struct cfw_listener *out)
{
	const struct sockaddr *sa = (const struct sockaddr *)&addr->sa;
	const char *path = ((const struct sockaddr_un *)sa)->sun_path;
	if (addr->mode && fchmod(fd, addr->mode)) /* bind's file takes it over, less the umask: at no time it has another */
		return -1;
	int rc = bind(fd, sa, addr->len);
	if (rc && errno == EADDRINUSE && *path && is_stale(addr, path) && (!unlink(path) || errno == ENOENT))
		rc = bind(fd, sa, addr->len);
	if (rc || !own_file(path, out))
		return rc;
	unlink(path);
	return -1;
}

static int bind_tcp(int fd, const struct cfw_listen_addr *addr)
{
	int on = 1, only = !addr->dual;
	/* Accepted sockets inherit all of these. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (addr->sa.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
	return bind(fd, (const struct sockaddr *)&addr->sa, addr->len);
}

static char *real_text(int fd, const struct cfw_listen_addr *addr)
{
	char buf[CFW_PEER_TEXT];
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof sa;
	if (addr->sa.ss_family == AF_UNIX)
		return strdup(addr->text);
	if (getsockname(fd, (struct sockaddr *)&sa, &len))
		return NULL;
	return strdup(cfw_listen_peer((struct sockaddr *)&sa, buf, sizeof buf));
}

int cfw_listen_open(const char *name, const struct cfw_listen_addr *addr, struct cfw_listener *out, struct curfew_err *err)
{
	struct cfw_listen_addr any4;
	int family = addr->sa.ss_family, passed = cfw_passed_find(addr);
	memset(out, 0, sizeof *out);
	if (passed >= 0) { /* who waits in it when we are gone waits for whoever is started next */
		*out = (struct cfw_listener){.fd = passed, .family = family, .shared = true, .text = real_text(passed, addr)};
		if (out->text)
			return 0;
		cfw_listen_close(out);
		return cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", name);
	}
	out->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (out->fd < 0 && addr->dual && errno == EAFNOSUPPORT) {
		/* A kernel without IPv6: everywhere is IPv4 then. */
		any4 = *addr;
		in_port_t port = ((const struct sockaddr_in6 *)&addr->sa)->sin6_port;
		memset(&any4.sa, 0, sizeof any4.sa);
		((struct sockaddr_in *)&any4.sa)->sin_family = AF_INET;
		((struct sockaddr_in *)&any4.sa)->sin_port = port;
		any4.len = sizeof(struct sockaddr_in);
		any4.dual = false;
		return cfw_listen_open(name, &any4, out, err);
	}
	out->family = family;
	if (out->fd < 0 || (family == AF_UNIX ? bind_unix(out->fd, addr, out) : bind_tcp(out->fd, addr)) ||
	    listen(out->fd, BACKLOG) || !(out->text = real_text(out->fd, addr))) {
		int rc = cfw_err_sys(err, "%s: cannot listen on %s", name, addr->text);
		cfw_listen_close(out);
		return rc;
	}
	return 0;
}

void cfw_listen_remove_stale(const char *addresses)
{
	for (const char *s = addresses; *s; s += strspn(s, ", ")) {
		size_t n = strcspn(s, ",");
		struct cfw_listen_addr addr;
		char *one = strndup(s, n);
		s += n;
		if (one && !strncmp(one, "unix:", 5) && !cfw_listen_parse_one("", one, 0, &addr, NULL)) {
			const char *path = ((const struct sockaddr_un *)&addr.sa)->sun_path;
			if (*path && is_stale(&addr, path))
				unlink(path);
			free(addr.text);
		}
		free(one);
	}
}

/* ---- reload ---- */

bool cfw_listen_same(const struct cfw_listen_addr *a, int n_a, const struct cfw_listen_addr *b, int n_b)
{
	bool same = n_a == n_b;
	for (int i = 0; same && i < n_a; i++)
		same = a[i].len == b[i].len && !memcmp(&a[i].sa, &b[i].sa, sizeof a[i].sa);
	return same;
}

/* The index of the address that is written so; -1. */
static int find(const struct cfw_listen_addr *addrs, int n, const char *text)
{
	struct cfw_listen_addr a;
	int found = -1;
	if (cfw_listen_parse_one("", text, 0, &a, NULL))
		return -1;
	for (int i = 0; i < n && found < 0; i++)
		if (cfw_listen_same(&a, 1, &addrs[i], 1))
			found = i;
	free(a.text);
	return found;
}

/* A descriptor of the same socket, for a successor: l is shared from now on. -1 with errno. */
static int share(struct cfw_listener *l)
{
	int fd = l->fd < 0 ? -1 : fcntl(l->fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -1;
	l->shared = true;
	free(l->path); /* its file is the successor's */
	l->path = NULL;
	return fd;
}

int cfw_listen_hand_over(struct cfw_listener *l, const struct cfw_listen_addr *addrs, int n, const char *address, bool take)
{
	int i = find(addrs, n, address);
	if (i < 0 || l[i].fd < 0 || l[i].shared)
		return -1;
	return take ? share(&l[i]) : 0;
}

void cfw_listen_swap(struct cfw_listen_addr **a, int *n_a, struct cfw_listen_addr **b, int *n_b)
{
	struct cfw_listen_addr *addrs = *a;
	int n = *n_a;
	*a = *b;
	*n_a = *n_b;
	*b = addrs;
	*n_b = n;
}

/* Takes fd. */
static int adopt(const char *name, const struct cfw_listen_addr *addr, int fd, struct cfw_listener *out, struct curfew_err *err)
{
	*out = (struct cfw_listener){.fd = fd, .family = addr->sa.ss_family};
	bool file = addr->sa.ss_family == AF_UNIX;
	if ((!file || !own_file(((const struct sockaddr_un *)&addr->sa)->sun_path, out)) && (out->text = real_text(fd, addr)))
		return 0;
	int rc = cfw_err_sys(err, "%s: cannot take over %s", name, addr->text);
	cfw_listen_close(out);
	return rc;
}

int cfw_listen_take(const struct cfw_env *env, cfw_id id, const char *name, const struct cfw_listen_addr *addrs, int i,
		    struct cfw_listener *ready, struct cfw_listener *out, struct curfew_err *err)
{
	if (ready && ready[i].fd >= 0) {
		*out = ready[i];
		ready[i] = (struct cfw_listener){.fd = -1};
		return 0;
	}
	int fd = env->socket ? env->socket(env->ud, id, addrs[i].text) : -1;
	return fd >= 0 ? adopt(name, &addrs[i], fd, out, err) : cfw_listen_open(name, &addrs[i], out, err);
}

int cfw_listen_prepare(const struct cfw_env *env, cfw_id id, const char *name, const struct cfw_listen_addr *addrs, int n,
		       struct cfw_listener **ready, struct curfew_err *err)
{
	if (!*ready) {
		*ready = calloc((size_t)n, sizeof **ready);
		if (!*ready)
			return cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", name);
		for (int i = 0; i < n; i++)
			(*ready)[i].fd = -1;
	}
	for (int i = 0; i < n; i++) {
		struct cfw_listener *l = &(*ready)[i];
		int fd = l->fd < 0 && env->socket ? env->socket(env->ud, id, addrs[i].text) : -1;
		if (l->fd >= 0 || fd == CFW_SOCKET_LATER)
			continue;
		int rc = fd >= 0 ? adopt(name, &addrs[i], fd, l, err) : cfw_listen_open(name, &addrs[i], l, err);
		if (rc)
			return rc;
	}
	return 0;
}

void cfw_listen_ready_free(struct cfw_listener *ready, int n)
{
	for (int i = 0; ready && i < n; i++)
		cfw_listen_close(&ready[i]);
	free(ready);
}

/* ---- closing ---- */

static void remove_file(struct cfw_listener *l)
{
	struct stat st;
	if (l->path && !lstat(l->path, &st) && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(l->path);
	free(l->path);
	l->path = NULL;
}

void cfw_listen_bar(struct cfw_listener *l)
{
	if (l->fd < 0 || l->barred || l->shared)
		return;
	l->barred = true;
	if (l->family == AF_UNIX)
		remove_file(l);
	(void)cfw_bar(l->fd); /* where the kernel cannot, nothing else helps */
}

void cfw_listen_bar_all(struct cfw_listener *l, int n)
{
	for (int i = 0; i < n; i++)
		cfw_listen_bar(&l[i]);
}

bool cfw_listen_queued(struct cfw_listener *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};
	if (l->fd < 0 || l->shared)
		return false;
	if (l->family == AF_UNIX && l->barred)
		return !l->turned++;
	return poll(&p, 1, 0) == 1;
}

void cfw_listen_close(struct cfw_listener *l)
{
	remove_file(l);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	free(l->text);
	l->text = NULL;
}

char *cfw_listen_text(const struct cfw_listener *l, int n)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	for (int i = 0; i < n; i++)
		cfw_buf_printf(&b, "%s%s", i ? ", " : "", l[i].text);
	return cfw_buf_take(&b);
}

const char *cfw_listen_peer(const struct sockaddr *sa, char *buf, size_t n)
{
	char host[INET6_ADDRSTRLEN] = "";
	if (sa && sa->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, sa, sizeof in);
		inet_ntop(AF_INET, &in.sin_addr, host, sizeof host);
		snprintf(buf, n, "%s:%u", host, ntohs(in.sin_port));
	} else if (sa && sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;
		memcpy(&in6, sa, sizeof in6);
		inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
		snprintf(buf, n, "[%s]:%u", host, ntohs(in6.sin6_port));
	} else {
		snprintf(buf, n, "unix");
	}
	return buf;
}
