/* same.c: the same lives on libevent, on poll(2) and on epoll's one descriptor: the journals are the same, entry by entry. What happens
 * in each is settled by order and by times that differ, however late a machine is. */
#define _GNU_SOURCE
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/epoll.h"
#include "adapters/libevent.h"
#include "adapters/poll.h"
#include "base/time.h"
#include "core/core.h"
#include "instance.h"
#include "tap.h"

enum { MOST = 400, LINE = 80 };

struct life {
	struct curfew *c;
	bool over;
	int code;
	uint64_t seen;
	char lines[MOST][LINE];
	size_t n;
};

static void on_exit_code(void *ud, int code, bool kill)
{
	struct life *l = ud;
	l->code = code + (kill ? 1000 : 0);
	l->over = true;
}

/* Everything but the times. */
static void on_journal(void *ud)
{
	struct life *l = ud;
	const struct cfw_journal_entry *e;
	while (l->c && (e = cfw_core_journal(curfew_core(l->c), l->seen + 1))) {
		l->seen = e->seq;
		if (l->n < MOST)
			snprintf(l->lines[l->n++], LINE, "%d %d %d %d s%u h%u r%u %u %u", (int)e->what, (int)e->trigger_kind,
				 e->signo, e->code, e->server, e->hook, e->run, e->a, e->b);
	}
}

/* ---- the loops ---- */

static struct event_base *base;

static int open_libevent(struct curfew_loop *loop)
{
	base = event_base_new();
	return curfew_libevent_new(base, loop, NULL);
}

static void on_guard(evutil_socket_t fd, short what, void *ud)
{
	(void)fd, (void)what, (void)ud;
}

static void turn_libevent(struct curfew_loop *loop)
{
	struct event *guard = evtimer_new(base, on_guard, NULL);
	(void)loop;
	struct timeval moment = {0, 20000};
	evtimer_add(guard, &moment);
	event_base_loop(base, EVLOOP_ONCE);
	event_free(guard);
}

static void free_libevent(struct curfew_loop *loop)
{
	curfew_libevent_free(loop);
	event_base_free(base);
}

static int open_poll(struct curfew_loop *loop)
{
	return curfew_poll_new(loop, NULL);
}

static void turn_poll(struct curfew_loop *loop)
{
	curfew_poll_turn(loop, cfw_time_now() + 20 * CFW_MS);
}

static int open_epoll(struct curfew_loop *loop)
{
	return curfew_epoll_new(loop, NULL);
}

static void turn_epoll(struct curfew_loop *loop)
{
	struct pollfd p = {.fd = curfew_epoll_fd(loop), .events = POLLIN};
	if (poll(&p, 1, 20) > 0)
		curfew_epoll_turn(loop);
}

static const struct backend {
	const char *name;
	int (*open)(struct curfew_loop *loop);
	void (*turn)(struct curfew_loop *loop);
	void (*free)(struct curfew_loop *loop);
} backends[] = {
	{"poll", open_poll, turn_poll, curfew_poll_free},
	{"libevent", open_libevent, turn_libevent, free_libevent},
	{"epoll", open_epoll, turn_epoll, curfew_epoll_free},
};

/* ---- the lives ---- */

#define SERVERS                                                                                                                \
	"local curfew = require 'curfew' "                                                                                     \
	"local function server(name, ...) local s = curfew.server { name = name, start = function() curfew.sleep '2ms' end, "  \
	"stop = function() curfew.sleep '3ms' end } for _, on in ipairs { ... } do s:after(on) end return s end "              \
	"local db = server 'db' local cache = server('cache', db) local web = server('web', db, cache) "

