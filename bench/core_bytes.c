/* core_bytes.c: bytes that a server takes in the core, counted by the allocator that is injected into it; and nanoseconds that an entry of its
 * journal takes. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/time.h"
#include "core/core.h"

enum { SERVERS = 1000 };

static void *count(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	size_t *live = ud;
	void *p = cfw_alloc_std.fn(cfw_alloc_std.ud, ptr, old_size, new_size);
	if (p || new_size == 0)
		*live = *live - (ptr ? old_size : 0) + new_size;
	return p;
}

static void add(struct cfw_core *core, int i, bool with_hook)
{
	char name[32];
	struct curfew_err err = {0};
	snprintf(name, sizeof name, "web-%d", i);
	struct cfw_server_opts opts = {
		.name = name, .kind = "http", .start_timeout_ns = CFW_NEVER, .stop_timeout_ns = CFW_NEVER};
	cfw_id id = cfw_core_server_add(core, &opts, &err);
	struct cfw_hook_opts hook = {
		.server = id, .phase = CFW_PRE_STOP, .where = "policy.lua:12", .timeout_ns = CFW_NEVER, .ref = i};
	if (!id || (with_hook && !cfw_core_hook_add(core, &hook, &err))) {
		fprintf(stderr, "core_bytes: %s\n", err.msg);
		exit(1);
	}
}

static void measure(const char *key, bool with_hook)
{
	size_t live = 0;
	struct cfw_alloc alloc = {count, &live};
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	struct cfw_core *core = cfw_core_new(&alloc, &config);
	if (!core)
		exit(1);
	size_t empty = live;
	for (int i = 0; i < SERVERS; i++)
		add(core, i, with_hook);
	printf("%s %zu\n", key, (live - empty) / SERVERS);
	cfw_core_free(core);
	if (live) {
		fprintf(stderr, "core_bytes: %zu bytes were not freed\n", live);
		exit(1);
	}
}

/* CPU time of many events of this kind, in nanoseconds each. */
static double each(struct cfw_core *core, const struct cfw_event *ev)
{
	enum { EVENTS = 1000000 };
	struct timespec from, to;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	for (int i = 0; i < EVENTS; i++)
		cfw_core_feed(core, 1, ev);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	return ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / EVENTS;
}

/* What an event takes that does nothing but to leave an entry, beyond one that leaves none; the least of some rounds. */
static void measure_entry(void)
{
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	struct cfw_core *core = cfw_core_new(&cfw_alloc_std, &config);
	if (!core)
		exit(1);
	const struct cfw_event late = {.type = CFW_EV_HOOK_DONE, .run = 1}, none = {.type = CFW_EV_TICK};
	double best = 1e9;
	for (int i = 0; i < 5; i++) {
		double ns = each(core, &late) - each(core, &none);
		best = ns < best ? ns : best;
	}
	printf("entry_ns %.0f\n", best);
	cfw_core_free(core);
}

int main(void)
{
	measure("server_bytes", false);
	measure("hooked_bytes", true);
	measure_entry();
	return 0;
}
