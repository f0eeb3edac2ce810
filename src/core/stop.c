/* The stop of everything: its stages, its deadlines, its turn into an abort, its end. */
#include "base/err.h"
#include "core/machine.h"

void cfw_code_raise(struct cfw_core *c, int code)
{
	if (code > c->code)
		c->code = code; /* S4.3 */
}

void cfw_stop_flaw(struct cfw_core *c)
{
	if (!c->stop.running)
		return;
	c->stop.errored = true;
	cfw_code_raise(c, 1);
}

static void to_all(struct cfw_core *c, enum cfw_server_event event)
{
	for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;)
		cfw_server_event(c, cfw_server_get(c, id), event, NULL);
}

/* S4.2, S4.5: pre_stop hooks not yet begun begin now, all at once; nothing but hooks is waited for. */
static void turn_into_abort(struct cfw_core *c)
{
	c->stop.stage = CFW_G_HOOKS;
	cfw_hooks_all_pre_stop(c, NULL);
	to_all(c, CFW_SE_ABORT);
}

static void begin(struct cfw_core *c, const struct cfw_trigger *t, enum cfw_mode mode, int code_before)
{
	struct cfw_stop_run *st = &c->stop;
	const struct cfw_core_config *conf = &c->config;
	*st = (struct cfw_stop_run){.running = true,
				    .code_before = code_before,
				    .mode = mode,
				    .stage = CFW_G_START,
				    .first = *t,
				    .began_ns = t->at_ns, /* S4.6: from the trigger on, not from its answer */
				    .no_exit = t->no_exit && mode == CFW_GRACEFUL,
				    .start_broken = c->life != CFW_L_STARTED,
				    .give_up = t->kind == CFW_T_START_FAILED,
				    .cut_until_ns = CFW_NEVER};
	st->margin_len_ns = cfw_time_min(conf->stop_margin_ns, conf->exit_timeout_ns / 4);
	st->deadline_ns = cfw_time_add(st->began_ns, conf->exit_timeout_ns);
	st->margin_ns = st->deadline_ns == CFW_NEVER ? CFW_NEVER : st->deadline_ns - st->margin_len_ns;
	st->limit_ns = cfw_time_max(st->deadline_ns, cfw_time_add(st->began_ns, conf->max_exit_timeout_ns));
	if (c->cut_elsewhere)
		cfw_stop_cut_elsewhere(c);
	cfw_journal_stop_begins(c);
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_STOP, .a = mode, .ns = st->deadline_ns, .code = c->code});
	c->lame_seq = ++c->wait_seq;
	cfw_life_event(c, CFW_LE_STOP);
	cfw_start_interrupt(c);
	if (mode == CFW_ABORT)
		turn_into_abort(c);
	else
		to_all(c, CFW_SE_STOP); /* S4.13: backoffs end here; S3.3: what still waits to start is not begun any more */
}

void cfw_stop_abort(struct cfw_core *c, int code)
{
	struct cfw_stop_run *st = &c->stop;
	cfw_code_raise(c, code);
	if (st->cancelling)
		cfw_stop_goes_on(c);
	st->no_exit = false;
	if (st->mode == CFW_ABORT)
		return;
	st->mode = CFW_ABORT;
	cfw_journal_put(c, &(struct cfw_journal_entry){
				   .what = CFW_J_STOP, .a = CFW_ABORT, .b = 1, .ns = st->deadline_ns, .code = c->code});
	if (!st->margin_passed)
		turn_into_abort(c);
}

void cfw_stop_decided(struct cfw_core *c, const struct cfw_trigger *t, enum cfw_mode mode, int code, cfw_id waiter)
{
	cfw_waiter_link(c, &c->stop_waiters, waiter);
	int before = c->code;
	cfw_code_raise(c, code);
	if (c->stop.cancelling)
		cfw_stop_goes_on(c);
	if (!c->stop.running)
		begin(c, t, mode, before);
	else if (mode == CFW_ABORT)
		cfw_stop_abort(c, code);
	else
		c->stop.no_exit = c->stop.no_exit && t->no_exit; /* S4.4: else nothing changes */
	if (t->number > c->stop.newest)
		c->stop.newest = t->number;
}

