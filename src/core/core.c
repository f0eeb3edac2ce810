/* The machine's edge: made, fed, asked when it is due. */
#include "core/core.h"

#include "base/err.h"
#include "core/machine.h"

enum { SPARE_QUESTIONS = 8 };

void cfw_core_config_default(struct cfw_core_config *c)
{
	*c = (struct cfw_core_config){.exit_timeout_ns = 5 * CFW_SEC,
				      .max_exit_timeout_ns = 60 * CFW_SEC,
				      .stop_margin_ns = 500 * CFW_MS,
				      .start_timeout_ns = 30 * CFW_SEC,
				      .ask_timeout_ns = 1 * CFW_SEC,
				      .cut_wait_ns = 100 * CFW_MS};
}

/* Memory for the first few questions, so that policy is asked also when there is none left. */
static int warm(struct cfw_core *c)
{
	void *item;
	cfw_id id = cfw_slots_new(&c->questions, &item);
	if (!id || cfw_due_reserve(c, SPARE_QUESTIONS))
		return CURFEW_ENOMEM;
	cfw_slots_del(&c->questions, id);
	return 0;
}

struct cfw_core *cfw_core_new(const struct cfw_alloc *alloc, const struct cfw_core_config *config)
{
	struct cfw_core *c = cfw_calloc(alloc, sizeof *c);
	if (!c)
		return NULL;
	c->alloc = *alloc;
	c->config = *config;
	cfw_slots_init(&c->servers, &c->alloc, sizeof(struct cfw_server));
	cfw_slots_init(&c->hooks, &c->alloc, sizeof(struct cfw_hook));
	cfw_slots_init(&c->questions, &c->alloc, sizeof(struct cfw_question));
	cfw_slots_init(&c->waiters, &c->alloc, sizeof(struct cfw_waiter));
	if (cfw_journal_init(c) || warm(c)) {
		cfw_core_free(c);
		return NULL;
	}
	return c;
}

void cfw_core_free(struct cfw_core *core)
{
	if (!core)
		return;
	struct cfw_alloc alloc = core->alloc;
	for (cfw_id id = 0; (id = cfw_slots_next(&core->servers, id)) != 0;) {
		cfw_strfree(&alloc, cfw_server_get(core, id)->name);
		cfw_strfree(&alloc, cfw_server_get(core, id)->kind);
	}
	for (cfw_id id = 0; (id = cfw_slots_next(&core->hooks, id)) != 0;) {
		cfw_strfree(&alloc, cfw_hook_get(core, id)->name);
		cfw_strfree(&alloc, cfw_hook_get(core, id)->where);
	}
	cfw_slots_clear(&core->servers);
	cfw_slots_clear(&core->hooks);
	cfw_slots_clear(&core->questions);
	cfw_slots_clear(&core->waiters);
	cfw_free(&alloc, core->edges, core->edges_cap * sizeof *core->edges);
	cfw_free(&alloc, core->names, core->names_cap * sizeof *core->names);
	cfw_free(&alloc, core->heap, core->heap_cap * sizeof *core->heap);
	cfw_free(&alloc, core->journal.e, core->journal.cap * sizeof *core->journal.e);
	cfw_free(&alloc, core, sizeof *core);
}

void cfw_core_configure(struct cfw_core *core, const struct cfw_core_config *config)
{
	core->config = *config;
}

const struct cfw_core_config *cfw_core_config_get(const struct cfw_core *core)
{
	return &core->config;
}

void cfw_core_late(struct cfw_core *c, enum cfw_event_type type)
{
	c->late++;
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_LATE, .a = type});
}

/* A server's report: of which, and of this attempt? */
static void report(struct cfw_core *c, const struct cfw_event *ev, enum cfw_server_event event)
{
	struct cfw_server *s = cfw_server_get(c, ev->server);
	bool any_attempt = ev->type == CFW_EV_SERVER_CLOSED && ev->attempt == 0;
	if (!s || (!any_attempt && ev->attempt != s->attempt) || s->pending & CFW_P_START)
		cfw_core_late(c, ev->type);
	else
		cfw_server_event(c, s, event, ev);
}

