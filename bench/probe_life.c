/* probe_life.c: a server's life: exec, ready, what it takes when idle, signal, end. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "marks.h"
#include "probe.h"

int probe_connect(uint16_t port)
{
	struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1)};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	struct timeval limit = {5, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		probe_fail("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	if (bind(fd, (struct sockaddr *)&from, sizeof from) || connect(fd, (struct sockaddr *)&to, sizeof to)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* True when the port accepts and, with http, answers 200. */
static bool is_ready(uint16_t port, bool http)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
	char answer[1024];
	size_t n = 0;
	int fd = probe_connect(port);
	if (fd < 0)
		return false;
	if (http && send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == (ssize_t)(sizeof request - 1)) {
		ssize_t got;
		while (n < sizeof answer - 1 && (got = recv(fd, answer + n, sizeof answer - 1 - n, 0)) > 0)
			n += (size_t)got;
	}
	close(fd);
	answer[n] = 0;
	return !http || strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static void still_there(const struct probe_options *o, pid_t pid)
{
	int status;
	if (probe_ended(pid, &status))
		probe_fail("%s ended before it was ready, status 0x%x", o->command[0], (unsigned)status);
	probe_check_deadline(o, "readiness");
}

/* The last port first: a program that opens them in order is then seen ready by one connect. */
uint64_t probe_wait_ports(const struct probe_options *o, pid_t pid)
{
	uint64_t ready = 0;
	for (int i = o->nports - 1; i >= 0; i--) {
		bool waited = false;
		while (!is_ready(o->ports[i], o->http)) {
			still_there(o, pid);
			waited = true;
			probe_nap(PROBE_MS / 20);
		}
		if (waited || ready == 0)
			ready = bench_now();
	}
	return ready;
}

static uint64_t wait_file(const struct probe_options *o, pid_t pid)
{
	while (access(o->ready, F_OK)) {
		still_there(o, pid);
		probe_nap(PROBE_MS / 20);
	}
	return bench_now();
}

int probe_life(const struct probe_options *o)
{
	uint64_t began;
	int status = 0;
	pid_t pid = probe_spawn(o, &began);
	uint64_t ready = o->ready ? wait_file(o, pid) : probe_wait_ports(o, pid);
	/* The server sees that we have left, ends its start-up and comes to rest. */
	probe_nap(o->idle_ns);
	long pss = probe_pss_kb(NULL, 0);
	uint64_t stop = probe_stop(o, pid);
	uint64_t end = probe_wait(o, pid, &status);
	probe_wait_all(o, pid, &status);
	printf("ready_ms %.3f\nstop_ms %.3f\npss_kb %ld\n", (double)(ready - began) / 1e6, (double)(end - stop) / 1e6, pss);
	probe_print_end(status);
	return 0;
}
