#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "shell/guardian_impl.h"
#include "shell/listen.h"

static bool is_among(const struct cfw_pids *pids, pid_t pid)
{
	for (size_t i = 0; i < pids->n; i++)
		if (pids->v[i] == pid)
			return true;
	return false;
}

static bool page_has_group(const struct cfw_page *page, pid_t group)
{
	for (int i = 0; i < CFW_PAGE_GROUPS; i++)
		if (atomic_load(&page->groups[i]) == group)
			return true;
	return false;
}

/* A child that was not reaped: nobody else can have its number, nor that of the group it is in. A whole group goes at once, before
 * it can fork: where it leads it, or where the page says that the group is one of curfew's; but never our own. */
static void kill_child(const struct cfw_page *page, pid_t pid, pid_t group)
{
	if (group > 1 && group != getpgrp() && (group == pid || page_has_group(page, group)))
		kill(-group, SIGKILL);
	kill(pid, SIGKILL);
}

/* False when nobody is left. */
static bool kill_children(const struct cfw_page *page, const struct cfw_pids *spared)
{
	struct cfw_pids pids = {0};
	struct cfw_proc p;
	bool left = !cfw_proc_ours(&pids); /* who could not be listed may be there */
	for (size_t i = 0; i < pids.n; i++)
		if (!is_among(spared, pids.v[i])) {
			kill_child(page, pids.v[i], cfw_proc_read(pids.v[i], &p) ? p.group : 0);
			left = true;
		}
	cfw_pids_clear(&pids);
	return left;
}

/* False when there is no child at all. */
static bool reap_all(void)
{
	pid_t pid;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		;
	return pid == 0 || errno != ECHILD;
}

void cfw_rest_kill(const struct cfw_page *page, const struct cfw_pids *spared, uint64_t deadline_ns)
{
	for (long wait_ns = 50000; kill_children(page, spared); wait_ns = wait_ns < 2000000 ? wait_ns * 2 : wait_ns) {
		if (!reap_all() || cfw_time_now() >= deadline_ns)
			return;
		nanosleep(&(struct timespec){0, wait_ns}, NULL);
	}
}

/* One that is cut short, or not ended, names nothing. */
static void remove_files_at(const char *noted)
{
	char address[CFW_PAGE_ADDRESS];
	memcpy(address, noted, sizeof address);
	if (memchr(address, '\0', sizeof address - 1))
		cfw_listen_remove_stale(address);
}

static void remove_files_of(const struct cfw_page *page, struct cfw_region region)
{
	for (size_t i = region.servers; i < CFW_PAGE_SERVERS && atomic_load(&page->servers[i].name); i++)
		remove_files_at(page->servers[i].address);
}

void cfw_rest_remove_files(const struct cfw_page *page)
{
	struct cfw_region old;
	remove_files_of(page, cfw_page_region(page));
	for (size_t i = 0; i < CFW_PAGE_OLD; i++)
		if (cfw_page_old_get(page, i, &old))
			remove_files_of(page, old);
	remove_files_at(page->control);
}
