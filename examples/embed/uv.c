/* uv.c: curfew in a program on libuv: greets who says a name, and ends when all are greeted.
 *
 *   cc -o uv uv.c $(pkg-config --cflags --libs curfew libuv)
 *   ./uv 7777 policy.lua */
#include <curfew-uv.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct client {
	uv_tcp_t tcp;
	uv_write_t write;
	curfew_id request;
	char text[80];
};

static uv_tcp_t listener;
static struct curfew_uv here;
static struct curfew *c;
static curfew_id server;
static int code;

static void on_exit_code(void *ud, int exit_code, bool kill)
{
	code = exit_code;
	uv_stop(uv_default_loop());
}

static void stop(void *ud, curfew_id id, uint64_t deadline_ns)
{
	uv_close((uv_handle_t *)&listener, NULL);
	curfew_server_stopped(c, id);
}

static void gone(uv_handle_t *tcp)
{
	struct client *k = tcp->data;
	curfew_request_end(c, k->request);
	free(k);
}

static void written(uv_write_t *w, int status)
{
	uv_close((uv_handle_t *)w->handle, gone);
}

static void room(uv_handle_t *tcp, size_t n, uv_buf_t *buf)
{
	struct client *k = tcp->data;
	*buf = uv_buf_init(k->text + 6, sizeof k->text - 6);
}

static void readable(uv_stream_t *tcp, ssize_t n, const uv_buf_t *buf)
{
	struct client *k = tcp->data;
	uv_buf_t answer = uv_buf_init(memcpy(k->text, "hello ", 6) ? k->text : NULL, n > 0 ? (unsigned)n + 6 : 0);
	uv_read_stop(tcp);
	if (n <= 0 || uv_write(&k->write, tcp, &answer, 1, written))
		uv_close((uv_handle_t *)tcp, gone);
}

static void come_in(uv_stream_t *l, int status)
{
	struct client *k = calloc(1, sizeof *k);
	uv_tcp_init(l->loop, &k->tcp);
	k->tcp.data = k;
	k->request = curfew_request_begin(c, server);
	if (uv_accept(l, (uv_stream_t *)&k->tcp) || uv_read_start((uv_stream_t *)&k->tcp, room, readable))
		uv_close((uv_handle_t *)&k->tcp, gone);
}

int main(int argc, char **argv)
{
	struct curfew_err err = {0};
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code};
	struct curfew_server_ops ops = {.size = sizeof ops, .stop = stop};
	struct curfew_server_options hello = {.size = sizeof hello, .name = "hello", .ops = &ops};
	uv_loop_t *loop = uv_default_loop();
	struct sockaddr_in at;
	int n = sizeof at;
	signal(SIGPIPE, SIG_IGN);
	uv_ip4_addr("127.0.0.1", argc > 1 ? atoi(argv[1]) : 0, &at);
	uv_tcp_init(loop, &listener);
	if (uv_tcp_bind(&listener, (struct sockaddr *)&at, 0) || uv_listen((uv_stream_t *)&listener, 64, come_in) ||
	    uv_tcp_getsockname(&listener, (struct sockaddr *)&at, &n))
		return fprintf(stderr, "cannot listen\n"), 1;
	c = curfew_new(&o, &err);
	if (!c || !(server = curfew_server_new(c, &hello, &err)) || curfew_own_signals(c, (int[]){SIGTERM, SIGINT}, 2, &err) ||
	    (argc > 2 && curfew_load_file(c, argv[2], &err)) || curfew_start(c) || curfew_uv_attach(&here, loop, c))
		return fprintf(stderr, "%s\n", err.msg), 2;
	printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
	fflush(stdout);
	uv_run(loop, UV_RUN_DEFAULT);
	curfew_uv_detach(&here);
	uv_run(loop, UV_RUN_NOWAIT); /* what is closed */
	curfew_free(c);
	return code;
}
