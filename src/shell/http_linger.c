/* A descriptor closed while the kernel holds bytes that nobody has read resets the connection, and a reset can destroy the reply
 * that was just written. Where the client may well be sending still (its body is too large, its request is no HTTP), what it sends
 * is swallowed for a moment first. evhttp closes its own descriptor meanwhile; a duplicate keeps the connection. */
#define _GNU_SOURCE
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "shell/http_server.h"

enum { AT_MOST = 256 << 10 /* bytes */, PIECE = 16 << 10 };
#define LINGER CFW_SEC

struct cfw_http_linger {
	LIST_ENTRY(cfw_http_linger) link;
	struct cfw_http *srv;
	struct event ev;
	uint64_t end_ns;
	size_t swallowed;
};

static uint64_t now_ns(const struct cfw_http *s)
{
	return s->env->now_ns(s->env->ud);
}

static void end(struct cfw_http_linger *l)
{
	struct cfw_http *s = l->srv;
	event_del(&l->ev);
	close(event_get_fd(&l->ev));
	LIST_REMOVE(l, link);
	s->n_lingering--;
	free(l);
}

static int wait_on(struct cfw_http_linger *l)
{
	uint64_t us = cfw_time_left(now_ns(l->srv), l->end_ns) / 1000;
	struct timeval tv = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
	return us ? event_add(&l->ev, &tv) : -1;
}

static void on_more(evutil_socket_t fd, short what, void *linger)
{
	struct cfw_http_linger *l = linger;
	struct cfw_http *s = l->srv;
	char piece[PIECE];
	ssize_t n = what & EV_READ ? recv(fd, piece, sizeof piece, MSG_DONTWAIT) : 0;
	l->swallowed += n > 0 ? (size_t)n : 0;
	bool over = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) || l->swallowed >= AT_MOST;
	if (!over && !wait_on(l))
		return;
	end(l);
	if (s->phase >= CFW_HTTP_DRAIN_QUEUE)
		cfw_http_turn_soon(s);
}

void cfw_http_linger(struct cfw_http_conn *c)
{
	struct cfw_http *s = c->srv;
	char byte;
	int fd = bufferevent_getfd(c->bev);
	ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	/* The client has closed, or is gone; or it has sent all of a request, and knows that this was its last. */
	if (n == 0 || (n < 0 && (errno != EAGAIN || !c->refused)))
		return;
	struct cfw_http_linger *l = calloc(1, sizeof *l);
	int twin = l ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (twin < 0) {
		free(l);
		return;
	}
	/* Or epoll would go on telling of the descriptor that evhttp closes. */
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	shutdown(twin, SHUT_WR);
	l->srv = s;
	l->end_ns = cfw_time_add(now_ns(s), LINGER);
	event_assign(&l->ev, s->base, twin, EV_READ, on_more, l);
	LIST_INSERT_HEAD(&s->lingering, l, link);
	s->n_lingering++;
	if (wait_on(l))
		end(l);
}

void cfw_http_linger_end(struct cfw_http *s)
{
	for (struct cfw_http_linger *l = LIST_FIRST(&s->lingering), *next; l; l = next) {
		next = LIST_NEXT(l, link);
		end(l);
	}
}
