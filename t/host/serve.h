/* serve.h: a server in a thread of its own that gives everybody who asks the same reply; none of its calls fails. */
#ifndef T_HOST_SERVE_H
#define T_HOST_SERVE_H

#include <sys/un.h>

#include "faulty.h"
#include "rig.h"

struct serve {
	const char *reply;
	int fd;
	pthread_t thread;
	char path[108];
};

__attribute__((unused)) static void *serve_all(void *ud)
{
	const struct serve *s = ud;
	for (int fd; (fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0; __real_close(fd)) {
		char request[4096];
		size_t n = 0;
		for (ssize_t k = 1;
		     k > 0 && n < sizeof request - 1 && (n < 4 || memcmp(request + n - 4, "\r\n\r\n", 4) != 0);) {
			k = __real_recv(fd, request + n, sizeof request - 1 - n, 0);
			n += k > 0 ? (size_t)k : 0;
		}
		__real_send(fd, s->reply, strlen(s->reply), MSG_NOSIGNAL);
	}
	return NULL;
}

/* At s->path, a socket in the test's folder. */
__attribute__((unused)) static void serve_begin(struct serve *s, const struct rig *r, const char *reply)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	sigset_t all, old;
	snprintf(s->path, sizeof s->path, "%s/server", r->dir);
	snprintf(un.sun_path, sizeof un.sun_path, "%s", s->path);
	s->reply = reply;
	s->fd = __real_socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (s->fd < 0 || __real_bind(s->fd, (struct sockaddr *)&un, sizeof un) || listen(s->fd, 16) ||
	    __real_pthread_create(&s->thread, NULL, serve_all, s))
		tap_bail("no server");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

__attribute__((unused)) static void serve_end(struct serve *s)
{
	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	__real_close(s->fd);
}

#endif
