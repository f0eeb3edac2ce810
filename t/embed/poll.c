/* A program with no loop but poll(2). */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <time.h>

#include "curfew.h"

enum { MOST = 8 };
struct seat {
	struct curfew *c;
};
#define ADAPTER struct seat *
static struct seat seats[MOST];
static int ticks;
static uint64_t next_tick;

static uint64_t clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void loop_open(void)
{
	for (int i = 0; i < MOST; i++)
		seats[i].c = NULL;
}

static void loop_close(void)
{
}

static int loop_attach(struct seat **a, struct curfew *c)
{
	for (int i = 0; i < MOST; i++)
		if (!seats[i].c) {
			seats[i].c = c;
			*a = &seats[i];
			return 0;
		}
	return -1;
}

static void loop_detach(struct seat **a)
{
	(*a)->c = NULL;
}

static void loop_turn(void)
{
	struct pollfd p[MOST];
	struct curfew *who[MOST];
	nfds_t n = 0;
	for (int i = 0; i < MOST; i++)
		if (seats[i].c) {
			who[n] = seats[i].c;
			p[n++] = (struct pollfd){.fd = curfew_fd(seats[i].c), .events = POLLIN};
		}
	poll(p, n, 5);
	for (nfds_t i = 0; i < n; i++)
		if (p[i].revents)
			curfew_step(who[i]);
	if (clock_ns() >= next_tick) {
		ticks++;
		next_tick = clock_ns() + 5000000;
	}
}

#include "suite.h"
