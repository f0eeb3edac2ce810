/* curfew.c: an instance's life. */
#define _GNU_SOURCE
#include "curfew_embed.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

static uint64_t env_now(void *ud)
{
	return cfw_now(ud);
}

/* The journal may be behind what is being done: whoever logs sees to it that it is told first. */
static void log_in_order(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	struct curfew *c = ud;
	if (level < c->host_log->level)
		return;
	if (c->core && !c->ended)
		cfw_journal_tell(c);
	c->host_log->emit(c->host_log->ud, level, msg, fields, n);
}

static int serve(void *ud, cfw_id server, int64_t ref, struct cfw_exchange *x)
{
	const struct cfw_gen *g = cfw_gen_of(ud, server);
	return cfw_policy_serve(g->policy, server, ref, x);
}

static void gone(void *ud, struct cfw_exchange *x)
{
	cfw_gens_gone(ud, x);
}

static int open_rooms(struct curfew *c, struct curfew_err *err)
{
	struct cfw_core_config core;
	cfw_core_config_default(&core);
	c->core = cfw_core_new(c->opt.alloc ? c->opt.alloc : &cfw_alloc_std, &core);
	c->host = c->core ? cfw_host_new(&c->env, c->opt.own_children ? CFW_REAP_ALL : CFW_REAP_PIDFD, err) : NULL;
	if (!c->host)
		return CURFEW_ENOMEM;
	if (c->opt.sandbox && cfw_host_confine(c->host, c->opt.sandbox, err))
		return CURFEW_EINVAL;
	cfw_policy_config_default(&c->policy_config);
	c->policy_config.sandbox = c->opt.sandbox;
	c->policy_config.args = c->opt.args;
	cfw_after_begin(c);
	c->gen = cfw_gen_new(c, &c->policy_config, err);
	if (!c->gen)
		return CURFEW_ENOMEM;
	c->policy = c->gen->policy;
	c->gen->region = c->after && c->opt.crash->old_region ? *c->opt.crash->old_region
			 : c->after                           ? cfw_page_region(c->page)
							      : (struct cfw_region){.generation = 1};
	if (!c->after)
		cfw_page_set_region(c->page, c->gen->region);
	int rc = curfew_kind_add(c, &cfw_process_kind, c->host);
	if (!rc)
		rc = curfew_kind_add(c, &cfw_policy_kind, c->policy);
	size_t n;
	const struct cfw_service *services = cfw_host_services(c->host, &n);
	for (size_t i = 0; !rc && i < n; i++)
		rc = curfew_service_add(c, &services[i]);
	return rc ? rc : cfw_configure(c, NULL, false, err);
}

struct curfew *cfw_new(const struct cfw_options *options, struct curfew_err *err)
{
	if (!options || options->size != sizeof *options || !options->loop || !options->on_exit) {
		cfw_err_set(err, CURFEW_EINVAL, "options: size, loop and on_exit must be set");
		return NULL;
	}
	struct curfew *c = calloc(1, sizeof *c);
	if (!c) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	c->opt = *options;
	if (options->log && options->log->emit) {
		c->host_log = options->log;
		c->log = (struct cfw_log){.level = CFW_DEBUG, .emit = log_in_order, .ud = c};
		c->opt.log = &c->log;
	}
	c->loop = *options->loop;
	c->wake_fd = -1;
	c->told_margin = c->told_deadline = CFW_NEVER;
	c->page = options->page;
	if (!c->page) {
		c->page = cfw_page_new();
		c->own_page = true;
	}
	cfw_timers_init(&c->timers);
	c->timers.on_earlier = cfw_wake_later;
	c->timers.ud = c;
	c->env = (struct cfw_env){.loop = &c->loop,
				  .timers = &c->timers,
				  .log = c->opt.log,
				  .page = c->page,
				  .ud = c,
				  .now_ns = env_now,
				  .report = cfw_report,
				  .serve = serve,
				  .gone = gone,
				  .socket = cfw_socket,
				  .answer = cfw_service_answer};
	c->overrides = cfw_value_copy(options->overrides);
	if (!c->page || (options->overrides && !c->overrides) || cfw_inbox_open(c)) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	} else if (cfw_wake_open(c, err) == 0 && open_rooms(c, err) == 0) {
		c->embed = options->embed;
		if (c->embed)
			c->embed->c = c;
		const struct cfw_event tick = {.type = CFW_EV_TICK};
		cfw_core_feed(c->core, cfw_now(c), &tick); /* it knows the time: how long a server is what it is */
		return c;
	} else if (err && !err->msg[0]) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	curfew_free(c);
	return NULL;
}