static int dispatch(struct cfw_core *c, const struct cfw_event *ev)
{
	switch (ev->type) {
	case CFW_EV_START:
		return cfw_start_all(c, ev);
	case CFW_EV_TRIGGER:
		return cfw_trigger_raise(c, &ev->trigger);
	case CFW_EV_DECISION:
		cfw_ask_answer(c, ev);
		return 0;
	case CFW_EV_HOOK_DONE:
		cfw_hook_done(c, ev);
		return 0;
	case CFW_EV_SERVER_STARTED:
		report(c, ev, CFW_SE_READY);
		return 0;
	case CFW_EV_SERVER_START_FAILED:
		report(c, ev, CFW_SE_FAIL);
		return 0;
	case CFW_EV_SERVER_STOPPED:
		report(c, ev, CFW_SE_GONE);
		return 0;
	case CFW_EV_SERVER_CLOSED:
		report(c, ev, CFW_SE_CLOSED);
		return 0;
	case CFW_EV_SERVER_START:
		return cfw_start_one(c, ev);
	case CFW_EV_SERVER_STOP:
		return cfw_stop_one(c, ev);
	case CFW_EV_SERVER_RESTART:
		return cfw_restart_one(c, ev);
	case CFW_EV_EXTEND:
		return cfw_stop_extend(c, ev);
	case CFW_EV_CUT:
		cfw_stop_cut_elsewhere(c);
		return 0;
	case CFW_EV_CANCEL_START:
		cfw_waiter_cancel(c, ev->request);
		return 0;
	case CFW_EV_SWAP:
		cfw_retire_swap(c);
		return 0;
	case CFW_EV_TICK:
	case CFW_EVENTS:
		return 0;
	}
	return CURFEW_EINVAL;
}

/* What the last step made possible for others. */
static void settle(struct cfw_core *c)
{
	do {
		while (c->ready_head) {
			struct cfw_server *s = cfw_server_get(c, c->ready_head);
			c->ready_head = s->ready_next;
			if (!c->ready_head)
				c->ready_tail = 0;
			s->ready = false;
			if (s->state == CFW_S_WAITING && !s->blockers)
				cfw_server_event(c, s, CFW_SE_GO, NULL);
			else if (s->state == CFW_S_HELD && !s->blockers)
				cfw_server_event(c, s, CFW_SE_RELEASE, NULL);
			else if (s->retired && !s->leaving)
				cfw_retire_check(c, s);
		}
		cfw_start_check(c);
		cfw_stop_advance(c);
	} while (c->ready_head);
}

static void pass_limit(struct cfw_core *c, const struct cfw_due *d)
{
	if (d->what == CFW_DUE_SERVER)
		cfw_server_event(c, cfw_server_get(c, d->id), CFW_SE_TIME, &(struct cfw_event){.type = CFW_EV_TICK});
	else if (d->what == CFW_DUE_HOOK)
		cfw_hook_due(c, d->id);
	else
		cfw_ask_due(c, d->id);
}

/* The event first, then the limits that have passed: what came in time counts, also when it is told late. */
int cfw_core_feed(struct cfw_core *core, uint64_t now_ns, const struct cfw_event *event)
{
	if (now_ns > core->now_ns)
		core->now_ns = now_ns;
	if (core->ended) {
		if (event->type == CFW_EV_TICK)
			return 0;
		if (event->type == CFW_EV_DECISION ||
		    (event->type >= CFW_EV_HOOK_DONE && event->type <= CFW_EV_SERVER_CLOSED)) {
			cfw_core_late(core, event->type);
			return 0;
		}
		return event->type == CFW_EV_EXTEND ? CURFEW_EREFUSED : CURFEW_ESTATE;
	}
	int rc = dispatch(core, event);
	settle(core);
	while (!core->ended && cfw_core_deadline(core) <= core->now_ns) {
		struct cfw_due d;
		if (cfw_due_pop(core, &d))
			pass_limit(core, &d);
		else
			cfw_stop_due(core);
		settle(core);
	}
	return rc;
}

uint64_t cfw_core_deadline(const struct cfw_core *core)
{
	if (core->ended)
		return CFW_NEVER;
	return cfw_time_min(core->heap_len ? core->heap[0].at_ns : CFW_NEVER, cfw_stop_deadline(core));
}

bool cfw_core_quiet(const struct cfw_core *core)
{
	return !core->lively && !core->questions.used && !core->hooks_running;
}

uint64_t cfw_core_late_answers(const struct cfw_core *core)
{
	return core->late;
}
