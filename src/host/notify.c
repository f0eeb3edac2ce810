#define _GNU_SOURCE
#include "host/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "adapters/loop.h"
#include "base/err.h"
#include "base/log.h"
#include "host/child.h"
#include "host/internal.h"

enum { A_TURN = 32 /* messages taken at once */ };

struct cfw_notify {
	struct cfw_host *host;
	const struct cfw_child *child;
	const char *name;
	void (*fn)(void *ud);
	void *ud;
	struct curfew_watch *watch;
	int fd;
	char address[sizeof((struct sockaddr_un *)NULL)->sun_path + 1];
	char status[256];
};

/* The sender's pid; 0 when the kernel did not tell. Descriptors that came along are closed: they are none of our business, and a
 * sender that waits for that (BARRIER=1) may go on. On a unix socket all of it is of the level SOL_SOCKET. */
static pid_t take_control(struct msghdr *m)
{
	pid_t pid = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_type == SCM_CREDENTIALS) {
			struct ucred who;
			memcpy(&who, CMSG_DATA(c), sizeof who);
			pid = who.pid;
		} else if (c->cmsg_type == SCM_RIGHTS) {
			size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			for (size_t i = 0; i < n; i++) {
				int fd;
				memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
				close(fd);
			}
		}
	}
	return pid;
}

/* Lines of NAME=value. True when READY=1 is among them. */
static bool read_lines(struct cfw_notify *n, char *text)
{
	bool ready = false;
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strcmp(line, "READY=1"))
			ready = true;
		else if (!strncmp(line, "STATUS=", 7))
			snprintf(n->status, sizeof n->status, "%s", line + 7);
	return ready;
}

static void on_message(void *ud, int fd, unsigned what)
{
	(void)what;
	struct cfw_notify *n = ud;
	bool ready = false;
	for (int i = 0; i < A_TURN; i++) {
		char text[4097];
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(253 * sizeof(int))];
		} control;
		struct iovec io = {text, sizeof text - 1};
		struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
		ssize_t got = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		pid_t pid = take_control(&m);
		text[got] = '\0';
		if (cfw_child_owns(n->child, pid))
			ready |= read_lines(n, text);
		else
			cfw_log_at(n->host->env->log, CFW_WARN,
				   "%s: a notification from process %d, which is not one of its own, is ignored", n->name,
				   (int)pid);
	}
	if (ready)
		n->fn(n->ud); /* may free n */
}

static int open_socket(struct cfw_notify *n)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t len = sizeof un;
	int yes = 1;
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0 || setsockopt(n->fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes))
		return -1;
	/* No path: the kernel picks a free abstract address. */
	if (bind(n->fd, (struct sockaddr *)&un, sizeof un.sun_family) || getsockname(n->fd, (struct sockaddr *)&un, &len))
		return -1;
	size_t name = len - offsetof(struct sockaddr_un, sun_path);
	n->address[0] = '@';
	memcpy(n->address + 1, un.sun_path + 1, name - 1);
	n->address[name] = '\0';
	return 0;
}

struct cfw_notify *cfw_notify_new(struct cfw_host *h, const struct cfw_child *child, const char *name, void (*fn)(void *ud),
				  void *ud, struct curfew_err *err)
{
	const struct curfew_loop *loop = h->env->loop;
	struct cfw_notify *n = calloc(1, sizeof *n);
	if (!n) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	n->host = h;
	n->child = child;
	n->name = name;
	n->fn = fn;
	n->ud = ud;
	int e = 0;
	if (open_socket(n))
		cfw_err_sys(err, "no socket for notifications");
	else if (!(e = loop->ops->watch(loop->loop, &n->watch, n->fd, CURFEW_READ, on_message, n)))
		return n;
	else
		cfw_err_set(err, e, "cannot watch the socket for notifications");
	cfw_notify_free(n);
	return NULL;
}

const char *cfw_notify_address(const struct cfw_notify *n)
{
	return n->address;
}

const char *cfw_notify_status(const struct cfw_notify *n)
{
	return n ? n->status : "";
}

void cfw_notify_free(struct cfw_notify *n)
{
	if (!n)
		return;
	const struct curfew_loop *loop = n->host->env->loop;
	if (n->watch)
		loop->ops->watch(loop->loop, &n->watch, n->fd, 0, NULL, NULL);
	if (n->fd >= 0)
		close(n->fd);
	free(n);
}
