/* What is left of a child's tree when its main process is gone, found and killed. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "host/internal.h"
#include "host/procfs.h"

enum { MOST_KIN = 4096, ANCESTORS = 64 };
#define DOUBT (30 * CFW_MS) /* longer than an exec takes */

static bool group_there(const struct cfw_child *c)
{
	return c->group && (kill(-c->group, 0) == 0 || errno == EPERM);
}

void cfw_child_note_kin(struct cfw_child *c)
{
	struct cfw_pids below = {0};
	struct cfw_proc p;
	cfw_proc_below(c->pid, &below, MOST_KIN);
	free(c->kin);
	c->n_kin = 0;
	c->kin = below.n ? calloc(below.n, sizeof *c->kin) : NULL;
	for (size_t i = 0; c->kin && i < below.n; i++)
		if (cfw_proc_read(below.v[i], &p))
			c->kin[c->n_kin++] = (struct cfw_kin){below.v[i], p.started};
	cfw_pids_clear(&below);
}

static bool is_kin(const struct cfw_child *c, pid_t pid, uint64_t started)
{
	for (size_t i = 0; i < c->n_kin; i++)
		if (c->kin[i].pid == pid && c->kin[i].started == started)
			return true;
	return false;
}

/* What one look at a process says. */
enum seen {
	SEEN_NOTHING,
	SEEN_OWN,
	SEEN_ENDED, /* it was there a moment ago: those below it may have come to us since we made the list */
	SEEN_BLANK, /* whose it is cannot be told now */
};

/* Whose is it, of those whose main process is gone? SEEN_OWN: *of's. */
static enum seen owner(const struct cfw_host *h, pid_t pid, const struct cfw_proc *p, struct cfw_child **of)
{
	uint64_t serial = 0;
	for (struct cfw_child *c = *of = h->children.unsettled; c; c = *of = c->unsettled)
		if ((c->group && c->group == p->group) || is_kin(c, pid, p->started))
			return SEEN_OWN;
	bool young = p->group > 0 && p->started >= h->children.since; /* no kernel thread, nobody older than we are */
	switch (cfw_proc_mark(pid, h->instance, &serial)) {
	case CFW_MARK_OURS:
		break;
	case CFW_MARK_BLANK:
		return young ? SEEN_BLANK : SEEN_NOTHING;
	case CFW_MARK_GONE:
		return young ? SEEN_ENDED : SEEN_NOTHING;
	case CFW_MARK_NONE:
		return SEEN_NOTHING;
	}
	for (struct cfw_child *c = *of = h->children.unsettled; c; c = *of = c->unsettled)
		if (c->serial == serial)
			return SEEN_OWN;
	return SEEN_NOTHING;
}

/* A child of ours that we adopted: until we reap it neither its number nor that of a group it leads can be a stranger's. */
static void kill_adopted(pid_t pid, pid_t group)
{
	if (group == pid)
		kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
}

/* Not a child of ours: hold it by a pidfd, look again, send. */
static void signal_held(pid_t pid, const struct cfw_proc *p, int signo)
{
	struct cfw_proc again;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0U);
	if (fd < 0 && errno != ENOSYS)
		return;
	if (cfw_proc_read(pid, &again) && again.started == p->started) {
		if (fd >= 0)
			syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0U);
		else
			kill(pid, signo);
	}
	if (fd >= 0)
		close(fd);
}

void cfw_child_signal_rest(const struct cfw_child *c, int signo)
{
	struct cfw_pids pids = {0};
	struct cfw_proc p;
	cfw_proc_all(&pids);
	for (size_t i = 0; i < pids.n; i++)
		if (cfw_proc_read(pids.v[i], &p) && p.group == c->group && p.state != 'Z')
			signal_held(pids.v[i], &p, signo);
	cfw_pids_clear(&pids);
}

