/* keepalive.c: clients that keep their connections, honour "Connection: close" and count every request.
 *
 *   keepalive PORT CLIENTS [PATH]
 *
 * Each asks again as soon as it has its reply, on the same connection, or on a new one when a reply has announced the end of the
 * old one, or after a failure. A client whose connection is refused is done. SIGTERM: each waits for the reply that it is owed and
 * is done. At the end one line:
 *
 *   sent N done N failed N refused N last N      requests; connections that were refused; ms from the last reply to now */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1024, ROOM = 16384 };

struct client {
	int fd; /* -1: done */
	bool connecting, owed;
	size_t n;
	char in[ROOM];
};

static struct client clients[MOST];
static struct sockaddr_in where;
static char request[512];
static int poller;
static size_t running;
static unsigned long sent, done, failed, refused;
static double last;
static volatile sig_atomic_t over;

static void on_term(int signo)
{
	(void)signo;
	over = 1;
}

static double now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void drop(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	running--;
}

static void open_one(struct client *c)
{
	int on = 1;
	*c = (struct client){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), .connecting = true};
	struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
	if (c->fd < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e)) {
		perror("keepalive: socket");
		exit(2);
	}
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	running++;
	if (connect(c->fd, (struct sockaddr *)&where, sizeof where) && errno != EINPROGRESS) {
		refused++;
		drop(c);
	}
}

static void again(struct client *c)
{
	drop(c);
	if (!over)
		open_one(c);
}

static void fail(struct client *c)
{
	failed++;
	again(c);
}

static void ask(struct client *c)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
	if (over) {
		drop(c);
		return;
	}
	sent++;
	c->owed = true;
	c->n = 0;
	epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
	if (send(c->fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		fail(c);
}

static void connected(struct client *c)
{
	int err = 0;
	socklen_t n = sizeof err;
	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n);
	c->connecting = false;
	if (err) {
		refused++;
		drop(c);
	} else {
		ask(c);
	}
}

/* The whole reply, or not yet: its length; *closes when it says so. */
static size_t reply(struct client *c, bool *closes, bool *well)
{
	c->in[c->n] = '\0';
	const char *end = strstr(c->in, "\r\n\r\n"), *length = strcasestr(c->in, "\r\ncontent-length:");
	if (!end || !length)
		return 0;
	*closes = strcasestr(c->in, "\r\nconnection: close") != NULL;
	*well = strncmp(c->in, "HTTP/1.1 200", 12) == 0;
	return (size_t)(end - c->in) + 4 + strtoul(length + 17, NULL, 10);
}

static void readable(struct client *c)
{
	bool closes, well;
	ssize_t n = recv(c->fd, c->in + c->n, sizeof c->in - 1 - c->n, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		fail(c);
		return;
	}
	c->n += (size_t)n;
	size_t whole = reply(c, &closes, &well);
	if (!whole || c->n < whole)
		return;
	if (!well) {
		fail(c);
		return;
	}
	done++;
	last = now_ms();
	c->owed = false;
	if (closes)
		again(c);
	else
		ask(c);
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[2]) : 0;
	if (n < 1 || n > MOST) {
		fprintf(stderr, "usage: keepalive PORT CLIENTS [PATH]\n");
		return 2;
	}
	where = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
	where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", argc > 3 ? argv[3] : "/");
	struct sigaction act = {.sa_handler = on_term};
	sigaction(SIGTERM, &act, NULL);
	poller = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < n; i++)
		open_one(&clients[i]);
	while (running) {
		struct epoll_event e[64];
		int k = epoll_wait(poller, e, 64, 1000);
		for (int i = 0; i < k; i++) {
			struct client *c = e[i].data.ptr;
			if (c->fd >= 0 && c->connecting)
				connected(c);
			else if (c->fd >= 0)
				readable(c);
		}
	}
	printf("sent %lu done %lu failed %lu refused %lu last %.0f\n", sent, done, failed, refused, now_ms() - last);
	return 0;
}
