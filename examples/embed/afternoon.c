/* afternoon.c: a server of sixty lines that ends properly; curfew-embed(7) grows it step by step.
 *
 *   cc -o afternoon afternoon.c $(pkg-config --cflags --libs curfew)
 *   ./afternoon 7777 policy.lua         # port 0: one that the kernel picks; the policy may be left out
 *   nc 127.0.0.1 7777                   # type a name. A SIGTERM before that waits for it, until the exit timeout */
#include <arpa/inet.h>
#include <curfew.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 200 };
static struct pollfd fds[MOST]; /* each descriptor in the place of its number */
static curfew_id requests[MOST], server;
static struct curfew *c;
static int listener;
static int code = -1;

static void on_exit_code(void *ud, int exit_code, bool kill)
{
	code = exit_code;
}

static void stop(void *ud, curfew_id id, uint64_t deadline_ns)
{
	fds[listener].fd = -1;
	close(listener); /* nobody comes in any more; who is in is a request, and waited for */
	curfew_server_stopped(c, id);
}

static void come_in(int fd)
{
	if (fd >= MOST)
		close(fd);
	else if (fd >= 0) {
		fds[fd] = (struct pollfd){.fd = fd, .events = POLLIN};
		requests[fd] = curfew_request_begin(c, server);
	}
}

static void answer(int fd)
{
	char name[80];
	ssize_t n = read(fd, name, sizeof name);
	if (n > 0)
		dprintf(fd, "hello %.*s", (int)n, name);
	close(fd);
	fds[fd].fd = -1;
	curfew_request_end(c, requests[fd]);
}

static int listen_on(int port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&at, n) || listen(fd, 64) || getsockname(fd, (struct sockaddr *)&at, &n))
		return perror("listen"), exit(1), -1;
	printf("listening on 127.0.0.1:%d\n", ntohs(at.sin_port));
	return fflush(stdout), fd;
}

int main(int argc, char **argv)
{
	struct curfew_err err = {0};
	struct curfew_options o = {.size = sizeof o, .on_exit = on_exit_code};
	struct curfew_server_ops ops = {.size = sizeof ops, .stop = stop};
	struct curfew_server_options hello = {.size = sizeof hello, .name = "hello", .ops = &ops};
	for (int i = 0; i < MOST; i++)
		fds[i].fd = -1;
	signal(SIGPIPE, SIG_IGN);
	c = curfew_new(&o, &err);
	if (!c || !(server = curfew_server_new(c, &hello, &err)) || curfew_own_signals(c, (int[]){SIGTERM, SIGINT}, 2, &err) ||
	    (argc > 2 && curfew_load_file(c, argv[2], &err)) || curfew_start(c))
		return fprintf(stderr, "%s\n", err.msg), 2;
	listener = listen_on(argc > 1 ? atoi(argv[1]) : 0);
	fds[listener] = (struct pollfd){.fd = listener, .events = POLLIN};
	fds[curfew_fd(c)] = (struct pollfd){.fd = curfew_fd(c), .events = POLLIN};
	while (code < 0)
		for (int i = poll(fds, MOST, -1) > 0 ? 0 : MOST; i < MOST && code < 0; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				i == listener       ? come_in(accept(i, NULL, NULL))
				: i == curfew_fd(c) ? (void)curfew_step(c)
						    : answer(i);
	curfew_free(c);
	return code;
}
