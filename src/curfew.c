/* curfew.c: an instance's life, and the one loop: inbox -> feed -> carry out actions -> arm one timer. */
#define _GNU_SOURCE
#include "curfew_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "base/text.h"

uint64_t cfw_now(const struct curfew *c)
{
	return c->loop.ops->now_ns(c->loop.loop);
}

static uint64_t env_now(void *ud)
{
	return cfw_now(ud);
}

static void step_from_loop(void *ud)
{
	curfew_step(ud);
}

void cfw_wake(struct curfew *c)
{
	if (!c->stepping && !c->ended)
		c->loop.ops->defer(c->loop.loop, step_from_loop, c);
}

static void timers_earlier(void *ud)
{
	cfw_wake(ud);
}

void curfew_wake(struct curfew *c)
{
	int saved = errno;
	uint64_t one = 1;
	ssize_t n = write(c->wake_fd, &one, sizeof one); /* EAGAIN: a wake is pending already */
	(void)n;
	errno = saved;
}

static void woken(void *ud, int fd, unsigned what)
{
	(void)what;
	uint64_t n;
	if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN)
		return;
	curfew_step(ud);
}

static void tell_journal(struct curfew *c)
{
	const struct cfw_journal_entry *e = cfw_core_journal(c->core, c->journal_seen + 1);
	if (!e)
		return;
	if (c->opt.on_journal && c->after != CFW_AFTER_LOADING)
		c->opt.on_journal(c->opt.ud);
	for (; e; e = cfw_core_journal(c->core, c->journal_seen + 1))
		c->journal_seen = e->seq;
}

/* The journal may be behind what is being done: whoever logs sees to it that it is told first. */
static void log_in_order(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *fields, size_t n)
{
	struct curfew *c = ud;
	if (level < c->host_log->level)
		return;
	if (c->core && !c->ended)
		tell_journal(c);
	c->host_log->emit(c->host_log->ud, level, msg, fields, n);
}

/* ---- life ---- */

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
	c->core = cfw_core_new(&cfw_alloc_std, &core);
	c->host = c->core ? cfw_host_new(&c->env, c->opt.own_children ? CFW_REAP_ALL : CFW_REAP_PIDFD, err) : NULL;
	if (!c->host)
		return CURFEW_ENOMEM;
	if (c->opt.sandbox && cfw_host_confine(c->host, c->opt.sandbox, err))
		return CURFEW_EINVAL;
	cfw_policy_config_default(&c->policy_config);
	c->policy_config.sandbox = c->opt.sandbox;
	cfw_after_begin(c);
	c->gen = cfw_gen_new(c, &c->policy_config, err);
	if (!c->gen)
		return CURFEW_ENOMEM;
	c->policy = c->gen->policy;
	c->gen->region = c->after ? cfw_page_region(c->page) : (struct cfw_region){.generation = 1};
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

static int open_wake(struct curfew *c, struct curfew_err *err)
{
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0)
		return cfw_err_sys(err, "eventfd");
	int rc = c->loop.ops->watch(c->loop.loop, &c->wake_watch, c->wake_fd, CURFEW_READ, woken, c);
	return rc ? cfw_err_set(err, rc, "the loop refused to watch a descriptor") : 0;
}

struct curfew *curfew_new(const struct curfew_options *options, struct curfew_err *err)
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
	c->timers.on_earlier = timers_earlier;
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
	if (!c->page || (options->overrides && !c->overrides)) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	} else if (open_wake(c, err) == 0 && open_rooms(c, err) == 0) {
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
}

void curfew_free(struct curfew *c)
{
	if (!c)
		return;
	c->ended = true; /* nothing wakes a loop that may be gone */
	answer_all(c);
	cfw_gen_free(c->next);
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
	if (c->wake_watch)
		c->loop.ops->watch(c->loop.loop, &c->wake_watch, c->wake_fd, 0, NULL, NULL);
	if (c->wake_fd >= 0)
		close(c->wake_fd);
	c->loop.ops->timer(c->loop.loop, CFW_NEVER, step_from_loop, c);
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
	c->autostart = true;
	cfw_wake(c);
	return 0;
}

