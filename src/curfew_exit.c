/* curfew_exit.c: exit(3) of the process, for the one instance that was told to take it (S5.3). */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "curfew_embed.h"

/* The C library has called one: before it is in place again, as many other threads may call exit at the same moment. Not more: with what
 * else a program has they are to find room in the first part of the C library's list, of 32, which alone is never freed. */
enum { HANDLERS = 20 };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t moved; /* something below */
	struct curfew *owner; /* NULL: none */
	_Atomic pid_t pid;    /* a child of fork(2) has the handlers, too, and the lock perhaps as another thread held it */
	atomic_bool armed;    /* it has one, and nothing is ending */
	pthread_t thread;     /* the owner's: where it was stepped last */
	bool ended, returned; /* its on_exit is called; has returned */
	bool kill;
	int code;
	bool ending;      /* handlers are called and streams flushed, by one thread only */
	pthread_t leaver; /* which one, where it is so */
} leaving = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static void on_process_exit(int status, void *nothing);

/* Handlers of ours in front of all that are registered by now; how many the C library had memory for. */
static int put_handlers(int n)
{
	int done = 0;
	while (done < n && !on_exit(on_process_exit, NULL))
		done++;
	return done;
}

/* Under the lock, which is given up. What comes after the stop is for one thread alone, which cannot be canceled: others wait here for
 * the end, cancelable as they were. */
static void become_leaver(int cancelable)
{
	bool late = leaving.ending && !pthread_equal(leaving.leaver, pthread_self());
	leaving.ending = true;
	leaving.armed = false;
	if (!late)
		leaving.leaver = pthread_self();
	pthread_cond_broadcast(&leaving.moved);
	pthread_mutex_unlock(&leaving.lock);
	if (!late)
		return;
	/* With it the C library begins anew in the thread that leaves: this one may have freed what that went through. */
	put_handlers(1);
	pthread_setcancelstate(cancelable, NULL);
	for (;;)
		pause();
}

/* With this code, which exit(3) could not be told: the C library goes on with the handlers that are left, those of the program that
 * were registered before ours among them, and with its streams. fflush(NULL) would wait for a thread that reads from one. */
static _Noreturn void end_with(int code, bool kill)
{
	if (kill)
		_exit(code);
	exit(code);
}

/* Under the lock. Until it has ended, while this thread does nothing of it. Its loop may not turn, and the exit timeout holds all the
 * same: what is left of the policy's children is killed then. False: it was freed without an end. */
static bool wait_for_end(const struct curfew *c, int *code, bool *kill)
{
	const uint64_t moment = 20 * CFW_MS, grace = 100 * CFW_MS;
	uint64_t asked = cfw_time_now(), now = asked, limit = asked;
	while (leaving.owner == c && !leaving.returned && !leaving.ending && now < cfw_time_add(limit, grace)) {
		struct timespec until = {(time_t)((now + moment) / CFW_SEC), (long)((now + moment) % CFW_SEC)};
		pthread_cond_clockwait(&leaving.moved, &leaving.lock, CLOCK_MONOTONIC, &until);
		if (leaving.owner != c)
			break;
		now = cfw_time_now();
		limit = atomic_load(&c->page->deadline_ns);
		if (limit == CFW_NEVER) /* no stop has begun */
			limit = cfw_time_add(asked, atomic_load(&c->page->exit_timeout_ns));
	}
	if (leaving.owner != c && !leaving.ended)
		return false;
	*code = leaving.ended ? leaving.code : 255;
	*kill = leaving.kill || !leaving.returned;
	if (!leaving.ended)
		cfw_page_kill_groups(c->page);
	return true;
}

static _Noreturn void exit_here(struct curfew *c, int status, int cancelable)
{
	if (c->stepping)
		cfw_host_hook_exits(c);
	int code = c->stepping ? curfew_exit_inside(c, status) : cfw_exit_outside(c, status);
	pthread_mutex_lock(&leaving.lock);
	bool kill = leaving.kill;
	become_leaver(cancelable);
	end_with(code, kill);
}

