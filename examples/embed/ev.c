/* ev.c: curfew in a program on libev: greets who says a name, and ends when all are greeted.
 *
 *   cc -o ev ev.c $(pkg-config --cflags --libs curfew) -lev
 *   ./ev 7777 policy.lua */
#include <arpa/inet.h>
#include <curfew-ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct client {
	ev_io io;
	curfew_id request;
};

static struct ev_loop *loop;
static ev_io listener;
static struct curfew *c;
static curfew_id server;
static int code;

static void on_exit_code(void *ud, int exit_code, bool kill)
{
	code = exit_code;
	ev_break(loop, EVBREAK_ALL);
}

static void stop(void *ud, curfew_id id, uint64_t deadline_ns)
{
	ev_io_stop(loop, &listener);
	close(listener.fd);
	curfew_server_stopped(c, id);
}

static void readable(struct ev_loop *l, ev_io *io, int what)
{
	struct client *k = (struct client *)io;
	char name[80];
	ssize_t n = read(io->fd, name, sizeof name);
	if (n > 0)
		dprintf(io->fd, "hello %.*s", (int)n, name);
	ev_io_stop(l, io);
	close(io->fd);
	curfew_request_end(c, k->request);
	free(k);
}

static void come_in(struct ev_loop *l, ev_io *io, int what)
{
	int fd = accept(io->fd, NULL, NULL);
	struct client *k = fd >= 0 ? malloc(sizeof *k) : NULL;
	if (!k)
		return;
	k->request = curfew_request_begin(c, server);
	ev_io_init(&k->io, readable, fd, EV_READ);
	ev_io_start(l, &k->io);
}

int main(int argc, char **argv)
{
	struct curfew_err err = {0};
	struct curfew_ev here;
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code};
	struct curfew_server_ops ops = {.size = sizeof ops, .stop = stop};
	struct curfew_server_options hello = {.size = sizeof hello, .name = "hello", .ops = &ops};
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	signal(SIGPIPE, SIG_IGN);
	if (bind(fd, (struct sockaddr *)&at, n) || listen(fd, 64) || getsockname(fd, (struct sockaddr *)&at, &n))
		return perror("listen"), 1;
	loop = ev_default_loop(0);
	ev_io_init(&listener, come_in, fd, EV_READ);
	ev_io_start(loop, &listener);
	c = curfew_new(&o, &err);
	if (!c || !(server = curfew_server_new(c, &hello, &err)) || curfew_own_signals(c, (int[]){SIGTERM, SIGINT}, 2, &err) ||
	    (argc > 2 && curfew_load_file(c, argv[2], &err)) || curfew_start(c) || curfew_ev_attach(&here, loop, c))
		return fprintf(stderr, "%s\n", err.msg), 2;
	printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
	fflush(stdout);
	ev_run(loop, 0);
	curfew_ev_detach(&here);
	curfew_free(c);
	return code;
}
