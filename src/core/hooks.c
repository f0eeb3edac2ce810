/* Runs of hooks: begun once a life (S4.12), one after another or all at once, ended by an answer, a limit or a cut. */
#include "base/err.h"
#include "core/machine.h"

enum { RUN_SLOT_BITS = 20, RUN_MASK = (1 << RUN_SLOT_BITS) - 1, RUN_SERIALS = 0xfff };

/* A run's number is the hook's slot and a count of its runs: an answer finds its hook, and a late one is recognised. */
static uint32_t next_run(struct cfw_hook *h)
{
	h->serial = (h->serial + 1) & RUN_SERIALS;
	return (h->id & RUN_MASK) | h->serial << RUN_SLOT_BITS;
}

static struct cfw_hook *hook_of_run(const struct cfw_core *c, uint32_t run)
{
	uint32_t slot = run & RUN_MASK;
	cfw_id id = slot ? cfw_slots_next(&c->hooks, slot - 1) : 0;
	if (!id || (id & RUN_MASK) != slot)
		return NULL;
	struct cfw_hook *h = cfw_hook_get(c, id);
	return h->run == run && h->running ? h : NULL;
}

cfw_id cfw_core_run_hook(const struct cfw_core *core, uint32_t run)
{
	const struct cfw_hook *h = hook_of_run(core, run);
	return h ? h->id : 0;
}

uint64_t cfw_core_run_until(const struct cfw_core *core, uint32_t run)
{
	const struct cfw_hook *h = hook_of_run(core, run);
	return h ? cfw_time_min(h->until_ns, cfw_hook_bound(core, h)) : 0;
}

/* When something else than its own limit ends it. */
uint64_t cfw_hook_bound(const struct cfw_core *c, const struct cfw_hook *h)
{
	if (h->phase == CFW_PRE_START || h->phase == CFW_POST_START)
		return cfw_server_get(c, h->server)->deadline_ns;
	if (!c->stop.running)
		return CFW_NEVER;
	return h->phase == CFW_PRE_STOP ? c->stop.deadline_ns : c->stop.margin_ns;
}

static void begin(struct cfw_core *c, struct cfw_hook *h)
{
	struct cfw_server *s = h->server ? cfw_server_get(c, h->server) : NULL;
	uint64_t limit = h->timeout_ns;
	if (h->phase >= CFW_PRE_STOP && !c->stop.running)
		limit = cfw_time_min(limit, c->config.exit_timeout_ns); /* a lone stop has no other end */
	h->run = next_run(h);
	h->begun = h->running = true;
	h->mode = (uint8_t)(c->stop.running ? c->stop.mode : CFW_GRACEFUL);
	h->since_ns = c->now_ns;
	h->until_ns = cfw_time_add(c->now_ns, limit);
	c->hooks_running++;
	if (s)
		s->running++;
	else
		c->global_running++;
	c->globals_begun |= !s;
	cfw_due_set(c, CFW_DUE_HOOK, h->id, h->until_ns);
	h->call_run = h->run;
	cfw_queue_hook(c, h);
	cfw_journal_put(
		c, &(struct cfw_journal_entry){.what = CFW_J_HOOK_BEGIN, .hook = h->id, .server = h->server, .run = h->run});
}

static struct cfw_hook *next_hook(struct cfw_core *c, struct cfw_server *s, enum cfw_phase phase)
{
	cfw_id *cursor = s ? &s->cursor : &c->global_cursor;
	const cfw_id *heads = s ? s->hooks : c->global_hooks;
	struct cfw_hook *h = *cursor ? cfw_hook_get(c, *cursor) : NULL;
	cfw_id id = h && h->phase == phase ? h->next : heads[phase];
	while (id && (h = cfw_hook_get(c, id))->begun) {
		*cursor = id;
		id = h->next;
	}
	return id ? h : NULL;
}

bool cfw_hooks_left(struct cfw_core *c, struct cfw_server *s, enum cfw_phase phase)
{
	return next_hook(c, s, phase) != NULL;
}

bool cfw_hooks_next(struct cfw_core *c, struct cfw_server *s, enum cfw_phase phase)
{
	struct cfw_hook *h = next_hook(c, s, phase);
	if (h)
		begin(c, h);
	return h != NULL;
}

void cfw_hooks_all_pre_stop(struct cfw_core *c, struct cfw_server *s)
{
	while (cfw_hooks_next(c, s, CFW_PRE_STOP))
		;
}

enum { BY_ANSWER, BY_LIMIT, BY_SKIP }; /* as the journal has it */

/* The run is over, for whatever reason. Moves nothing else. */
static void end(struct cfw_core *c, struct cfw_hook *h, enum cfw_outcome outcome, unsigned why)
{
	struct cfw_server *s = h->server ? cfw_server_get(c, h->server) : NULL;
	h->running = false;
	h->until_ns = c->now_ns;
	cfw_due_set(c, CFW_DUE_HOOK, h->id, CFW_NEVER);
	c->hooks_running--;
	if (s)
		s->running--;
	else
		c->global_running--;
	if (h->phase == CFW_PRE_STOP) {
		c->pre_owed--;
		if (s)
			s->pre_ended++;
	}
	cfw_journal_put(
		c, &(struct cfw_journal_entry){
			   .what = CFW_J_HOOK_END, .hook = h->id, .server = h->server, .run = h->run, .a = outcome, .b = why});
	if (h->phase < CFW_PRE_STOP || !c->stop.running)
		return;
	if (outcome == CFW_FAILED)
		cfw_stop_flaw(c);
	if (outcome == CFW_CUT) {
		c->stop.cut = true;
		cfw_code_raise(c, 255);
	}
}

