/* host.h: what the operating system does for curfew: child processes as servers, and the operations that scripts wait on.
 *
 * One struct cfw_host an instance. It leans on the loop adapter and base, knows neither policy nor core, and decides nothing. */
#ifndef CFW_HOST_HOST_H
#define CFW_HOST_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/kind.h"

struct cfw_host;

enum cfw_reap {
	CFW_REAP_PIDFD, /* only children of ours, each watched by its pidfd: inside somebody else's process */
	CFW_REAP_ALL,   /* the process is ours: cfw_host_reap at each SIGCHLD takes every child, orphans included (S9.3) */
};

/* env must outlive it. Opens nothing until something is asked for. */
struct cfw_host *cfw_host_new(const struct cfw_env *env, enum cfw_reap reap, struct curfew_err *err);
/* After the servers of the kind "process" were freed. What still runs is killed with its tree and reaped; threads are joined; no
 * service answers any more. */
void cfw_host_free(struct cfw_host *h);

/* From here on it serves somebody who is not trusted (S10.4): files are those beneath the folders of the lists "read", "write" and
 * "modules" of allowed, and no proxy is asked. 0, or err when a folder cannot be opened. */
int cfw_host_confine(struct cfw_host *h, const struct cfw_value *allowed, struct curfew_err *err);
/* The text of a script, for reading: a descriptor, or -1 with errno. Confined: beneath "read", and a module beneath "modules", too. */
int cfw_host_open_source(const struct cfw_host *h, const char *path, bool module);

/* CFW_REAP_ALL: SIGCHLD came. Reaps all that have ended, reports what they were. Never blocks. */
void cfw_host_reap(struct cfw_host *h);
/* Kill every descendant that is still there, adopted orphans included, and reap them: at the very end of a stop. Bounded by
 * deadline_ns. How many are left. */
size_t cfw_host_kill_rest(struct cfw_host *h, uint64_t deadline_ns);
/* Children and adopted orphans alive at this moment. */
size_t cfw_host_children(const struct cfw_host *h);

/* The kind "process"; kind_ud is the host. */
extern const struct cfw_kind cfw_process_kind;
/* exec, fetch, fs.exists, fs.stat, fs.read, fs.write, fs.rename, fs.remove: filled in with ud = h. */
const struct cfw_service *cfw_host_services(struct cfw_host *h, size_t *n);

#endif