enum cfw_refusal cfw_stop_prolong(struct cfw_core *c, const struct cfw_hook *hook, uint64_t ns)
{
	struct cfw_stop_run *st = &c->stop;
	if (!st->running)
		return CFW_R_NO_STOP;
	if (st->mode == CFW_ABORT)
		return CFW_R_ABORT;
	if (st->margin_passed || c->now_ns >= st->margin_ns)
		return CFW_R_MARGIN;
	uint64_t want = cfw_time_add(c->now_ns, ns), end_ns = cfw_time_min(want, st->limit_ns);
	if (want <= st->deadline_ns)
		return CFW_R_NONE;
	if (end_ns <= st->deadline_ns)
		return CFW_R_LIMIT;
	st->deadline_ns = end_ns;
	st->margin_ns = end_ns - st->margin_len_ns;
	cfw_journal_put(
		c, &(struct cfw_journal_entry){
			   .what = CFW_J_EXTEND, .hook = hook ? hook->id : 0, .server = hook ? hook->server : 0, .ns = end_ns});
	return CFW_R_NONE;
}

static void exit_now(struct cfw_core *c, bool kill)
{
	c->ended = c->exit_queued = true;
	c->exit_kill = kill;
	c->stop.cancelling = false;
	cfw_waiters_refuse(c, &c->cancel_waiters, CFW_R_STOPPED_ON, 0);
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_EXIT, .code = c->code});
}

static void finish(struct cfw_core *c)
{
	struct cfw_stop_run *st = &c->stop;
	cfw_life_event(c, st->cut ? CFW_LE_END_CUT : st->errored ? CFW_LE_END_FLAWED : CFW_LE_END);
	st->stage = CFW_G_NONE;
	if (st->cut || !st->no_exit) {
		exit_now(c, false);
		return;
	}
	cfw_journal_stop_ends(c); /* S3.4 */
	st->running = false;
	cfw_waiters_reply(c, &c->stop_waiters, st->errored ? CFW_FAILED : CFW_OK, 0, 0);
}

void cfw_stop_cut_elsewhere(struct cfw_core *c)
{
	c->cut_elsewhere = !c->stop.running;
	if (!c->stop.running)
		return;
	c->stop.cut = true;
	cfw_code_raise(c, 255);
}

/* Nobody waits any more, but no tree is left behind. */
static void cut_what_lives(struct cfw_core *c)
{
	for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;) {
		struct cfw_server *s = cfw_server_get(c, id);
		if (s->alive && s->state != CFW_S_CUTTING)
			cfw_server_cut(c, s);
	}
}

/* S4.14: no further hooks, every tree killed, the end. */
void cfw_stop_kill(struct cfw_core *c, const struct cfw_trigger *t, int code)
{
	cfw_code_raise(c, code);
	if (!c->stop.running) {
		c->stop = (struct cfw_stop_run){.running = true,
						.mode = CFW_ABORT,
						.first = *t,
						.began_ns = t->at_ns,
						.margin_ns = CFW_NEVER, /* over before any deadline */
						.deadline_ns = CFW_NEVER};
		cfw_journal_stop_begins(c);
		cfw_journal_put(
			c, &(struct cfw_journal_entry){.what = CFW_J_STOP, .a = CFW_ABORT, .ns = c->now_ns, .code = c->code});
	}
	cfw_queue_drop_hooks(c);
	cut_what_lives(c);
	cfw_life_event(c, CFW_LE_KILL);
	c->stop.stage = CFW_G_NONE;
	exit_now(c, true);
}

static void cut_servers(struct cfw_core *c)
{
	c->stop.stage = CFW_G_CUT;
	c->stop.cut_until_ns = cfw_time_min(cfw_time_add(c->now_ns, c->config.cut_wait_ns), c->stop.deadline_ns);
	to_all(c, CFW_SE_CUT);
}

