/* probe_load.c: keep-alive clients that honour Connection: close, and what becomes of their requests when the server is stopped.
 *
 * Owed: asked before the signal and unanswered then. Late: asked after it, on a connection that no reply had announced to close.
 * Lost: no whole reply came. A connection that the server closes while its client waits to ask again loses nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "marks.h"
#include "probe.h"

enum { WARM_MS = 300, SPREAD_MS = 40, THINK_MS = 10, ANSWER = 1024 };

struct client {
	int fd; /* -1: closed */
	bool asked;
	uint64_t at_ns; /* when it asked, or will */
	size_t n;
	char answer[ANSWER + 1];
};

struct load {
	const struct probe_options *o;
	struct client *clients;
	int epoll, open, waiting; /* waiting: for an answer */
	unsigned random;
	uint64_t stop_ns; /* 0: the signal was not sent yet */
	long replies, owed, owed_lost, late, late_lost, idle_closed;
};

static unsigned next_random(struct load *l, unsigned below)
{
	l->random = l->random * 1103515245U + 12345U;
	return (l->random >> 8) % below;
}

static void leave(struct load *l, struct client *c)
{
	close(c->fd);
	c->fd = -1;
	l->open--;
}

static void lose(struct load *l, struct client *c)
{
	if (!l->stop_ns)
		probe_fail("%s lost a request before it was stopped", l->o->command[0]);
	*(c->at_ns < l->stop_ns ? &l->owed_lost : &l->late_lost) += 1;
	l->waiting--;
	leave(l, c);
}

static void ask(struct load *l, struct client *c, uint64_t now)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n";
	c->asked = true;
	c->at_ns = now;
	c->n = 0;
	l->waiting++;
	l->late += l->stop_ns != 0;
	if (send(c->fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof request - 1))
		lose(l, c);
}

/* 1: a whole reply; 0: more is to come; -1: nonsense. *last: it says Connection: close. */
static int parse(struct client *c, bool *last)
{
	c->answer[c->n] = 0;
	char *end = strstr(c->answer, "\r\n\r\n");
	if (!end)
		return c->n == ANSWER ? -1 : 0;
	const char *length = strcasestr(c->answer, "\r\nContent-Length:");
	if (strncmp(c->answer, "HTTP/1.1 200", 12) != 0 || !length)
		return -1;
	size_t whole = (size_t)(end + 4 - c->answer) + strtoul(length + 17, NULL, 10);
	if (c->n < whole)
		return whole > ANSWER ? -1 : 0;
	*end = 0;
	const char *connection = strcasestr(c->answer, "\r\nConnection:");
	*last = connection && strcasestr(connection, "close");
	return c->n == whole ? 1 : -1;
}

static void answered(struct load *l, struct client *c, bool last, uint64_t now)
{
	l->replies++;
	l->waiting--;
	c->asked = false;
	if (last) {
		leave(l, c);
		return;
	}
	c->at_ns = l->o->waves ? UINT64_MAX : now + next_random(l, THINK_MS * 1000) * UINT64_C(1000);
}

static void hear(struct load *l, struct client *c, uint64_t now)
{
	bool last = false;
	ssize_t got = recv(c->fd, c->answer + c->n, ANSWER - c->n, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (!c->asked) {
		l->idle_closed++;
		leave(l, c);
	} else if (got <= 0) {
		lose(l, c);
	} else {
		c->n += (size_t)got;
		int rc = parse(c, &last);
		if (rc > 0)
			answered(l, c, last, now);
		else if (rc < 0)
			lose(l, c);
	}
}

/* In waves: when everybody has an answer, all ask again 5 ms later. */
static void next_wave(struct load *l, uint64_t now)
{
	for (int i = 0; i < l->o->n; i++)
		if (l->clients[i].at_ns == UINT64_MAX)
			l->clients[i].at_ns = now + 5 * PROBE_MS;
}

static void turn(struct load *l)
{
	struct epoll_event events[256];
	int n = epoll_wait(l->epoll, events, 256, 1);
	uint64_t now = bench_now();
	for (int i = 0; i < n; i++)
		hear(l, events[i].data.ptr, now);
	if (l->o->waves && l->waiting == 0)
		next_wave(l, now);
	for (int i = 0; i < l->o->n; i++) {
		struct client *c = &l->clients[i];
		if (c->fd >= 0 && !c->asked && c->at_ns <= now)
			ask(l, c, bench_now());
	}
	probe_check_deadline(l->o, "end of the load");
}

static void connect_all(struct load *l)
{
	for (int i = 0; i < l->o->n; i++) {
		struct client *c = &l->clients[i];
		c->fd = probe_connect(l->o->ports[0]);
		struct epoll_event e = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
		if (c->fd < 0 || fcntl(c->fd, F_SETFL, O_NONBLOCK) || epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e))
			probe_fail("connection %d: %s", i + 1, strerror(errno));
		l->open++;
	}
	uint64_t now = bench_now();
	for (int i = 0; i < l->o->n; i++)
		l->clients[i].at_ns = l->o->waves ? now : now + next_random(l, THINK_MS * 1000) * UINT64_C(1000);
}

int probe_load(const struct probe_options *o)
{
	struct load l = {.o = o, .random = o->seed * 2654435761U + 1, .epoll = epoll_create1(EPOLL_CLOEXEC)};
	uint64_t began;
	int status = 0;
	l.clients = calloc((size_t)o->n, sizeof *l.clients);
	if (!l.clients || l.epoll < 0 || o->nports != 1)
		probe_fail("one port is needed, and memory");
	pid_t pid = probe_spawn(o, &began);
	probe_wait_ports(o, pid);
	connect_all(&l);
	uint64_t first = bench_now();
	uint64_t until = first + WARM_MS * PROBE_MS + next_random(&l, SPREAD_MS * 1000) * UINT64_C(1000);
	while (bench_now() < until)
		turn(&l);
	double rate = (double)l.replies * 1e9 / (double)(bench_now() - first);
	l.stop_ns = probe_stop(o, pid);
	l.owed = l.waiting;
	while (l.open > 0)
		turn(&l);
	uint64_t end = probe_wait(o, pid, &status);
	probe_wait_all(o, pid, &status);
	printf("owed %ld\nowed_lost %ld\nlate %ld\nlate_lost %ld\nidle_closed %ld\nstop_ms %.3f\nrate %.0f\n", l.owed,
	       l.owed_lost, l.late, l.late_lost, l.idle_closed, (double)(end - l.stop_ns) / 1e6, rate);
	probe_print_end(status);
	free(l.clients);
	return 0;
}