static const struct {
	const char *name, *policy;
	int signo, again; /* once it has started, and once more at the first hook; 0: none */
	int code;
} lives[] = {
	{"a stop in order",
	 SERVERS "web:pre_stop(function() curfew.sleep '20ms' end) db:post_stop(function() curfew.sleep '1ms' end) "
		 "curfew.pre_stop(function() end) curfew.post_stop(function() end)",
	 SIGTERM, 0, 0},
	{"hooks side by side",
	 SERVERS "web:pre_stop(function() curfew.sleep '60ms' end) web:pre_stop(function() curfew.sleep '5ms' end) "
		 "cache:pre_stop(function() curfew.sleep '30ms' error 'no' end)",
	 SIGTERM, 0, 1},
	{"an abort",
	 SERVERS "web:pre_stop(function() curfew.sleep '10ms' end) db:pre_stop(function() curfew.sleep '40ms' end) "
		 "curfew.on('SIGUSR1', curfew.abort(9))",
	 SIGUSR1, 0, 9},
	{"a stop that becomes an abort",
	 SERVERS "web:pre_stop(function() curfew.sleep '3s' end) "
		 "curfew.on('SIGTERM', function(t) if t.count > 1 then return curfew.abort(4) end end)",
	 SIGTERM, SIGTERM, 4},
	{"a server that ends by itself, and one that is restarted",
	 SERVERS "local n = 0 local p = curfew.process { name = 'p', command = { 'sh', '-c', 'exit 3' } } "
		 "p:after(web) curfew.on('closed', function() n = n + 1 if n < 3 then return curfew.restart end "
		 "return curfew.graceful(6) end)",
	 0, 0, 6},
	{"a start that fails",
	 SERVERS "server('bad', web) curfew.server { name = 'worse', start = function() error 'no' end }:after(web)", 0, 0, 1},
	{"an exit call", SERVERS "curfew.after('40ms', function() os.exit(7) end)", 0, 0, 7},
	{"an uncaught error", SERVERS "curfew.after('40ms', function() error 'late' end)", 0, 0, 1},
	{"nothing left to do", "local curfew = require 'curfew' curfew.spawn(function() curfew.sleep '10ms' end)", 0, 0, 0},
	{"a child that ignores its signal",
	 "local curfew = require 'curfew' curfew.process { name = 'p', command = { 'sh', '-c', 'trap \"\" TERM; sleep 99' }, "
	 "stop = { { signal = 'TERM', wait = '50ms' }, { signal = 'KILL' } } }",
	 SIGTERM, 0, 0},
};

static void live(struct life *l, size_t which, const struct backend *b)
{
	struct curfew_loop loop;
	struct curfew_err err = {0};
	*l = (struct life){.code = -1};
	if (b->open(&loop))
		tap_bail("%s does not open", b->name);
	struct cfw_options o = {.size = sizeof o,
				.loop = &loop,
				.own_children = false,
				.on_exit = on_exit_code,
				.on_journal = on_journal,
				.ud = l};
	l->c = cfw_new(&o, &err);
	if (!l->c || curfew_load(l->c, "=life", lives[which].policy, strlen(lives[which].policy), &err))
		tap_bail("%s: %s", b->name, err.msg);
	curfew_start(l->c);
	int first = lives[which].signo, again = lives[which].again;
	uint64_t limit = cfw_time_now() + 30 * CFW_SEC;
	while (!l->over && cfw_time_now() < limit) {
		b->turn(&loop);
		enum cfw_life state = cfw_core_life(curfew_core(l->c));
		if (first && state == CFW_L_STARTED) {
			curfew_signal(l->c, first, 1);
			first = 0;
		} else if (again && !first && state == CFW_L_STOPPING) {
			curfew_signal(l->c, again, 1);
			again = 0;
		}
	}
	on_journal(l);
	struct curfew *c = l->c;
	l->c = NULL;
	curfew_free(c);
	b->free(&loop);
}

int main(void)
{
	static struct life first, other;
	for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
		live(&first, i, &backends[0]);
		is_int(first.code, lives[i].code, "%s, on %s", lives[i].name, backends[0].name);
		ok(first.n >= 4, "it leaves a journal, of %zu entries", first.n);
		for (size_t b = 1; b < sizeof backends / sizeof *backends; b++) {
			live(&other, i, &backends[b]);
			is_int(other.code, first.code, "%s, on %s: the same code", lives[i].name, backends[b].name);
			size_t at = 0;
			while (at < first.n && at < other.n && !strcmp(first.lines[at], other.lines[at]))
				at++;
			if (!ok(at == first.n && at == other.n, "%s, on %s: the same events, %zu of %zu", lives[i].name,
				backends[b].name, at, first.n))
				tap_diag("%zu: %s, there %s", at, other.lines[at], first.lines[at]);
		}
	}
	return tap_done();
}
