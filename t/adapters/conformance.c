/* What loop.h promises, asked of every adapter in turn. */
#define _GNU_SOURCE
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/epoll.h"
#include "adapters/libevent.h"
#include "adapters/poll.h"
#include "base/err.h"
#include "base/time.h"
#include "tap.h"

struct backend {
	const char *name;
	void (*open)(struct curfew_loop *loop);
	void (*turn)(struct curfew_loop *loop, uint64_t until_ns);
	void (*free)(struct curfew_loop *loop);
	void (*close)(void);
};

static const struct backend *be;
static struct curfew_loop loop;
static struct event_base *base;

static void poll_open(struct curfew_loop *l)
{
	struct curfew_err err = {0};
	if (curfew_poll_new(l, &err) < 0)
		tap_bail("poll: %s", err.msg);
}

static void poll_turn(struct curfew_loop *l, uint64_t until_ns)
{
	if (curfew_poll_turn(l, until_ns) < 0)
		tap_bail("poll failed");
}

static void nothing(void)
{
}

static void libevent_open(struct curfew_loop *l)
{
	struct curfew_err err = {0};
	if (!base)
		base = event_base_new();
	if (!base || curfew_libevent_new(base, l, &err) < 0)
		tap_bail("libevent: %s", err.msg);
}

static void on_guard(evutil_socket_t fd, short what, void *ud)
{
	(void)fd, (void)what, (void)ud;
}

static void libevent_turn(struct curfew_loop *l, uint64_t until_ns)
{
	(void)l;
	uint64_t left = cfw_time_left(cfw_time_now(), until_ns);
	struct timeval tv = {.tv_sec = (time_t)(left / CFW_SEC), .tv_usec = (suseconds_t)(left % CFW_SEC / 1000)};
	struct event *guard = evtimer_new(base, on_guard, NULL);
	evtimer_add(guard, &tv);
	event_base_loop(base, EVLOOP_ONCE);
	event_free(guard);
}

static void libevent_close(void)
{
	event_base_free(base);
	base = NULL;
}

static void epoll_open(struct curfew_loop *l)
{
	struct curfew_err err = {0};
	if (curfew_epoll_new(l, &err) < 0)
		tap_bail("epoll: %s", err.msg);
}

/* As a program does that has the one descriptor in its own loop. */
static void epoll_turn(struct curfew_loop *l, uint64_t until_ns)
{
	struct pollfd p = {.fd = curfew_epoll_fd(l), .events = POLLIN};
	uint64_t left = cfw_time_left(cfw_time_now(), until_ns);
	if (poll(&p, 1, (int)(left / CFW_MS)) > 0)
		curfew_epoll_turn(l);
}

static const struct backend backends[] = {
	{"epoll", epoll_open, epoll_turn, curfew_epoll_free, nothing},
	{"poll", poll_open, poll_turn, curfew_poll_free, nothing},
	{"libevent", libevent_open, libevent_turn, curfew_libevent_free, libevent_close},
};

static uint64_t now(void)
{
	return loop.ops->now_ns(loop.loop);
}

static int timer(uint64_t at, curfew_loop_fn *fn, void *ud)
{
	return loop.ops->timer(loop.loop, at, fn, ud);
}

static int defer(curfew_loop_fn *fn, void *ud)
{
	return loop.ops->defer(loop.loop, fn, ud);
}

static int watch(struct curfew_watch **w, int fd, unsigned what, curfew_watch_fn *fn, void *ud)
{
	return loop.ops->watch(loop.loop, w, fd, what, fn, ud);
}

/* Turn until *n is at least want, at most 5 s. */
static void turn_until(const int *n, int want)
{
	uint64_t limit = now() + 5 * CFW_SEC;
	while (*n < want && now() < limit)
		be->turn(&loop, now() + 20 * CFW_MS);
}

static void turns(int n)
{
	while (n-- > 0)
		be->turn(&loop, now() + CFW_MS);
}

static void count_call(void *ud)
{
	++*(int *)ud;
}

