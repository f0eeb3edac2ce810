/* libevent.c: curfew in a program on libevent: greets who says a name, and ends when all are greeted.
 *
 *   cc -o libevent libevent.c $(pkg-config --cflags --libs curfew libevent_core)
 *   ./libevent 7777 policy.lua */
#include <arpa/inet.h>
#include <curfew-libevent.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct event_base *base;
static struct evconnlistener *listener;
static struct curfew *c;
static curfew_id server;
static int code;

static void on_exit_code(void *ud, int exit_code, bool kill)
{
	code = exit_code;
	event_base_loopbreak(base);
}

static void stop(void *ud, curfew_id id, uint64_t deadline_ns)
{
	evconnlistener_free(listener);
	curfew_server_stopped(c, id);
}

static void gone(struct bufferevent *b, short what, void *request)
{
	bufferevent_free(b);
	curfew_request_end(c, (curfew_id)(uintptr_t)request);
}

static void written(struct bufferevent *b, void *request)
{
	gone(b, 0, request);
}

static void readable(struct bufferevent *b, void *request)
{
	bufferevent_write(b, "hello ", 6);
	bufferevent_write_buffer(b, bufferevent_get_input(b));
	bufferevent_setcb(b, NULL, written, gone, request); /* the request ends when the answer is on its way */
}

static void come_in(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int n, void *ud)
{
	struct bufferevent *b = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(b, readable, NULL, gone, (void *)(uintptr_t)curfew_request_begin(c, server));
	bufferevent_enable(b, EV_READ | EV_WRITE);
}

int main(int argc, char **argv)
{
	struct curfew_err err = {0};
	struct curfew_libevent here;
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code};
	struct curfew_server_ops ops = {.size = sizeof ops, .stop = stop};
	struct curfew_server_options hello = {.size = sizeof hello, .name = "hello", .ops = &ops};
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	listener = evconnlistener_new_bind(base, come_in, NULL, LEV_OPT_CLOSE_ON_FREE, 64, (struct sockaddr *)&at, sizeof at);
	if (!listener || getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&at, &n))
		return perror("listen"), 1;
	c = curfew_new(&o, &err);
	if (!c || !(server = curfew_server_new(c, &hello, &err)) || curfew_own_signals(c, (int[]){SIGTERM, SIGINT}, 2, &err) ||
	    (argc > 2 && curfew_load_file(c, argv[2], &err)) || curfew_start(c) || curfew_libevent_attach(&here, base, c))
		return fprintf(stderr, "%s\n", err.msg), 2;
	printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
	fflush(stdout);
	event_base_dispatch(base);
	curfew_libevent_detach(&here);
	curfew_free(c);
	event_base_free(base);
	return code;
}
