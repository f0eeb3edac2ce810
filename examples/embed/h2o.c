/* h2o.c: a server on the library of H2O 2.2, HTTP/1 and HTTP/2 without TLS, that stops as its policy says.
 *
 *   apt-get install libh2o-evloop-dev
 *   cc -o h2o h2o.c $(pkg-config --cflags --libs curfew libh2o-evloop)
 *   ./h2o h2o.lua 8080            port 0: one that the kernel picks; it is printed
 *
 * / answers at once, /slow after half a second, /never not at all. */
#define H2O_USE_LIBUV 0 /* libh2o-evloop: the same header is for both */
#include <arpa/inet.h>
#include <errno.h>
#include <h2o.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "curfew.h"

static h2o_globalconf_t config;
static h2o_context_t ctx;
static h2o_accept_ctx_t accept_ctx = {.ctx = &ctx};
static h2o_socket_t *listener;
static h2o_timeout_t grace, half_second;
static h2o_timeout_entry_t idle;
static struct curfew *c;
static curfew_id server;

/* ---- requests ---- */

struct request {
	h2o_generator_t generator;
	h2o_timeout_entry_t timer;
	h2o_req_t *req;
	curfew_id id;
};

/* The pool of a request goes when its reply is sent, or its client is gone: that is its end. */
static void request_gone(void *p)
{
	struct request *r = p;
	if (h2o_timeout_is_linked(&r->timer))
		h2o_timeout_unlink(&r->timer);
	curfew_request_end(c, r->id);
}

static void reply(h2o_timeout_entry_t *timer)
{
	h2o_req_t *req = H2O_STRUCT_FROM_MEMBER(struct request, timer, timer)->req;
	req->res.status = 200;
	req->res.reason = "OK";
	req->res.content_length = 6;
	h2o_send_inline(req, H2O_STRLIT("hello\n"));
}

static int on_request(h2o_handler_t *h, h2o_req_t *req)
{
	struct request *r = h2o_mem_alloc_shared(&req->pool, sizeof *r, request_gone);
	(void)h;
	*r = (struct request){.timer.cb = reply, .req = req, .id = curfew_request_begin(c, server)};
	if (h2o_memis(req->path_normalized.base, req->path_normalized.len, H2O_STRLIT("/slow")))
		h2o_timeout_link(ctx.loop, &half_second, &r->timer);
	else if (!h2o_memis(req->path_normalized.base, req->path_normalized.len, H2O_STRLIT("/never")))
		reply(&r->timer);
	return 0;
}

/* ---- the server, as curfew asks for it ---- */

static void on_connection(h2o_socket_t *l, const char *err)
{
	h2o_socket_t *s;
	while (!err && (s = h2o_evloop_socket_accept(l)))
		h2o_accept(&accept_ctx, s);
}

/* HTTP/1 says Connection: close in every reply from now on, HTTP/2 sends GOAWAY. */
static void lame(void *ud, curfew_id id, bool on)
{
	(void)ud, (void)id;
	if (on)
		h2o_context_request_shutdown(&ctx);
	else
		ctx.shutdown_requested = 0;
}

static void idle_over(h2o_timeout_entry_t *timer)
{
	(void)timer;
	curfew_server_stopped(c, server);
}

/* Whoever is in the queue gets in and has 100 ms to ask; requests under way are waited for besides. */
static void stop(void *ud, curfew_id id, uint64_t deadline_ns)
{
	(void)ud, (void)id, (void)deadline_ns;
	curfew_bar_listener(h2o_socket_get_fd(listener), NULL);
	on_connection(listener, NULL);
	h2o_socket_close(listener);
	h2o_context_request_shutdown(&ctx);
	idle.cb = idle_over;
	h2o_timeout_link(ctx.loop, &grace, &idle);
}

/* ---- the host ---- */

static void on_exit_code(void *ud, int code, bool at_once)
{
	(void)ud;
	if (at_once)
		_Exit(code);
	exit(code);
}

static void log_line(void *ud, enum curfew_log_level level, const char *text, const struct curfew_log_field *f, size_t n)
{
	(void)ud, (void)level, (void)f, (void)n;
	fprintf(stderr, "%s\n", text);
}

/* A socket that H2O watches and leaves unread. */
static void on_curfew(h2o_socket_t *s, const char *err)
{
	(void)s, (void)err;
	curfew_step(c);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argc > 2 ? argv[2] : "8080"))};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, signals[] = {SIGTERM, SIGINT};
	struct curfew_err err = {0};
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) || bind(fd, (struct sockaddr *)&at, len) ||
	    listen(fd, SOMAXCONN) || getsockname(fd, (struct sockaddr *)&at, &len))
		return perror("listen"), 2;
	signal(SIGPIPE, SIG_IGN);

	h2o_config_init(&config);
	h2o_hostconf_t *host = h2o_config_register_host(&config, h2o_iovec_init(H2O_STRLIT("default")), 65535);
	h2o_create_handler(h2o_config_register_path(host, "/", 0), sizeof(h2o_handler_t))->on_req = on_request;
	h2o_context_init(&ctx, h2o_evloop_create(), &config);
	accept_ctx.hosts = config.hosts;
	h2o_timeout_init(ctx.loop, &grace, 100);
	h2o_timeout_init(ctx.loop, &half_second, 500);
	listener = h2o_evloop_socket_create(ctx.loop, fd, H2O_SOCKET_FLAG_DONT_READ);
	h2o_socket_read_start(listener, on_connection);

	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code, .log = log_line, .log_level = CURFEW_LOG_INFO};
	struct curfew_server_ops ops = {.size = sizeof ops, .stop = stop, .lame = lame};
	struct curfew_server_options web = {.size = sizeof web, .name = "web", .ops = &ops};
	if (!(c = curfew_new(&o, &err)) || !(server = curfew_server_new(c, &web, &err)) ||
	    curfew_load_file(c, argc > 1 ? argv[1] : "h2o.lua", &err) || curfew_own_signals(c, signals, 2, &err) ||
	    curfew_start(c))
		return fprintf(stderr, "%s\n", err.msg), 2;
	h2o_socket_read_start(h2o_evloop_socket_create(ctx.loop, curfew_fd(c), H2O_SOCKET_FLAG_DONT_READ), on_curfew);
	printf("listening at 127.0.0.1:%d\n", ntohs(at.sin_port));
	fflush(stdout);
	while (h2o_evloop_run(ctx.loop, INT32_MAX) == 0 || errno == EINTR)
		; /* a signal is no error: curfew_fd tells of it */
	return perror("loop"), 2;
}