static void pair(int fd[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
		tap_bail("socketpair: %s", strerror(errno));
}

static void put(int fd)
{
	if (write(fd, "x", 1) != 1)
		tap_bail("write: %s", strerror(errno));
}

static void unpair(int fd[2])
{
	close(fd[0]);
	close(fd[1]);
}

/* ---- timers ---- */

static uint64_t fired_at;

static void note_time(void *ud)
{
	fired_at = cfw_time_now();
	++*(int *)ud;
}

static void test_timer(void)
{
	int n = 0, other = 0;
	uint64_t at = now() + 30 * CFW_MS;
	is_int(timer(at, note_time, &n), 0, "%s: a timer is taken", be->name);
	is_int(n, 0, "%s: it is not called from within the operation", be->name);
	turn_until(&n, 1);
	is_int(n, 1, "%s: a timer comes", be->name);
	ok(fired_at >= at, "%s: not before its time", be->name);
	turns(3);
	is_int(n, 1, "%s: and comes once", be->name);

	timer(now() + 3600 * CFW_SEC, note_time, &n);
	at = now() + 10 * CFW_MS;
	timer(at, note_time, &n);
	timer(at, note_time, &n);
	turn_until(&n, 2);
	turns(3);
	is_int(n, 2, "%s: a new time replaces the old one, the same again changes nothing", be->name);
	ok(fired_at >= at && fired_at < at + 3000 * CFW_SEC, "%s: at the new time", be->name);

	timer(now() + 5 * CFW_MS, note_time, &n);
	is_int(timer(CFW_NEVER, note_time, &n), 0, "%s: CFW_NEVER takes a timer back", be->name);
	is_int(timer(CFW_NEVER, note_time, &n), 0, "%s: twice is fine", be->name);
	timer(now() + 15 * CFW_MS, count_call, &other);
	turn_until(&other, 1);
	is_int(n, 2, "%s: which is then never called", be->name);

	timer(0, count_call, &n);
	timer(1, count_call, &other);
	is_int(n, 2, "%s: a timer in the past is not called from within the operation", be->name);
	turn_until(&n, 3);
	turn_until(&other, 2);
	ok(n == 3 && other == 2, "%s: but at once after it; each function and ud has its own", be->name);
	is_int(timer(0, NULL, NULL), CURFEW_EINVAL, "%s: no function is refused", be->name);
}

static void arm_again(void *ud)
{
	int *n = ud;
	if (++*n < 100)
		timer(0, arm_again, n);
}

static void burn(void *ud)
{
	uint64_t until = cfw_time_now() + 40 * CFW_MS;
	while (cfw_time_now() < until)
		;
	timer(cfw_time_now() + 20 * CFW_MS, note_time, ud);
	fired_at = cfw_time_now();
}

static void test_timer_inside(void)
{
	int n = 0;
	timer(0, arm_again, &n);
	be->turn(&loop, now() + CFW_MS);
	ok(n <= 2, "%s: a timer that sets itself to the past does not hold the turn", be->name);
	turn_until(&n, 100);
	is_int(n, 100, "%s: it goes on turn by turn", be->name);
	n = 0;
	uint64_t began = now();
	timer(0, burn, &n);
	turn_until(&n, 1);
	ok(fired_at >= began + 60 * CFW_MS, "%s: a timer set late in a long callback is not early by the callback's length",
	   be->name);
}

/* ---- watches ---- */

struct seen {
	int n, fd;
	unsigned what;
};

static void see(void *ud, int fd, unsigned what)
{
	struct seen *s = ud;
	s->n++;
	s->fd = fd;
	s->what = what;
}

static void test_watch(void)
{
	int fd[2];
	pair(fd);
	struct curfew_watch *w = NULL;
	struct seen s = {0};
	is_int(watch(&w, fd[0], CURFEW_READ, see, &s), 0, "%s: a watch is made", be->name);
	ok(w != NULL, "%s: and handed out", be->name);
	turns(2);
	is_int(s.n, 0, "%s: nothing to read, no call", be->name);
	put(fd[1]);
	turn_until(&s.n, 3);
	ok(s.n >= 3 && s.what == CURFEW_READ && s.fd == fd[0], "%s: level-triggered: called each turn while readable",
	   be->name);

	int before = s.n;
	is_int(watch(&w, fd[0], CURFEW_READ | CURFEW_WRITE, see, &s), 0, "%s: a watch is changed", be->name);
	turn_until(&s.n, before + 1);
	is_int(s.what, CURFEW_READ | CURFEW_WRITE, "%s: both are seen", be->name);
	watch(&w, fd[0], CURFEW_WRITE, see, &s);
	before = s.n;
	turn_until(&s.n, before + 1);
	is_int(s.what, CURFEW_WRITE, "%s: changed to writing, reading is no longer told", be->name);

	struct seen second = {0};
	watch(&w, fd[0], CURFEW_WRITE, see, &second);
	before = s.n;
	turn_until(&second.n, 1);
	ok(second.n == 1 && s.n == before, "%s: function and ud can be changed", be->name);

	is_int(watch(&w, -1, 0, NULL, NULL), 0, "%s: what 0 ends it", be->name);
	ok(w == NULL, "%s: and sets it to NULL", be->name);
	is_int(watch(&w, -1, 0, NULL, NULL), 0, "%s: ending it again is fine", be->name);
	before = second.n;
	turns(3);
	is_int(second.n, before, "%s: nothing is called after the end", be->name);

	close(fd[1]);
	s.n = 0;
	watch(&w, fd[0], CURFEW_READ, see, &s);
	turn_until(&s.n, 1);
	is_int(s.what, CURFEW_READ, "%s: a peer that is gone is readable", be->name);
	watch(&w, -1, 0, NULL, NULL);
	close(fd[0]);
	turns(2);

	is_int(watch(&w, -1, CURFEW_READ, see, &s), CURFEW_EINVAL, "%s: descriptor -1 is refused", be->name);
	is_int(watch(&w, 0, 4, see, &s), CURFEW_EINVAL, "%s: unknown bits are refused", be->name);
	is_int(watch(&w, 0, CURFEW_READ, NULL, &s), CURFEW_EINVAL, "%s: no function is refused", be->name);
	ok(w == NULL, "%s: and leave no watch behind", be->name);
}

static void test_watch_moves(void)
{
	int a[2], b[2];
	pair(a);
	pair(b);
	struct curfew_watch *w = NULL;
	struct seen s = {0};
	put(a[1]);
	put(b[1]);
	watch(&w, a[0], CURFEW_READ, see, &s);
	watch(&w, b[0], CURFEW_READ, see, &s);
	turn_until(&s.n, 1);
	is_int(s.fd, b[0], "%s: a watch can move to another descriptor", be->name);
	watch(&w, -1, 0, NULL, NULL);
	unpair(a);

	/* The number comes again for a new descriptor: the old watch must not be heard of. */
	int c[2];
	pair(c);
	struct seen again = {0};
	put(c[1]);
	watch(&w, c[0], CURFEW_READ, see, &again);
	s.n = 0;
	turn_until(&again.n, 2);
	ok(again.n >= 2 && s.n == 0 && again.fd == c[0], "%s: a descriptor closed after its end may come again", be->name);
	watch(&w, -1, 0, NULL, NULL);
	unpair(b);
	unpair(c);
}

/* epoll and poll tell of it as an error alone. Who waits to write must hear of it, or waits for ever. */
static void test_pipe(void)
{
	int fd[2];
	struct curfew_watch *w = NULL;
	struct seen s = {0};
	if (pipe2(fd, O_NONBLOCK | O_CLOEXEC) < 0)
		tap_bail("pipe: %s", strerror(errno));
	while (write(fd[1], (char[4096]){0}, 4096) > 0)
		;
	watch(&w, fd[1], CURFEW_WRITE, see, &s);
	turns(2);
	is_int(s.n, 0, "%s: a pipe that is full is not writable", be->name);
	close(fd[0]);
	turn_until(&s.n, 1);
	is_int(s.what, CURFEW_WRITE, "%s: one whose reader is gone is", be->name);
	watch(&w, -1, 0, NULL, NULL);
	close(fd[1]);

	if (pipe2(fd, O_NONBLOCK | O_CLOEXEC) < 0)
		tap_bail("pipe: %s", strerror(errno));
	s = (struct seen){0};
	watch(&w, fd[0], CURFEW_READ, see, &s);
	close(fd[1]);
	turn_until(&s.n, 1);
	is_int(s.what, CURFEW_READ, "%s: one whose writer is gone is readable", be->name);
	watch(&w, -1, 0, NULL, NULL);
	close(fd[0]);
}

enum { CROWD = 200 };
static struct crowd {
	struct curfew_watch *w;
	int fd[2], calls;
} crowd[CROWD];
static int crowd_calls;

static void end_all(void *ud, int fd, unsigned what)
{
	(void)fd, (void)what;
	struct crowd *me = ud;
	me->calls++;
	crowd_calls++;
	for (int i = 0; i < CROWD; i++)
		watch(&crowd[i].w, -1, 0, NULL, NULL);
}

static void read_one(void *ud, int fd, unsigned what)
{
	(void)what;
	struct crowd *me = ud;
	char c;
	if (read(fd, &c, 1) == 1) {
		me->calls++;
		crowd_calls++;
	}
}

static void open_crowd(curfew_watch_fn *fn)
{
	crowd_calls = 0;
	for (int i = 0; i < CROWD; i++) {
		crowd[i] = (struct crowd){0};
		pair(crowd[i].fd);
		if (watch(&crowd[i].w, crowd[i].fd[0], CURFEW_READ, fn, &crowd[i]) < 0)
			tap_bail("watch %d", i);
	}
	for (int i = 0; i < CROWD; i++)
		put(crowd[i].fd[1]);
}

static void close_crowd(void)
{
	for (int i = 0; i < CROWD; i++) {
		watch(&crowd[i].w, -1, 0, NULL, NULL);
		unpair(crowd[i].fd);
	}
}

static void test_crowd(void)
{
	open_crowd(end_all);
	turn_until(&crowd_calls, 1);
	turns(2);
	is_int(crowd_calls, 1, "%s: the first of %d ends itself and all others that this turn had queued: one call in all",
	       be->name, CROWD);
	close_crowd();

	open_crowd(read_one);
	turn_until(&crowd_calls, CROWD);
	int once = 0;
	for (int i = 0; i < CROWD; i++)
		once += crowd[i].calls == 1;
	is_int(once, CROWD, "%s: each of %d watches is called for its own descriptor", be->name, CROWD);
	close_crowd();
}

static struct duo {
	struct curfew_watch *w[2];
	int fd[2][2], calls[2];
	unsigned last[2];
} duo;

/* Whoever comes first turns the other one, queued in this turn for reading, to writing. */
static void turn_other(void *ud, int fd, unsigned what)
{
	(void)ud;
	int me = fd == duo.fd[0][0] ? 0 : 1;
	duo.calls[me]++;
	duo.last[me] = what;
	if (duo.calls[0] + duo.calls[1] == 1) {
		watch(&duo.w[me], -1, 0, NULL, NULL);
		watch(&duo.w[!me], duo.fd[!me][0], CURFEW_WRITE, turn_other, NULL);
	}
}

static void test_change_queued(void)
{
	duo = (struct duo){0};
	for (int i = 0; i < 2; i++) {
		pair(duo.fd[i]);
		put(duo.fd[i][1]);
		watch(&duo.w[i], duo.fd[i][0], CURFEW_READ, turn_other, NULL);
	}
	uint64_t limit = now() + 5 * CFW_SEC;
	while (duo.calls[0] + duo.calls[1] < 2 && now() < limit)
		be->turn(&loop, now() + 20 * CFW_MS);
	int second = duo.w[0] ? 0 : 1;
	is_int(duo.last[second], CURFEW_WRITE, "%s: a watch changed while queued is called for what it watches now", be->name);
	for (int i = 0; i < 2; i++) {
		watch(&duo.w[i], -1, 0, NULL, NULL);
		unpair(duo.fd[i]);
	}
}

static void test_two_on_one(void)
{
	int fd[2];
	pair(fd);
	put(fd[1]);
	struct curfew_watch *r = NULL, *w = NULL;
	struct seen reads = {0}, writes = {0};
	watch(&r, fd[0], CURFEW_READ, see, &reads);
	watch(&w, fd[0], CURFEW_WRITE, see, &writes);
	turn_until(&reads.n, 1);
	turn_until(&writes.n, 1);
	ok(reads.what == CURFEW_READ && writes.what == CURFEW_WRITE, "%s: two watches of one descriptor", be->name);
	watch(&w, -1, 0, NULL, NULL);
	int before = reads.n;
	turn_until(&reads.n, before + 1);
	ok(reads.n > before, "%s: the end of one leaves the other", be->name);
	watch(&r, -1, 0, NULL, NULL);
	unpair(fd);
}

/* ---- deferred calls ---- */

static char order[64];

static void note_a(void *ud)
{
	(void)ud;
	strcat(order, "a");
}

static void note_b(void *ud)
{
	(void)ud;
	strcat(order, "b");
	defer(note_a, NULL);
	defer(note_a, NULL);
}

static void defer_again(void *ud)
{
	++*(int *)ud;
	defer(defer_again, ud);
}

static void test_defer(void)
{
	int n = 0, other = 0;
	is_int(defer(count_call, &n), 0, "%s: a deferred call is taken", be->name);
	defer(count_call, &n);
	defer(count_call, &other);
	is_int(n, 0, "%s: it is not made from within the operation", be->name);
	be->turn(&loop, now() + 10 * CFW_SEC);
	be->turn(&loop, now());
	ok(n == 1 && other == 1, "%s: asked for twice while pending it is made once; each ud has its own", be->name);
	turns(2);
	is_int(n, 1, "%s: and not again", be->name);

	order[0] = '\0';
	defer(note_a, NULL);
	defer(note_b, NULL);
	turns(4);
	is_str(order, "aba", "%s: calls keep their order; one deferred from within a call is made once more", be->name);

	int spin = 0, fd[2];
	struct seen s = {0};
	struct curfew_watch *w = NULL;
	pair(fd);
	put(fd[1]);
	watch(&w, fd[0], CURFEW_READ, see, &s);
	defer(defer_again, &spin);
	turn_until(&s.n, 3);
	ok(s.n >= 3, "%s: a call that defers itself does not starve the descriptors", be->name);
	ok(spin >= 1 && spin < 100, "%s: it is made about once a turn (%d)", be->name, spin);
	loop.ops->detach(loop.loop);
	watch(&w, -1, 0, NULL, NULL);
	unpair(fd);
	is_int(defer(NULL, NULL), CURFEW_EINVAL, "%s: no function is refused", be->name);
}

static void defer_from_watch(void *ud, int fd, unsigned what)
{
	(void)what;
	char c;
	if (read(fd, &c, 1) == 1) {
		defer(count_call, ud);
		timer(0, count_call, ud);
	}
}

static void test_defer_inside(void)
{
	int fd[2], n = 0;
	struct curfew_watch *w = NULL;
	pair(fd);
	put(fd[1]);
	watch(&w, fd[0], CURFEW_READ, defer_from_watch, &n);
	turn_until(&n, 2);
	turns(2);
	is_int(n, 2, "%s: from within a watch's call: one deferred, one timer", be->name);
	watch(&w, -1, 0, NULL, NULL);
	unpair(fd);
}

/* ---- the end ---- */

static void detach_now(void *ud)
{
	++*(int *)ud;
	loop.ops->detach(loop.loop);
}

static void test_detach(void)
{
	int fd[2], n = 0, after = 0;
	struct curfew_watch *w = NULL;
	struct seen s = {0};
	pair(fd);
	put(fd[1]);
	timer(0, count_call, &n);
	defer(count_call, &n);
	watch(&w, fd[0], CURFEW_READ, see, &s);
	loop.ops->detach(loop.loop);
	turns(3);
	ok(n == 0 && s.n == 0, "%s: after detach nothing is called: no timer, no watch, no deferred call", be->name);
	is_int(watch(&w, fd[0], CURFEW_READ, see, &s), CURFEW_ESTATE, "%s: a watch that detach forgot cannot be changed",
	       be->name);
	is_int(watch(&w, -1, 0, NULL, NULL), 0, "%s: but ended", be->name);
	loop.ops->detach(loop.loop);

	timer(0, count_call, &n);
	turn_until(&n, 1);
	is_int(n, 1, "%s: the adapter can be used again", be->name);

	n = 0;
	defer(detach_now, &n);
	defer(count_call, &after);
	timer(now() + CFW_MS, count_call, &after);
	watch(&w, fd[0], CURFEW_READ, see, &s);
	turn_until(&n, 1);
	s.n = 0;
	turns(4);
	ok(n == 1 && s.n == 0 && after <= 1, "%s: detach from within a call ends the rest", be->name);
	n = after;
	turns(3);
	is_int(after, n, "%s: for good", be->name);
	unpair(fd); /* w is left for the adapter's _free */
}

static void free_now(void *ud)
{
	++*(int *)ud;
	be->free(&loop);
}

static void test_free_inside(void)
{
	int n = 0, after = 0;
	struct curfew_loop mine;
	defer(free_now, &n);
	defer(count_call, &after);
	mine = loop;
	be->turn(&loop, cfw_time_now() + 5 * CFW_SEC);
	if (!n && loop.ops)
		be->turn(&loop, cfw_time_now() + 5 * CFW_SEC);
	ok(n == 1 && after == 0, "%s: freed from within a call: nothing more is called", be->name);
	ok(mine.loop != NULL && loop.loop == NULL && loop.ops == NULL, "%s: and the loop is emptied", be->name);
	be->free(&loop);
}

static void hear_warning(int severity, const char *msg)
{
	(void)severity, (void)msg;
}

static void test_errors(void)
{
	event_set_log_callback(hear_warning);
	struct curfew_loop l = {0};
	struct curfew_err err = {0};
	is_int(curfew_libevent_new(NULL, &l, &err), CURFEW_EINVAL, "libevent: no base is an error");
	ok(err.msg[0] != '\0' && l.loop == NULL, "libevent: with words, and nothing handed out");

	struct event_base *b = event_base_new();
	curfew_libevent_new(b, &l, &err);
	char path[] = "/tmp/curfew-conformance-XXXXXX";
	int file = mkstemp(path), fd[2];
	unlink(path);
	pair(fd);
	struct curfew_watch *w = NULL;
	struct seen s = {0};
	if (strcmp(event_base_get_method(b), "epoll") == 0) {
		is_int(l.ops->watch(l.loop, &w, file, CURFEW_READ, see, &s), CURFEW_ESYS,
		       "libevent: epoll takes no plain file: an error");
		ok(w == NULL, "libevent: and no watch");
		l.ops->watch(l.loop, &w, fd[0], CURFEW_READ, see, &s);
		is_int(l.ops->watch(l.loop, &w, file, CURFEW_READ, see, &s), CURFEW_ESYS, "libevent: nor by a change");
		put(fd[1]);
		event_base_loop(b, EVLOOP_ONCE);
		ok(s.n == 1 && s.fd == fd[0], "libevent: after which the watch is what it was");
		l.ops->watch(l.loop, &w, -1, 0, NULL, NULL);
	}
	unpair(fd);
	close(file);
	curfew_libevent_free(&l);
	event_base_free(b);
}

int main(void)
{
	for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
		be = &backends[i];
		be->open(&loop);
		is_int(loop.ops->size, sizeof(struct curfew_loop_ops), "%s: the table says its size", be->name);
		is_str(loop.ops->name, be->name, "%s: and its name", be->name);
		test_timer();
		test_timer_inside();
		test_watch();
		test_watch_moves();
		test_pipe();
		test_crowd();
		test_change_queued();
		test_two_on_one();
		test_defer();
		test_defer_inside();
		test_detach();
		be->free(&loop);
		be->free(&loop);
		be->open(&loop);
		test_free_inside();
		be->close();
	}
	test_errors();
	return tap_done();
}
