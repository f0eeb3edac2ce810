/* The table of our children, and their ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "adapters/loop.h"
#include "base/alloc.h"
#include "base/err.h"
#include "base/page.h"
#include "base/time.h"
#include "host/child.h"
#include "host/internal.h"
#include "host/launch.h"
#include "host/procfs.h"

#define BLIND_INTERVAL (10 * CFW_MS)

static struct cfw_child **bucket(const struct cfw_children *t, pid_t pid)
{
	return &t->buckets[(size_t)pid & (t->n_buckets - 1)];
}

static int grow(struct cfw_children *t)
{
	if (t->n < t->n_buckets)
		return 0;
	struct cfw_children bigger = *t;
	bigger.n_buckets = t->n_buckets ? t->n_buckets * 2 : 16;
	bigger.buckets = calloc(bigger.n_buckets, sizeof *bigger.buckets);
	if (!bigger.buckets)
		return CURFEW_ENOMEM;
	for (size_t i = 0; i < t->n_buckets; i++)
		for (struct cfw_child *c = t->buckets[i], *next; c; c = next) {
			next = c->next;
			struct cfw_child **b = bucket(&bigger, c->pid);
			c->next = *b;
			*b = c;
		}
	free(t->buckets);
	t->buckets = bigger.buckets;
	t->n_buckets = bigger.n_buckets;
	return 0;
}

struct cfw_child *cfw_child_find(const struct cfw_host *h, pid_t pid)
{
	const struct cfw_children *t = &h->children;
	struct cfw_child *c = t->n_buckets ? *bucket(t, pid) : NULL;
	while (c && c->pid != pid)
		c = c->next;
	return c;
}

static void forget_pid(struct cfw_child *c)
{
	struct cfw_children *t = &c->host->children;
	struct cfw_child **p = bucket(t, c->pid);
	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
	t->n--;
	c->pid = 0;
	if (c->watch)
		c->host->env->loop->ops->watch(c->host->env->loop->loop, &c->watch, c->pidfd, 0, NULL, NULL);
	if (c->pidfd >= 0)
		close(c->pidfd);
	c->pidfd = -1;
}

void cfw_child_end(struct cfw_child *c, int code, int signo)
{
	struct cfw_children *t = &c->host->children;
	forget_pid(c);
	c->code = code;
	c->signo = signo;
	c->phase = c->rest == CFW_REST_LINGER && c->group ? CFW_CHILD_LINGER : CFW_CHILD_CLEARING;
	c->left = true;
	c->doubt_ns = 0;
	c->unsettled = t->unsettled;
	t->unsettled = c;
	t->wait_ns = 0;
	if (c->ended)
		c->ended(c);
}

/* While it is a zombie its number is its own, and so is that of the group: the last moment for a kill of all that cannot hit a
 * stranger. */
static void before_reap(const struct cfw_child *c)
{
	if (c->group && c->rest == CFW_REST_KILL)
		kill(-c->group, SIGKILL);
}

/* waitid(2) as it is when nothing interrupts it; si_pid is 0 where nobody has ended. */
static int look(idtype_t type, id_t id, siginfo_t *si, int how)
{
	int rc;
	do {
		memset(si, 0, sizeof *si);
		rc = waitid(type, id, si, WEXITED | WNOHANG | how);
	} while (rc < 0 && errno == EINTR);
	return rc;
}

/* What has ended is reaped; how it ended was told before, also where somebody else is quicker. */
static void take_away(id_t pid)
{
	siginfo_t same;
	look(P_PID, pid, &same, 0);
}

static void after_reap(struct cfw_child *c, const siginfo_t *si)
{
	if (si->si_code == CLD_EXITED)
		cfw_child_end(c, si->si_status, 0);
	else
		cfw_child_end(c, -1, si->si_status);
}

void cfw_host_reap(struct cfw_host *h)
{
	if (h->reap != CFW_REAP_ALL)
		return;
	for (;;) {
		siginfo_t si;
		if (look(P_ALL, 0, &si, WNOWAIT) || !si.si_pid)
			break;
		struct cfw_child *c = cfw_child_find(h, si.si_pid);
		if (c)
			before_reap(c);
		take_away((id_t)si.si_pid);
		if (c)
			after_reap(c, &si);
	}
	cfw_child_settle(h);
}