/* Returns where the end is none of the instance's, or all is over and the C library is to go on. */
static void leave(int status)
{
	int code, cancelable;
	if (leaving.pid != getpid())
		return;
	if (leaving.armed)
		put_handlers(1); /* for others; and a hook of this very stop may call exit as well */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelable); /* with the lock, nobody would come to an end */
	pthread_mutex_lock(&leaving.lock);
	struct curfew *c = leaving.owner;
	bool elsewhere = c && !pthread_equal(leaving.thread, pthread_self()), kill;
	if (leaving.ending || (leaving.ended && !elsewhere)) {
		become_leaver(cancelable);
		return;
	}
	if (!c) {
		pthread_mutex_unlock(&leaving.lock);
		pthread_setcancelstate(cancelable, NULL);
		return;
	}
	if (!elsewhere) {
		pthread_mutex_unlock(&leaving.lock);
		exit_here(c, status, cancelable);
	}
	curfew_exit_from_thread(c, status);
	bool ends = wait_for_end(c, &code, &kill);
	if (!ends) {
		pthread_mutex_unlock(&leaving.lock);
		pthread_setcancelstate(cancelable, NULL);
		return;
	}
	become_leaver(cancelable);
	end_with(code, kill);
}

/* It does not return, unless it is called for many an instance of the past: another thread that exits as well may have freed the part of
 * the C library's list in which this call has its place. */
static void on_process_exit(int status, void *nothing)
{
	static _Thread_local int depth;
	(void)nothing;
	leave(status);
	if (depth++ < 4 * HANDLERS)
		exit(status);
}

int curfew_own_exit(struct curfew *c, struct curfew_err *err)
{
	int rc = 0;
	pid_t before = atomic_exchange(&leaving.pid, getpid());
	if (before != 0 && before != getpid()) {
		pthread_mutex_init(&leaving.lock, NULL);
		leaving.owner = NULL; /* the parent's */
		leaving.armed = false;
	}
	pthread_mutex_lock(&leaving.lock);
	if (leaving.owner && leaving.owner != c)
		rc = cfw_err_set(err, CURFEW_EEXIST, "another instance owns the exit of this process");
	else if (!leaving.owner && !put_handlers(HANDLERS))
		rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (!rc && !leaving.owner) {
		leaving.owner = c;
		leaving.thread = pthread_self();
		leaving.kill = leaving.ending = false;
		leaving.armed = true;
		leaving.ended = leaving.returned = c->ended; /* it may own its exit as late as that */
		leaving.code = c->code;
		c->owns_exit = true;
	}
	pthread_mutex_unlock(&leaving.lock);
	return rc;
}

void cfw_exit_step(struct curfew *c)
{
	if (!c->owns_exit)
		return;
	pthread_mutex_lock(&leaving.lock);
	leaving.thread = pthread_self();
	pthread_mutex_unlock(&leaving.lock);
}

void cfw_exit_told(struct curfew *c, bool kill)
{
	if (!c->owns_exit)
		return;
	pthread_mutex_lock(&leaving.lock);
	leaving.ended = true;
	leaving.code = c->code;
	leaving.kill = kill;
	pthread_mutex_unlock(&leaving.lock);
}

void cfw_exit_returned(struct curfew *c)
{
	if (!c->owns_exit)
		return;
	pthread_mutex_lock(&leaving.lock);
	leaving.returned = true;
	pthread_cond_broadcast(&leaving.moved);
	pthread_mutex_unlock(&leaving.lock);
}

void cfw_exit_given_back(struct curfew *c)
{
	if (!c->owns_exit)
		return;
	pthread_mutex_lock(&leaving.lock);
	leaving.owner = NULL;
	leaving.armed = false;
	pthread_cond_broadcast(&leaving.moved);
	pthread_mutex_unlock(&leaving.lock);
	c->owns_exit = false;
}
