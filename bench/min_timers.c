/* min_timers.c: the least that waits N times, side by side, at SIGTERM, and ends when the last wait is over.
 *
 *   min_timers N MS READY    READY: a file, made when the loop begins */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

static struct event_base *base;
static struct event **timers;
static long n, left;
static struct timeval wait_time;

static void on_timer(evutil_socket_t fd, short what, void *ud)
{
	(void)fd;
	(void)what;
	(void)ud;
	if (--left == 0)
		event_base_loopbreak(base);
}

static void on_term(evutil_socket_t fd, short what, void *ud)
{
	(void)fd;
	(void)what;
	(void)ud;
	for (long i = 0; i < n; i++) {
		timers[i] = evtimer_new(base, on_timer, NULL);
		if (!timers[i] || event_add(timers[i], &wait_time))
			abort();
	}
}

int main(int argc, char **argv)
{
	n = argc > 3 ? strtol(argv[1], NULL, 10) : 0;
	timers = n > 0 && n <= 100000 ? calloc((size_t)n, sizeof(struct event *)) : NULL;
	if (!timers) {
		fprintf(stderr, "usage: min_timers N MS READY\n");
		return 2;
	}
	left = n;
	long ms = strtol(argv[2], NULL, 10);
	wait_time = (struct timeval){ms / 1000, ms % 1000 * 1000};
	base = event_base_new();
	struct event *term = evsignal_new(base, SIGTERM, on_term, NULL);
	event_add(term, NULL);
	FILE *ready = fopen(argv[3], "w");
	if (!ready || fclose(ready)) {
		perror(argv[3]);
		return 1;
	}
	event_base_dispatch(base);
	for (long i = 0; i < n; i++)
		if (timers[i])
			event_free(timers[i]);
	free(timers);
	event_free(term);
	event_base_free(base);
	return 0;
}