static void release_servers(struct cfw_core *c)
{
	c->stop.stage = CFW_G_SERVERS;
	for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;) {
		struct cfw_server *s = cfw_server_get(c, id);
		if (s->state == CFW_S_HELD && !s->blockers)
			cfw_server_ready(c, s);
	}
}

/* One after another; true when the last has ended. */
static bool global_hooks_done(struct cfw_core *c, enum cfw_phase phase)
{
	return !c->global_running && !cfw_hooks_next(c, NULL, phase);
}

static void tell_life(struct cfw_core *c)
{
	if (c->starting)
		return;
	if (c->life == CFW_L_START_ABORTED)
		cfw_life_event(c, CFW_LE_SETTLED);
	if (!c->pre_owed)
		cfw_life_event(c, CFW_LE_PRESTOPPED);
}

void cfw_stop_advance(struct cfw_core *c)
{
	struct cfw_stop_run *st = &c->stop;
	if (!st->running || c->ended)
		return;
	tell_life(c);
	if (st->cancelling) {
		if (!c->hooks_running && !c->questions.used)
			cfw_stop_cancelled(c);
		return;
	}
	if (st->stage == CFW_G_START && (!c->starting || st->give_up))
		st->stage = CFW_G_PRE; /* S3.3: the start has been brought to its end */
	if (st->stage == CFW_G_PRE && global_hooks_done(c, CFW_PRE_STOP))
		release_servers(c);
	if (st->stage == CFW_G_SERVERS && !c->active)
		st->stage = CFW_G_POST;
	bool over = st->stage == CFW_G_POST && global_hooks_done(c, CFW_POST_STOP);
	if (st->stage == CFW_G_HOOKS && !c->hooks_running) {
		cut_servers(c);
		tell_life(c);
	}
	over = over || (st->stage == CFW_G_CUT && !c->hooks_running && (!c->active || st->cut_waited));
	if (over && !c->questions.used) /* S4.10: what was raised before the end is decided on, and counts */
		finish(c);
}

/* S4.7. In a graceful stop whatever is not over by now is cut. In an abort there is nothing graceful left but hooks that ran
 * when it began. */
static void pass_margin(struct cfw_core *c)
{
	struct cfw_stop_run *st = &c->stop;
	if (st->cancelling)
		cfw_stop_goes_on(c);
	st->margin_passed = true;
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_MARGIN, .a = (uint32_t)c->active});
	cfw_hooks_cut(c, NULL, CFW_CUT);
	if (st->mode == CFW_ABORT) {
		for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;)
			if (cfw_server_get(c, id)->state == CFW_S_POST_STOP)
				cfw_server_event(c, cfw_server_get(c, id), CFW_SE_CUT, NULL);
		return;
	}
	st->cut = true;
	cfw_code_raise(c, 255);
	cfw_hooks_all_pre_stop(c, NULL);
	cut_servers(c);
}

void cfw_stop_due(struct cfw_core *c)
{
	struct cfw_stop_run *st = &c->stop;
	if (!st->margin_passed && c->now_ns >= st->margin_ns)
		pass_margin(c);
	if (st->stage == CFW_G_CUT && c->now_ns >= st->cut_until_ns)
		st->cut_waited = true;
	if (c->now_ns < st->deadline_ns)
		return;
	st->cut = true; /* S4.8 */
	cfw_code_raise(c, 255);
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_TIMEOUT});
	cut_what_lives(c);
	finish(c);
}

uint64_t cfw_stop_deadline(const struct cfw_core *c)
{
	const struct cfw_stop_run *st = &c->stop;
	if (!st->running || c->ended)
		return CFW_NEVER;
	uint64_t at = st->deadline_ns;
	if (!st->margin_passed)
		at = cfw_time_min(at, st->margin_ns);
	if (st->stage == CFW_G_CUT && !st->cut_waited)
		at = cfw_time_min(at, st->cut_until_ns);
	return at;
}