/* The scripts have ended: start what they did not start themselves. */
static void start_when_loaded(struct curfew *c)
{
	if (!c->autostart || c->loading || c->failed || c->after)
		return;
	if (atomic_load(&c->page->pending_since_ns) != CFW_NEVER)
		return; /* a signal is to be decided on first */
	c->autostart = false;
	if (c->start_asked)
		return;
	c->start_asked = true;
	atomic_store(&c->page->loaded, 1);
	struct cfw_event e = {.type = CFW_EV_START, .request = ++c->requests};
	c->start_request = e.request;
	cfw_inbox_put(c, &e);
}

/* ---- the loop ---- */

/* S2.8: nothing is left that could ever happen. */
static void look_idle(struct curfew *c)
{
	struct cfw_stop_view stop;
	cfw_core_stop_view(c->core, &stop);
	bool quiet = !c->after && c->inbox_at == c->inbox_n && !c->loading && c->start_asked && !c->idle_off && !stop.running &&
		     cfw_core_quiet(c->core) && !cfw_gens_busy(c);
	if (!quiet) {
		if (cfw_gens_busy(c) || !cfw_core_quiet(c->core))
			c->idle_raised = false;
		return;
	}
	if (!c->idle_raised) {
		c->idle_raised = true;
		cfw_put_trigger(c, (struct cfw_trigger){.kind = CFW_T_IDLE});
	}
}

static void tell_deadline(struct curfew *c)
{
	struct cfw_stop_view stop;
	cfw_core_stop_view(c->core, &stop);
	uint64_t margin = c->deactivated ? CFW_NEVER : stop.margin_ns;
	uint64_t deadline = c->deactivated ? CFW_NEVER : stop.deadline_ns;
	atomic_store(&c->page->margin_ns, margin);
	atomic_store(&c->page->deadline_ns, deadline);
	atomic_store(&c->page->code, stop.code);
	atomic_store(&c->page->stopping, stop.running);
	bool decided = c->decided && !c->undecided;
	if (!decided && margin == c->told_margin && deadline == c->told_deadline)
		return;
	c->decided &= !decided;
	c->told_margin = margin;
	c->told_deadline = deadline;
	if (c->opt.on_deadline)
		c->opt.on_deadline(c->opt.ud, margin, deadline, !c->undecided);
}

/* Feed one event; who asked for what cannot be had now is told at once. */
static void feed(struct curfew *c, const struct cfw_event *e)
{
	int rc = cfw_core_feed(c->core, cfw_now(c), e);
	bool refused = rc && e->type == CFW_EV_TRIGGER && e->trigger.kind == CFW_T_SIGNAL;
	if ((refused || (e->type == CFW_EV_DECISION && e->signo)) && c->undecided) {
		c->undecided--;
		c->decided = true;
	}
	if (rc == 0)
		return;
	struct curfew_err err = {0};
	cfw_err_set(&err, rc, rc == CURFEW_ESTATE ? "not now: curfew is %s" : "refused while curfew is %s",
		    cfw_life_name(cfw_core_life(c->core)));
	uint32_t request = e->request ? e->request : e->trigger.request;
	if (request)
		cfw_waiter_answer(c, request, &err);
}

/* Before anything is done about it: whoever has seen a hook of a server that has started can rely on what is owed to it. */
static void note_page(struct curfew *c)
{
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(c->core, c->noted + 1))) {
		c->noted = e->seq;
		if (e->what == CFW_J_SERVER)
			cfw_page_note_server(c, e->server);
		else if (e->what == CFW_J_LIFE)
			cfw_page_note_life(c, e->a);
		else
			cfw_raise_note(c, e);
	}
}

/* Done at once, whatever a script may do: so that a child hears its signal before anything is written about it. */
static bool is_quick(const struct curfew *c, const struct cfw_action *a)
{
	const struct cfw_entry *s = a->type == CFW_ACT_STOP ? cfw_entry_get(c, a->server) : NULL;
	return a->type == CFW_ACT_LAME || a->type == CFW_ACT_CALL || (s && s->kind == &cfw_process_kind);
}

