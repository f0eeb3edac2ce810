/* glib.c: curfew in a program on GLib's main loop: greets who says a name, and ends when all are greeted.
 *
 *   cc -o glib glib.c $(pkg-config --cflags --libs curfew glib-2.0)
 *   ./glib 7777 policy.lua */
#include <arpa/inet.h>
#include <curfew-glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static GMainLoop *loop;
static struct curfew *c;
static curfew_id server;
static int code, listener;
static guint listening;

static void on_exit_code(void *ud, int exit_code, bool kill)
{
	code = exit_code;
	g_main_loop_quit(loop);
}

static void stop(void *ud, curfew_id id, uint64_t deadline_ns)
{
	g_source_remove(listening);
	close(listener);
	curfew_server_stopped(c, id);
}

static gboolean readable(gint fd, GIOCondition what, gpointer request)
{
	char name[80];
	ssize_t n = read(fd, name, sizeof name);
	if (n > 0)
		dprintf(fd, "hello %.*s", (int)n, name);
	close(fd);
	curfew_request_end(c, GPOINTER_TO_UINT(request));
	return G_SOURCE_REMOVE;
}

static gboolean come_in(gint fd, GIOCondition what, gpointer ud)
{
	int client = accept(fd, NULL, NULL);
	if (client >= 0)
		g_unix_fd_add(client, G_IO_IN | G_IO_HUP, readable, GUINT_TO_POINTER(curfew_request_begin(c, server)));
	return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
	struct curfew_err err = {0};
	struct curfew_glib here;
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code};
	struct curfew_server_ops ops = {.size = sizeof ops, .stop = stop};
	struct curfew_server_options hello = {.size = sizeof hello, .name = "hello", .ops = &ops};
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 0)),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	signal(SIGPIPE, SIG_IGN);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, n) || listen(listener, 64) ||
	    getsockname(listener, (struct sockaddr *)&at, &n))
		return perror("listen"), 1;
	loop = g_main_loop_new(NULL, FALSE);
	listening = g_unix_fd_add(listener, G_IO_IN, come_in, NULL);
	c = curfew_new(&o, &err);
	if (!c || !(server = curfew_server_new(c, &hello, &err)) || curfew_own_signals(c, (int[]){SIGTERM, SIGINT}, 2, &err) ||
	    (argc > 2 && curfew_load_file(c, argv[2], &err)) || curfew_start(c) || curfew_glib_attach(&here, NULL, c))
		return fprintf(stderr, "%s\n", err.msg), 2;
	printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
	fflush(stdout);
	g_main_loop_run(loop);
	curfew_glib_detach(&here);
	curfew_free(c);
	g_main_loop_unref(loop);
	return code;
}