/* Its end is not waited for. One that was not handed out yet never is, but for a pre_stop hook, which is owed. */
static void cut(struct cfw_core *c, struct cfw_hook *h, enum cfw_outcome outcome, unsigned why)
{
	if (h->call_run == h->run && h->phase != CFW_PRE_STOP) {
		h->call_run = 0;
	} else {
		h->cut_run = h->run;
		cfw_queue_hook(c, h);
	}
	end(c, h, outcome, why);
}

void cfw_hooks_cut(struct cfw_core *c, struct cfw_server *s, enum cfw_outcome outcome)
{
	const cfw_id *heads = s ? s->hooks : c->global_hooks;
	if (s && !s->running)
		return;
	for (int phase = 0; phase < CFW_PHASES; phase++)
		for (cfw_id id = phase == CFW_PRE_STOP ? 0 : heads[phase]; id;) {
			struct cfw_hook *h = cfw_hook_get(c, id);
			if (h->running)
				cut(c, h, outcome, BY_ANSWER);
			id = h->next;
		}
}

void cfw_hooks_reset(struct cfw_core *c, struct cfw_server *s)
{
	const cfw_id *heads = s ? s->hooks : c->global_hooks;
	for (int phase = 0; phase < CFW_PHASES; phase++)
		for (cfw_id id = heads[phase]; id;) {
			struct cfw_hook *h = cfw_hook_get(c, id);
			if (!s && phase == CFW_PRE_STOP && h->begun && !h->running)
				c->pre_owed++;
			h->begun = false;
			h->run = 0;
			id = h->next;
		}
	if (!s) {
		c->global_cursor = 0;
		c->globals_begun = false;
		return;
	}
	if (s->owed)
		c->pre_owed += s->pre_ended;
	s->pre_ended = 0;
	s->cursor = 0;
}

static const unsigned char state_of_phase[CFW_PHASES] = {
	[CFW_PRE_START] = CFW_S_PRE_START,
	[CFW_POST_START] = CFW_S_POST_START,
	[CFW_PRE_STOP] = CFW_S_PRE_STOP,
	[CFW_POST_STOP] = CFW_S_POST_STOP,
};

/* The hook's server goes on: the next hook, or the next step. Global hooks are the stop's own affair. */
static void go_on(struct cfw_core *c, struct cfw_server *s, enum cfw_phase phase, bool failed, const struct cfw_event *ev)
{
	bool starts = phase == CFW_PRE_START || phase == CFW_POST_START;
	if (s->state != state_of_phase[phase] || s->running || (phase == CFW_PRE_STOP && c->stop.cancelling))
		return;
	if (starts && failed) {
		cfw_server_event(c, s, CFW_SE_BAD, ev);
		return;
	}
	bool no_more = (starts && s->stop_wanted && (!c->stop.running || c->stop.give_up)) ||
		       (phase == CFW_POST_STOP && cfw_stop_is_short(c));
	if (no_more || !cfw_hooks_next(c, s, phase))
		cfw_server_event(c, s, CFW_SE_HOOKS, ev);
}

void cfw_hook_done(struct cfw_core *c, const struct cfw_event *ev)
{
	struct cfw_hook *h = hook_of_run(c, ev->run);
	if (!h || h->call_run == h->run) {
		cfw_core_late(c, ev->type);
		return;
	}
	cfw_id server = h->server;
	enum cfw_phase phase = (enum cfw_phase)h->phase;
	end(c, h, ev->outcome, BY_ANSWER);
	if (ev->outcome == CFW_EXIT_CALL) { /* S4.9: it is complete */
		int code = cfw_code_clamp(ev->code);
		if (phase < CFW_PRE_STOP || !c->stop.running)
			cfw_trigger_raise(c, &(struct cfw_trigger){.kind = CFW_T_EXIT, .code = code, .text = ev->text});
		else if (code != 0)
			cfw_stop_abort(c, code);
	}
	if (server)
		go_on(c, cfw_server_get(c, server), phase, ev->outcome == CFW_FAILED || ev->outcome == CFW_CUT, ev);
}

void cfw_hook_due(struct cfw_core *c, cfw_id id)
{
	struct cfw_hook *h = cfw_hook_get(c, id);
	cfw_id server = h->server;
	enum cfw_phase phase = (enum cfw_phase)h->phase;
	cut(c, h, CFW_FAILED, BY_LIMIT);
	if (server)
		go_on(c, cfw_server_get(c, server), phase, true, NULL);
}

void cfw_hooks_resume(struct cfw_core *c, struct cfw_server *s)
{
	go_on(c, s, CFW_PRE_STOP, false, NULL);
}

size_t cfw_hooks_skip(struct cfw_core *c, struct cfw_server *s)
{
	const cfw_id *heads = s ? s->hooks : c->global_hooks;
	size_t n = 0;
	int last = -1;
	for (int phase = 0; phase < CFW_PHASES; phase++)
		for (cfw_id id = heads[phase], next; id; id = next) {
			struct cfw_hook *h = cfw_hook_get(c, id);
			next = h->next;
			if (!h->running)
				continue;
			cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_SKIP, .server = h->server, .hook = id});
			cut(c, h, CFW_FAILED, BY_SKIP);
			last = phase;
			n++;
		}
	if (s && last >= 0)
		go_on(c, s, (enum cfw_phase)last, true, NULL);
	return n;
}

int cfw_stop_extend(struct cfw_core *c, const struct cfw_event *ev)
{
	const struct cfw_hook *h = hook_of_run(c, ev->run);
	return h && cfw_stop_prolong(c, h, ev->ns) == CFW_R_NONE ? 0 : CURFEW_EREFUSED;
}
