/* internal.h: what the files of this room share: the host itself. */
#ifndef CFW_HOST_INTERNAL_H
#define CFW_HOST_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/kind.h"
#include "host/child.h"
#include "host/host.h"

struct cfw_beneath;
struct cfw_exec;
struct cfw_fetcher;
struct cfw_pool;

enum { CFW_HOST_SERVICES = 8 };

struct cfw_host {
	const struct cfw_env *env;
	enum cfw_reap reap;
	bool was_subreaper;                 /* before us: given back at the end */
	uint64_t instance;                  /* in the marker that our children carry: <instance>.<serial> */
	uint64_t serial;                    /* of the last child */
	struct rlimit limits[RLIM_NLIMITS]; /* as they were when the host was made: children get these back (S2.19) */
	struct cfw_children children;
	struct cfw_exec *execs;      /* running ones */
	struct cfw_pool *pool;       /* threads of fs.*; NULL until the first */
	struct cfw_fetcher *fetcher; /* NULL until the first fetch */
	struct cfw_beneath *beneath; /* S10.4: where files may be; NULL: anywhere */
	struct cfw_service services[CFW_HOST_SERVICES];
};

/* Services: the tables that host.c lists. ud is the host. */
int cfw_exec_begin(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err);
void cfw_exec_cancel(void *ud, uint64_t token);
void cfw_exec_hush(struct cfw_host *h); /* no answers from here on */
void cfw_exec_free(struct cfw_host *h); /* their children were killed before */

int cfw_fetch_begin(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err);
void cfw_fetch_cancel(void *ud, uint64_t token);
void cfw_fetch_free(struct cfw_host *h);

int cfw_fs_exists(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err);
int cfw_fs_stat(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err);
int cfw_fs_read(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err);
int cfw_fs_write(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err);
int cfw_fs_rename(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err);
int cfw_fs_remove(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err);
void cfw_fs_cancel(void *ud, uint64_t token);

void cfw_pool_free(struct cfw_pool *p); /* NULL is fine; waits for what its threads are at */

static inline uint64_t cfw_host_now(const struct cfw_host *h)
{
	return h->env->now_ns(h->env->ud);
}

#endif