/* Who asked for something from C hears the end of it. */
static void answer_all(struct curfew *c)
{
	struct curfew_err err = {0};
	cfw_err_set(&err, CURFEW_ESTATE, "curfew has ended");
	for (size_t i = 0; i < c->nwaiters; i++)
		if (c->waiters[i].fn)
			c->waiters[i].fn(c->waiters[i].ud, NULL, &err);
	c->nwaiters = 0;
	cfw_trial_end(c, &err);
}

void curfew_free(struct curfew *c)
{
	if (!c)
		return;
	c->ended = true; /* nothing wakes a loop that may be gone */
	cfw_exit_given_back(c);
	cfw_own_nothing(c);
	answer_all(c);
	cfw_gen_free(c->next);
	c->next = NULL; /* a server's abort may ask */
	if (c->spent)
		cfw_stage_free(c, c->spent);
	c->spent = NULL;
	cfw_entries_free(c);
	while (c->gen) {
		struct cfw_gen *g = c->gen;
		c->gen = g->older;
		cfw_gen_free(g);
	}
	if (c->host)
		cfw_host_free(c->host);
	if (c->core)
		cfw_core_free(c->core);
	cfw_wake_close(c);
	cfw_timers_clear(&c->timers);
	cfw_texts_clear(c);
	while (c->ncustom)
		free(c->custom[--c->ncustom]);
	cfw_value_free(c->overrides);
	free(c->kinds);
	free(c->services);
	free(c->running);
	free(c->waiters);
	while (c->nloads--) {
		free(c->loads[c->nloads].name);
		free(c->loads[c->nloads].src);
	}
	free(c->loads);
	free(c->hook_marks);
	free(c->inbox);
	if (c->own_page)
		cfw_page_free(c->page);
	cfw_embed_free(c->embed);
	free(c);
}

void curfew_leave(struct curfew *c)
{
	c->ended = true;
	answer_all(c);
	bool left = true;
	for (struct cfw_gen *g = c->gen; g; g = g->older)
		left &= cfw_policy_leave(g->policy);
	if (!left) {
		cfw_gen_free(c->next);
		c->next = NULL;
		cfw_entries_free(c);
		for (struct cfw_gen *g = c->gen; g; g = c->gen) {
			c->gen = g->older;
			cfw_gen_free(g);
		}
		c->policy = NULL;
	}
	cfw_host_free(c->host); /* its threads write no more */
	c->host = NULL;
}

int curfew_start(struct curfew *c)
{
	if (c->ended)
		return CURFEW_ESTATE;
	c->autostart = true;
	cfw_wake(c);
	return 0;
}

void curfew_reap(struct curfew *c)
{
	cfw_host_reap(c->host);
}

bool curfew_ended(const struct curfew *c, int *code)
{
	if (c->ended && code)
		*code = c->code;
	return c->ended;
}

const struct cfw_core *curfew_core(const struct curfew *c)
{
	return c->core;
}

const struct cfw_env *curfew_env(const struct curfew *c)
{
	return &c->env;
}

struct cfw_page *curfew_page(const struct curfew *c)
{
	return c->page;
}

struct cfw_host *curfew_host(const struct curfew *c)
{
	return c->host;
}

uint64_t curfew_journal_from(const struct curfew *c)
{
	return c->after_seq;
}