static enum seen look_at(struct cfw_host *h, pid_t pid)
{
	bool all = h->reap == CFW_REAP_ALL;
	struct cfw_proc p;
	struct cfw_child *c;
	if (pid == getpid() || cfw_child_find(h, pid))
		return SEEN_NOTHING;
	if (!cfw_proc_read(pid, &p))
		return SEEN_ENDED;
	if (p.state == 'Z' || p.state == 'X')
		return p.started >= h->children.since ? SEEN_ENDED : SEEN_NOTHING;
	enum seen seen = owner(h, pid, &p, &c);
	if (seen != SEEN_OWN)
		return seen;
	if (c->phase == CFW_CHILD_CLEARING && all)
		kill_adopted(pid, p.group);
	else if (c->phase == CFW_CHILD_CLEARING)
		signal_held(pid, &p, SIGKILL);
	else if (c->group != p.group)
		return SEEN_NOTHING; /* it lingers for its group alone */
	c->left = true;
	return SEEN_OWN;
}

/* Look at all that may be left; kill what belongs to those that are being cleared; note who has something left. */
static void sweep(struct cfw_host *h)
{
	bool all = h->reap == CFW_REAP_ALL, ended = false, blank = false;
	struct cfw_pids pids = {0};
	if (all)
		cfw_proc_ours(&pids);
	else
		cfw_proc_all(&pids);
	for (size_t i = 0; i < pids.n; i++) {
		enum seen seen = look_at(h, pids.v[i]);
		ended |= seen == SEEN_ENDED;
		blank |= seen == SEEN_BLANK;
	}
	blank |= pids.partial;
	cfw_pids_clear(&pids);
	uint64_t now = cfw_host_now(h);
	for (struct cfw_child *c = h->children.unsettled; c; c = c->unsettled) {
		if (c->phase != CFW_CHILD_CLEARING || c->left)
			continue;
		if (ended && all) { /* it is a child of ours: we are about to reap it, and look again */
			c->left = true;
		} else if (ended || blank) {
			if (!c->doubt_ns)
				c->doubt_ns = now + DOUBT;
			c->left = now < c->doubt_ns;
		}
	}
}

static bool done(const struct cfw_child *c)
{
	return c->rest == CFW_REST_LEAVE || (c->phase == CFW_CHILD_CLEARING && !c->left);
}

/* Those that have nothing left are told so. */
static void tell(struct cfw_host *h)
{
	struct cfw_child *c = h->children.unsettled;
	while (c)
		if (done(c)) {
			cfw_child_settled(c);
			c = h->children.unsettled;
		} else
			c = c->unsettled;
}

static void look_again(struct cfw_host *h, uint64_t at_ns)
{
	cfw_timer_set(h->env->timers, &h->children.settle, at_ns);
}

void cfw_child_settle(struct cfw_host *h)
{
	struct cfw_children *t = &h->children;
	tell(h); /* those that leave their rest alone */
	if (!t->unsettled) {
		cfw_timer_cancel(h->env->timers, &t->settle);
		return;
	}
	uint64_t began = cfw_host_now(h);
	if (began < t->sweep_ns) {
		look_again(h, t->sweep_ns);
		return;
	}
	bool clearing = h->reap == CFW_REAP_PIDFD;
	for (struct cfw_child *c = t->unsettled; c; c = c->unsettled) {
		c->left = h->reap == CFW_REAP_ALL && group_there(c);
		if (c->phase == CFW_CHILD_LINGER && h->reap == CFW_REAP_ALL && !c->left)
			c->phase = CFW_CHILD_CLEARING;
		clearing |= c->phase == CFW_CHILD_CLEARING;
	}
	if (clearing)
		sweep(h);
	uint64_t now = cfw_host_now(h);
	/* We may have been asleep in it: not more than that, then. */
	t->sweep_ns = now + cfw_time_min(4 * (now - began), h->reap == CFW_REAP_ALL ? 2 * CFW_MS : 20 * CFW_MS);
	tell(h);
	if (!t->unsettled) {
		cfw_timer_cancel(h->env->timers, &t->settle);
		return;
	}
	for (struct cfw_child *c = t->unsettled; c; c = c->unsettled)
		if (c->phase == CFW_CHILD_LINGER && !c->left) { /* CFW_REAP_PIDFD: the next sweep kills who left the group */
			c->phase = CFW_CHILD_CLEARING;
			c->left = true;
		}
	t->wait_ns = t->wait_ns ? cfw_time_min(t->wait_ns * 2, 100 * CFW_MS) : 2 * CFW_MS;
	look_again(h, now + t->wait_ns);
}