/* Has this one ended? Then reap it. */
static bool reap_one(struct cfw_child *c)
{
	siginfo_t si;
	id_t pid = (id_t)c->pid;
	if (look(P_PID, pid, &si, WNOWAIT) == 0) {
		if (!si.si_pid)
			return false;
		before_reap(c);
		take_away(pid);
		after_reap(c, &si);
	} else
		cfw_child_end(c, -1, SIGKILL); /* somebody else reaped it: how it ended is not to be known */
	return true;
}

void cfw_child_reap_known(struct cfw_host *h)
{
	for (size_t i = 0; i < h->children.n_buckets; i++)
		for (struct cfw_child *c = h->children.buckets[i], *next; c; c = next) {
			next = c->next;
			reap_one(c);
		}
}

/* CFW_REAP_PIDFD: one of ours has ended. */
static void on_pidfd(void *ud, int fd, unsigned what)
{
	(void)fd;
	(void)what;
	struct cfw_child *c = ud;
	struct cfw_host *h = c->host;
	reap_one(c);
	cfw_child_settle(h);
}

static int watch_pidfd(struct cfw_child *c, struct curfew_err *err)
{
	const struct curfew_loop *loop = c->host->env->loop;
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0U);
	if (c->pidfd < 0 && errno == ENOSYS) { /* Linux before 5.3: looked at every so often */
		c->host->children.blind = true;
		cfw_child_settle_soon(c->host);
		return 0;
	}
	if (c->pidfd < 0)
		return cfw_err_sys(err, "cannot watch process %d", (int)c->pid);
	int e = loop->ops->watch(loop->loop, &c->watch, c->pidfd, CURFEW_READ, on_pidfd, c);
	return e ? cfw_err_set(err, e, "cannot watch process %d", (int)c->pid) : 0;
}

static void tell_nobody(struct cfw_child *c)
{
	(void)c;
}

/* It was launched a moment ago and cannot be kept; it may have a tree by now. */
static void take_back(struct cfw_child *c)
{
	void (*ended)(struct cfw_child *) = c->ended, (*gone)(struct cfw_child *) = c->gone;
	enum cfw_child_rest rest = c->rest;
	c->ended = NULL;
	c->gone = tell_nobody;
	cfw_child_clear(c, cfw_time_add(cfw_host_now(c->host), CFW_SEC));
	c->ended = ended;
	c->gone = gone;
	c->rest = rest;
}

