/* min_http.c: the least that serves HTTP with libevent and drains at SIGTERM: the listeners close, replies carry Connection:
 * close, and the process ends when no request is under way.
 *
 *   min_http DELAY_MS PORT…    one server a port, each reply is sent DELAY_MS after its request */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

struct server {
	struct evhttp *http;
	struct evhttp_bound_socket *bound;
};

static struct event_base *base;
static struct server *servers;
static int count;
static struct timeval delay;
static long in_flight;
static bool draining;

static void end_if_drained(void)
{
	if (draining && in_flight == 0)
		event_base_loopbreak(base);
}

static void on_sent(struct evhttp_request *req, void *ud)
{
	(void)req;
	(void)ud;
	in_flight--;
	end_if_drained();
}

static void reply(evutil_socket_t fd, short what, void *ud)
{
	(void)fd;
	(void)what;
	struct evhttp_request *req = ud;
	if (draining)
		evhttp_add_header(evhttp_request_get_output_headers(req), "Connection", "close");
	evbuffer_add(evhttp_request_get_output_buffer(req), "ok\n", 3);
	evhttp_send_reply(req, HTTP_OK, "OK", NULL);
}

static void on_request(struct evhttp_request *req, void *ud)
{
	(void)ud;
	in_flight++;
	evhttp_request_set_on_complete_cb(req, on_sent, NULL);
	if (delay.tv_sec || delay.tv_usec)
		event_base_once(base, -1, EV_TIMEOUT, reply, req, &delay);
	else
		reply(-1, 0, req);
}

static void on_term(evutil_socket_t fd, short what, void *ud)
{
	(void)fd;
	(void)what;
	(void)ud;
	draining = true;
	for (int i = 0; i < count; i++)
		evhttp_del_accept_socket(servers[i].http, servers[i].bound);
	end_if_drained();
}

static int listen_on(struct server *s, const char *port)
{
	s->http = evhttp_new(base);
	if (!s->http)
		return -1;
	evhttp_set_gencb(s->http, on_request, NULL);
	s->bound = evhttp_bind_socket_with_handle(s->http, "127.0.0.1", (uint16_t)strtoul(port, NULL, 10));
	/* evhttp's queue of 128 is too short for a proxy that opens a thousand connections at once. */
	return s->bound ? listen(evhttp_bound_socket_get_fd(s->bound), 4096) : -1;
}

int main(int argc, char **argv)
{
	count = argc - 2;
	if (count < 1) {
		fprintf(stderr, "usage: min_http DELAY_MS PORT…\n");
		return 2;
	}
	long ms = strtol(argv[1], NULL, 10);
	delay = (struct timeval){ms / 1000, ms % 1000 * 1000};
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	servers = calloc((size_t)count, sizeof *servers);
	if (!base || !servers)
		return 1;
	struct event *term = evsignal_new(base, SIGTERM, on_term, NULL);
	event_add(term, NULL);
	for (int i = 0; i < count; i++)
		if (listen_on(&servers[i], argv[i + 2])) {
			perror(argv[i + 2]);
			return 1;
		}
	event_base_dispatch(base);
	for (int i = 0; i < count; i++)
		evhttp_free(servers[i].http);
	event_free(term);
	event_base_free(base);
	free(servers);
	return 0;
}
