#define _GNU_SOURCE
#include "host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "base/value.h"
#include "host/beneath.h"
#include "host/internal.h"

static const struct cfw_service services[CFW_HOST_SERVICES] = {
	{"exec", cfw_exec_begin, cfw_exec_cancel, NULL},   {"fetch", cfw_fetch_begin, cfw_fetch_cancel, NULL},
	{"fs.exists", cfw_fs_exists, cfw_fs_cancel, NULL}, {"fs.stat", cfw_fs_stat, cfw_fs_cancel, NULL},
	{"fs.read", cfw_fs_read, cfw_fs_cancel, NULL},     {"fs.write", cfw_fs_write, cfw_fs_cancel, NULL},
	{"fs.rename", cfw_fs_rename, cfw_fs_cancel, NULL}, {"fs.remove", cfw_fs_remove, cfw_fs_cancel, NULL},
};

struct cfw_host *cfw_host_new(const struct cfw_env *env, enum cfw_reap reap, struct curfew_err *err)
{
	struct cfw_host *h = calloc(1, sizeof *h);
	if (!h) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	h->env = env;
	h->reap = reap;
	if (getrandom(&h->instance, sizeof h->instance, GRND_NONBLOCK) != (ssize_t)sizeof h->instance)
		h->instance = cfw_time_now() ^ (uint64_t)getpid() << 40;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (getrlimit((__rlimit_resource_t)i, &h->limits[i]))
			h->limits[i] = CFW_LIMIT_UNKNOWN;
	memcpy(h->services, services, sizeof services);
	for (size_t i = 0; i < CFW_HOST_SERVICES; i++)
		h->services[i].ud = h;
	cfw_children_init(h);
	if (reap == CFW_REAP_ALL) {
		int was = 0;
		if (prctl(PR_GET_CHILD_SUBREAPER, &was) == 0)
			h->was_subreaper = was != 0;
		if (prctl(PR_SET_CHILD_SUBREAPER, 1)) {
			cfw_err_sys(err, "cannot become the reaper of orphans");
			free(h);
			return NULL;
		}
	}
	return h;
}

void cfw_host_free(struct cfw_host *h)
{
	if (!h)
		return;
	cfw_exec_hush(h);
	if (h->children.n || h->children.unsettled)
		cfw_host_kill_rest(h, cfw_time_add(cfw_host_now(h), CFW_SEC));
	cfw_children_clear(h); /* before those are freed that they are a part of */
	cfw_exec_free(h);
	cfw_fetch_free(h);
	cfw_pool_free(h->pool);
	cfw_beneath_free(h->beneath);
	if (h->reap == CFW_REAP_ALL && !h->was_subreaper)
		prctl(PR_SET_CHILD_SUBREAPER, 0);
	free(h);
}

int cfw_host_confine(struct cfw_host *h, const struct cfw_value *allowed, struct curfew_err *err)
{
	const struct cfw_value *lists[CFW_BENEATH_USES] = {
		[CFW_BENEATH_READ] = cfw_value_get(allowed, "read"),
		[CFW_BENEATH_WRITE] = cfw_value_get(allowed, "write"),
		[CFW_BENEATH_MODULE] = cfw_value_get(allowed, "modules"),
	};
	h->beneath = cfw_beneath_new(lists, err);
	return h->beneath ? 0 : err ? err->code : CURFEW_ENOMEM;
}

int cfw_host_open_source(const struct cfw_host *h, const char *path, bool module)
{
	if (!h->beneath)
		return open(path, O_RDONLY | O_CLOEXEC);
	int fd = module ? cfw_beneath_open(h->beneath, CFW_BENEATH_MODULE, path, O_RDONLY, 0) : -1;
	return fd >= 0 || (module && errno == ENOENT) ? fd : cfw_beneath_open(h->beneath, CFW_BENEATH_READ, path, O_RDONLY, 0);
}

const struct cfw_service *cfw_host_services(struct cfw_host *h, size_t *n)
{
	*n = CFW_HOST_SERVICES;
	return h->services;
}