void cfw_child_settle_soon(struct cfw_host *h)
{
	h->children.wait_ns = 0;
	look_again(h, cfw_host_now(h));
}

bool cfw_child_owns(const struct cfw_child *c, pid_t pid)
{
	struct cfw_proc p;
	uint64_t serial = 0;
	if (pid <= 0 || c->phase == CFW_CHILD_NONE)
		return false;
	if (pid == c->pid || (c->group && getpgid(pid) == c->group))
		return true;
	if (cfw_proc_mark(pid, c->host->instance, &serial) == CFW_MARK_OURS)
		return serial == c->serial;
	for (int i = 0; i < ANCESTORS && c->pid && pid > 1 && cfw_proc_read(pid, &p); i++)
		if ((pid = p.parent) == c->pid)
			return true;
	return false;
}

/* Kill whatever is there; how many that was. */
static size_t kill_all(struct cfw_host *h)
{
	struct cfw_pids pids = {0};
	struct cfw_proc p;
	uint64_t serial;
	size_t n = 0;
	bool all = h->reap == CFW_REAP_ALL;
	if (all)
		cfw_proc_ours(&pids);
	else if (h->serial)
		cfw_proc_all(&pids);
	for (size_t i = 0; i < pids.n; i++) {
		pid_t pid = pids.v[i];
		bool seen = cfw_proc_read(pid, &p);
		if (all) { /* a child of ours, seen or not */
			kill_adopted(pid, seen ? p.group : 0);
			n++;
		} else if (seen && pid != getpid() && p.state != 'Z' &&
			   cfw_proc_mark(pid, h->instance, &serial) == CFW_MARK_OURS) {
			signal_held(pid, &p, SIGKILL);
			n++;
		}
	}
	n += pids.partial;
	cfw_pids_clear(&pids);
	return n > h->children.n ? n : h->children.n;
}

size_t cfw_host_kill_rest(struct cfw_host *h, uint64_t deadline_ns)
{
	struct cfw_children *t = &h->children;
	for (size_t i = 0; i < t->n_buckets; i++)
		for (struct cfw_child *c = t->buckets[i]; c; c = c->next)
			cfw_child_kill(c);
	size_t left;
	for (long wait_ns = 50000;; wait_ns = wait_ns < 2000000 ? wait_ns * 2 : wait_ns) {
		if (h->reap == CFW_REAP_ALL)
			cfw_host_reap(h);
		else
			cfw_child_reap_known(h);
		left = kill_all(h);
		if (!left || cfw_host_now(h) >= deadline_ns)
			break;
		nanosleep(&(struct timespec){0, wait_ns}, NULL);
	}
	t->sweep_ns = 0;
	cfw_child_settle(h);
	return left;
}

size_t cfw_host_children(const struct cfw_host *h)
{
	if (h->reap != CFW_REAP_ALL)
		return h->children.n;
	struct cfw_pids pids = {0};
	struct cfw_proc p;
	size_t n = h->children.n;
	cfw_proc_ours(&pids);
	for (size_t i = 0; i < pids.n; i++)
		if (!cfw_child_find(h, pids.v[i]) && cfw_proc_read(pids.v[i], &p) && p.state != 'Z')
			n++;
	cfw_pids_clear(&pids);
	return n;
}