/* Everything that has happened goes in, everything that follows from it is done. True when something moved. */
bool cfw_drain(struct curfew *c)
{
	bool moved = false;
	struct cfw_action a;
	if (c->inbox_at == c->inbox_n && cfw_core_deadline(c->core) <= cfw_now(c)) { /* what came in time counts first */
		struct cfw_event tick = {.type = CFW_EV_TICK};
		feed(c, &tick);
	}
	do {
		while (c->inbox_at < c->inbox_n && !c->ended) {
			struct cfw_event e = c->inbox[c->inbox_at++];
			feed(c, &e);
			moved = true;
		}
		note_page(c);
		while (!c->ended && cfw_core_next(c->core, &a)) {
			tell_deadline(
				c); /* before anything of the stop runs: the watchdog and Lua's margin hold from here on */
			if (!is_quick(c, &a))
				tell_journal(c);
			cfw_carry_out(c, &a);
			moved = true;
		}
	} while (c->inbox_at < c->inbox_n && !c->ended);
	tell_journal(c);
	tell_deadline(c);
	return moved;
}

static void arm(struct curfew *c)
{
	uint64_t at = curfew_deadline(c);
	if (at <= cfw_now(c))
		c->loop.ops->defer(c->loop.loop, step_from_loop, c);
	else if (c->loop.ops->timer(c->loop.loop, at, step_from_loop, c))
		c->loop.ops->defer(c->loop.loop, step_from_loop, c);
}

uint64_t curfew_deadline(const struct curfew *c)
{
	if (c->ended)
		return CFW_NEVER;
	uint64_t at = cfw_time_min(cfw_core_deadline(c->core), cfw_gens_deadline(c));
	at = cfw_time_min(at, cfw_reload_deadline(c));
	if (c->after == CFW_AFTER_LOADING)
		at = cfw_time_min(at, c->after_until_ns);
	return cfw_time_min(at, cfw_timers_deadline(&c->timers));
}

int curfew_step(struct curfew *c)
{
	enum { ROUNDS = 8 }; /* then the host's other events have their turn */
	if (c->stepping || c->ended)
		return 0;
	c->stepping = true;
	uint64_t now = cfw_now(c);
	int asked = atomic_exchange(&c->thread_exit, 0);
	if (asked)
		curfew_exit(c, asked - 1);
	atomic_store(&c->page->turned_ns, now);
	cfw_timers_run(&c->timers, now);
	for (int i = 0; i < ROUNDS && !c->ended; i++) {
		cfw_drain(c); /* signals and deadlines before scripts: a busy script holds up none of them */
		if (c->ended)
			break;
		if (cfw_policy_deadline(c->policy) <= now)
			cfw_policy_step(c->policy, cfw_now(c));
		start_when_loaded(c);
		cfw_after_step(c);
		if (!cfw_drain(c) && cfw_policy_deadline(c->policy) > now)
			break;
	}
	if (!c->ended) {
		cfw_gens_step(c);
		cfw_reload_step(c);
		cfw_retired_sweep(c);
		cfw_drain(c);
	}
	if (c->failed && !c->ended)
		cfw_finish(c, 2, false);
	if (!c->ended)
		look_idle(c);
	c->stepping = false;
	if (!c->ended) {
		if (c->inbox_at < c->inbox_n)
			cfw_wake(c);
		arm(c);
	}
	return 0;
}

int curfew_exit_inside(struct curfew *c, int code)
{
	static const struct timespec moment = {0, 1000000};
	c->exit_inside = true;
	c->stepping = false;
	int low = code & 255;
	for (struct cfw_gen *g = c->gen; g; g = g->older)
		cfw_policy_abandon_current(g->policy, code != 0 && low == 0 ? 1 : low);
	curfew_exit(c, code);
	while (!c->ended) {
		curfew_step(c);
		cfw_host_reap(c->host);
		if (!c->ended && curfew_deadline(c) > cfw_now(c))
			nanosleep(&moment, NULL);
	}
	return c->code;
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
