/* world.h: the real core under a virtual clock, with servers and hooks that behave as a test says. For the tests of the views. */
#ifndef T_SHELL_WORLD_H
#define T_SHELL_WORLD_H

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "core/core.h"
#include "tap.h"

enum { WORLD_MOST = 256 };
static const uint64_t never = CFW_NEVER;

struct world_thing { /* a server or a hook */
	cfw_id id;
	uint64_t takes_ns; /* to stop, or to run; never: it does not end */
	uint64_t starts_ns;
	bool hook;
	enum cfw_outcome outcome;
};

static struct world {
	struct cfw_core *core;
	uint64_t now;
	struct world_thing things[WORLD_MOST];
	size_t nthings;
	struct {
		uint64_t at;
		struct cfw_event ev;
	} future[WORLD_MOST];
	size_t nfuture;
	int exit_code;
	void (*watch)(void); /* after each step */
} world;

static inline void world_open(const struct cfw_core_config *config)
{
	struct cfw_core_config defaults;
	cfw_core_config_default(&defaults);
	memset(&world, 0, sizeof world);
	world.now = 1000 * CFW_SEC;
	world.exit_code = -1;
	world.core = cfw_core_new(&cfw_alloc_std, config ? config : &defaults);
	if (!world.core)
		tap_bail("no core");
}

static inline void world_close(void)
{
	cfw_core_free(world.core);
}

static inline void world_later(uint64_t in_ns, struct cfw_event ev)
{
	if (in_ns == never)
		return;
	if (world.nfuture == WORLD_MOST)
		tap_bail("too much future");
	world.future[world.nfuture].at = world.now + in_ns;
	world.future[world.nfuture++].ev = ev;
}

static inline struct world_thing *world_add(cfw_id id, uint64_t takes_ns)
{
	if (!id || world.nthings == WORLD_MOST)
		tap_bail("cannot add");
	struct world_thing *t = &world.things[world.nthings++];
	*t = (struct world_thing){.id = id, .takes_ns = takes_ns};
	return t;
}

/* A server that takes that long to stop. */
static inline struct world_thing *world_server(const char *name, uint64_t takes_ns)
{
	struct curfew_err err = {0};
	struct cfw_server_opts o = {.name = name,
				    .kind = "server",
				    .start_timeout_ns = never,
				    .stop_timeout_ns = never,
				    .backoff_ns = 200 * CFW_MS};
	return world_add(cfw_core_server_add(world.core, &o, &err), takes_ns);
}

static inline struct world_thing *world_hook(cfw_id server, enum cfw_phase phase, const char *name, const char *where,
					     uint64_t takes_ns)
{
	struct curfew_err err = {0};
	struct cfw_hook_opts o = {.server = server, .phase = phase, .name = name, .where = where, .timeout_ns = never};
	struct world_thing *t = world_add(cfw_core_hook_add(world.core, &o, &err), takes_ns);
	t->hook = true;
	return t;
}

static inline void world_after(cfw_id server, cfw_id on)
{
	struct curfew_err err = {0};
	if (cfw_core_server_after(world.core, server, on, &err) < 0)
		tap_bail("%s", err.msg);
}

/* Ids of servers and of hooks are two series. */
static inline const struct world_thing *world_of(cfw_id id, bool hook)
{
	for (size_t i = 0; i < world.nthings; i++)
		if (world.things[i].id == id && world.things[i].hook == hook)
			return &world.things[i];
	tap_bail("unknown thing");
}

static inline void world_act(const struct cfw_action *a)
{
	switch (a->type) {
	case CFW_ACT_ASK:
		world_later(0, (struct cfw_event){.type = CFW_EV_DECISION, .question = a->question});
		break;
	case CFW_ACT_CALL:
		world_later(world_of(a->hook, true)->takes_ns, (struct cfw_event){.type = CFW_EV_HOOK_DONE,
										  .run = a->run,
										  .outcome = world_of(a->hook, true)->outcome});
		break;
	case CFW_ACT_START:
		world_later(world_of(a->server, false)->starts_ns,
			    (struct cfw_event){.type = CFW_EV_SERVER_STARTED, .server = a->server, .attempt = a->attempt});
		break;
	case CFW_ACT_STOP:
		world_later(world_of(a->server, false)->takes_ns,
			    (struct cfw_event){.type = CFW_EV_SERVER_STOPPED, .server = a->server, .attempt = a->attempt});
		break;
	case CFW_ACT_CUT:
		world_later(CFW_MS,
			    (struct cfw_event){.type = CFW_EV_SERVER_STOPPED, .server = a->server, .attempt = a->attempt});
		break;
	case CFW_ACT_EXIT:
		world.exit_code = a->code;
		break;
	case CFW_ACT_LAME:
	case CFW_ACT_UNLAME:
	case CFW_ACT_STEERED:
	case CFW_ACT_CUT_HOOK:
	case CFW_ACT_RELOAD:
	case CFW_ACT_REPLY:
	case CFW_ACTIONS:
		break;
	}
}

static inline void world_settle(void)
{
	struct cfw_action a;
	while (cfw_core_next(world.core, &a))
		world_act(&a);
	if (world.watch)
		world.watch();
}

static inline void world_feed(struct cfw_event ev)
{
	cfw_core_feed(world.core, world.now, &ev);
	world_settle();
}

/* Let time pass until then, event by event. */
static inline void world_run(uint64_t until)
{
	for (;;) {
		size_t next = world.nfuture;
		uint64_t at = cfw_time_min(cfw_core_deadline(world.core), until);
		for (size_t i = 0; i < world.nfuture; i++)
			if (world.future[i].at <= at && (next == world.nfuture || world.future[i].at < world.future[next].at))
				next = i;
		if (next < world.nfuture) {
			struct cfw_event ev = world.future[next].ev;
			world.now = cfw_time_max(world.now, world.future[next].at);
			memmove(&world.future[next], &world.future[next + 1],
				(--world.nfuture - next) * sizeof world.future[0]);
			world_feed(ev);
		} else if (cfw_core_deadline(world.core) <= until) {
			world.now = cfw_time_max(world.now, cfw_core_deadline(world.core));
			world_feed((struct cfw_event){.type = CFW_EV_TICK});
		} else {
			world.now = until;
			return;
		}
		if (world.exit_code >= 0)
			return;
	}
}

static inline void world_start(void)
{
	world_feed((struct cfw_event){.type = CFW_EV_START});
	world_run(world.now + 10 * CFW_SEC);
}

static inline void world_signal(int signo)
{
	world_feed((struct cfw_event){.type = CFW_EV_TRIGGER, .trigger = {.kind = CFW_T_SIGNAL, .signo = signo}});
}

#endif