static int prepare(struct cfw_host *h, struct curfew_err *err)
{
	struct cfw_children *t = &h->children;
	if (!t->stack) {
		void *p = mmap(NULL, CFW_SPAWN_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
		if (p == MAP_FAILED)
			return cfw_err_sys(err, "cannot make a process");
		t->stack = p;
		struct cfw_proc self;
		t->since = cfw_proc_read(getpid(), &self) ? self.started : 0;
	}
	return grow(t) ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory") : 0;
}

int cfw_child_launch(struct cfw_host *h, struct cfw_child *c, const struct cfw_launch *l, struct curfew_err *err)
{
	char mark[320];
	uint64_t serial = ++h->serial;
	snprintf(mark, sizeof mark, "%016" PRIx64 ".%" PRIu64 ":%s", h->instance, serial, l->name);
	struct cfw_plan plan;
	int e = prepare(h, err);
	if (e)
		return e;
	e = cfw_plan_make(&plan, l, mark, err);
	pid_t pid = -1;
	if (!e) {
		plan.spawn.limits = h->limits;
		plan.spawn.stack = h->children.stack;
		pid = cfw_spawn(&plan.spawn, err);
		e = pid < 0 ? CURFEW_ESYS : 0;
	}
	cfw_plan_clear(&plan);
	if (e)
		return e;
	c->host = h;
	c->pidfd = -1;
	c->watch = NULL;
	c->pid = pid;
	c->group = l->group == CFW_GROUP_KEEP ? 0 : pid;
	c->serial = serial;
	c->phase = CFW_CHILD_ALIVE;
	c->code = -1;
	c->signo = 0;
	c->asked = 0;
	c->kin = NULL;
	c->n_kin = 0;
	c->page_slot = c->group ? cfw_page_group_add(h->env->page, pid) : -1;
	struct cfw_child **b = bucket(&h->children, pid);
	c->next = *b;
	*b = c;
	h->children.n++;
	if (h->reap == CFW_REAP_PIDFD)
		e = watch_pidfd(c, err);
	if (e)
		take_back(c);
	return e;
}

/* Is a child of ours that nobody has reaped in that group? Then the group's number cannot belong to strangers. One whose own children
 * alone are reaped knows of none. */
static bool pinned(const struct cfw_child *c)
{
	siginfo_t si;
	return c->host->reap == CFW_REAP_ALL && look(P_PGID, (id_t)c->group, &si, WNOWAIT) == 0;
}

int cfw_child_signal(struct cfw_child *c, int signo, bool whole_group)
{
	c->asked |= UINT64_C(1) << (signo - 1);
	int e = -1;
	if (c->phase == CFW_CHILD_ALIVE)
		e = kill(whole_group && c->group ? -c->group : c->pid, signo);
	else if (c->phase == CFW_CHILD_LINGER && pinned(c))
		e = kill(-c->group, signo);
	else if (c->phase == CFW_CHILD_LINGER && c->host->reap == CFW_REAP_PIDFD) {
		cfw_child_signal_rest(c, signo);
		e = 0;
	}
	return e ? CURFEW_ESTATE : 0;
}

void cfw_child_kill(struct cfw_child *c)
{
	c->asked |= UINT64_C(1) << (SIGKILL - 1);
	c->rest = CFW_REST_KILL;
	if (c->phase == CFW_CHILD_ALIVE) {
		cfw_child_note_kin(c);
		if (c->group)
			kill(-c->group, SIGKILL);
		kill(c->pid, SIGKILL); /* it may have changed its group */
	} else if (c->phase == CFW_CHILD_LINGER) {
		c->phase = CFW_CHILD_CLEARING;
		if (pinned(c))
			kill(-c->group, SIGKILL);
		cfw_child_settle_soon(c->host);
	}
}

static void forget(struct cfw_child *c)
{
	if (c->pid)
		forget_pid(c);
	struct cfw_child **p = &c->host->children.unsettled;
	while (*p && *p != c)
		p = &(*p)->unsettled;
	if (*p)
		*p = c->unsettled;
	cfw_page_group_del(c->host->env->page, c->page_slot);
	c->page_slot = -1;
	c->phase = CFW_CHILD_NONE;
	c->group = 0;
	free(c->kin);
	c->kin = NULL;
	c->n_kin = 0;
}

void cfw_child_settled(struct cfw_child *c)
{
	forget(c);
	c->gone(c);
}

void cfw_child_clear(struct cfw_child *c, uint64_t deadline_ns)
{
	struct cfw_host *h = c->host;
	cfw_child_kill(c);
	while (c->phase != CFW_CHILD_NONE && cfw_host_now(h) < deadline_ns) {
		if (c->pid && !reap_one(c))
			nanosleep(&(struct timespec){0, 200000}, NULL);
		h->children.sweep_ns = 0;
		cfw_host_reap(h);
		cfw_child_settle(h);
	}
	if (c->phase != CFW_CHILD_NONE)
		forget(c);
}

static void on_settle(struct cfw_timer *t, uint64_t now_ns, void *ud)
{
	struct cfw_host *h = ud;
	if (h->reap == CFW_REAP_ALL)
		cfw_host_reap(h); /* a SIGCHLD may have been missed */
	else {
		if (h->children.blind)
			cfw_child_reap_known(h);
		cfw_child_settle(h);
		if (h->children.blind && h->children.n && !t->pos)
			cfw_timer_set(h->env->timers, t, now_ns + BLIND_INTERVAL);
	}
}

void cfw_children_init(struct cfw_host *h)
{
	memset(&h->children, 0, sizeof h->children);
	h->children.settle.fn = on_settle;
	h->children.settle.ud = h;
}

void cfw_children_clear(struct cfw_host *h)
{
	struct cfw_children *t = &h->children;
	for (size_t i = 0; i < t->n_buckets; i++)
		while (t->buckets[i])
			forget(t->buckets[i]);
	while (t->unsettled)
		forget(t->unsettled);
	cfw_timer_cancel(h->env->timers, &t->settle);
	free(t->buckets);
	if (t->stack)
		munmap(t->stack, CFW_SPAWN_STACK);
	memset(t, 0, sizeof *t);
}
