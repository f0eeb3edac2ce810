/* Actions that wait to be handed out. Each is a mark on the server, hook, question or waiter that it is about, threaded into a
 * list: nothing is allocated, a stop cannot fail here. Across the lists they go out in the order of their numbers. */
#include "core/machine.h"

static void put(struct cfw_core *c, struct cfw_waitlist *l, struct cfw_wait *w, struct cfw_wait *last, cfw_id id)
{
	if (w->queued)
		return;
	*w = (struct cfw_wait){.seq = ++c->wait_seq, .queued = true};
	if (last)
		last->next = id;
	else
		l->head = id;
	l->tail = id;
}

static void pop(struct cfw_waitlist *l, struct cfw_wait *w)
{
	l->head = w->next;
	if (!l->head)
		l->tail = 0;
	*w = (struct cfw_wait){0};
}

static void unlink_after(struct cfw_waitlist *l, cfw_id prev_id, struct cfw_wait *prev, struct cfw_wait *w, cfw_id id)
{
	if (prev)
		prev->next = w->next;
	else
		l->head = w->next;
	if (l->tail == id)
		l->tail = prev_id;
	*w = (struct cfw_wait){0};
}

static struct cfw_question *question(const struct cfw_core *c, cfw_id id)
{
	return cfw_slots_get(&c->questions, id);
}

static struct cfw_waiter *waiter(const struct cfw_core *c, cfw_id id)
{
	return cfw_slots_get(&c->waiters, id);
}

void cfw_queue_server(struct cfw_core *c, struct cfw_server *s, unsigned what)
{
	struct cfw_waitlist *l = &c->server_list;
	s->pending |= (uint8_t)what;
	put(c, l, &s->wait, l->tail ? &cfw_server_get(c, l->tail)->wait : NULL, s->id);
}

void cfw_queue_hook(struct cfw_core *c, struct cfw_hook *h)
{
	struct cfw_waitlist *l = &c->hook_list;
	put(c, l, &h->wait, l->tail ? &cfw_hook_get(c, l->tail)->wait : NULL, h->id);
}

void cfw_queue_question(struct cfw_core *c, cfw_id id)
{
	struct cfw_waitlist *l = &c->question_list;
	put(c, l, &question(c, id)->wait, l->tail ? &question(c, l->tail)->wait : NULL, id);
}

void cfw_queue_reply(struct cfw_core *c, cfw_id id, enum cfw_outcome outcome, cfw_id culprit, uint32_t text)
{
	struct cfw_waitlist *l = &c->reply_list;
	struct cfw_waiter *w = waiter(c, id);
	w->outcome = (uint8_t)outcome;
	w->culprit = culprit;
	w->text = text;
	put(c, l, &w->wait, l->tail ? &waiter(c, l->tail)->wait : NULL, id);
}

/* S4.14: no further hooks. */
void cfw_queue_drop_hooks(struct cfw_core *c)
{
	while (c->hook_list.head) {
		struct cfw_hook *h = cfw_hook_get(c, c->hook_list.head);
		h->call_run = h->cut_run = 0;
		pop(&c->hook_list, &h->wait);
	}
}

static bool next_of_server(struct cfw_core *c, struct cfw_action *a)
{
	struct cfw_server *s = cfw_server_get(c, c->server_list.head);
	unsigned what = s->pending & (unsigned)-s->pending; /* the lowest: start, then stop, then cut */
	s->pending &= (uint8_t)~what;
	a->server = s->id;
	a->attempt = s->attempt;
	a->deadline_ns = what == CFW_P_CUT ? CFW_NEVER : s->deadline_ns;
	a->type = what == CFW_P_START ? CFW_ACT_START : what == CFW_P_STOP ? CFW_ACT_STOP : CFW_ACT_CUT;
	a->mode = c->stop.running ? c->stop.mode : CFW_GRACEFUL;
	if (c->stop.running)
		a->trigger = c->stop.first;
	if (!s->pending)
		pop(&c->server_list, &s->wait);
	return what != 0;
}

static bool next_of_hook(struct cfw_core *c, struct cfw_action *a)
{
	struct cfw_hook *h = cfw_hook_get(c, c->hook_list.head);
	bool cut_first = h->cut_run && h->cut_run != h->call_run;
	a->hook = h->id;
	a->server = h->server;
	a->phase = (enum cfw_phase)h->phase;
	a->mode = (enum cfw_mode)h->mode;
	if (h->call_run && !cut_first) {
		a->type = CFW_ACT_CALL;
		a->run = h->call_run;
		a->deadline_ns = cfw_time_min(cfw_hook_bound(c, h), h->running ? h->until_ns : c->now_ns);
		a->trigger.kind = CFW_T_KINDS;
		if (c->stop.running && h->phase >= CFW_PRE_STOP)
			a->trigger = c->stop.first;
		h->call_run = 0;
	} else if (h->cut_run) {
		a->type = CFW_ACT_CUT_HOOK;
		a->run = h->cut_run;
		h->cut_run = 0;
	}
	if (!h->call_run && !h->cut_run)
		pop(&c->hook_list, &h->wait);
	return a->run != 0;
}

static bool next_of_question(struct cfw_core *c, struct cfw_action *a)
{
	cfw_id id = c->question_list.head;
	struct cfw_question *q = question(c, id);
	a->type = CFW_ACT_ASK;
	a->question = id;
	a->trigger = q->trigger;
	a->server = q->trigger.server;
	q->asked = true;
	pop(&c->question_list, &q->wait);
	return !c->ended;
}

static bool next_of_reply(struct cfw_core *c, struct cfw_action *a)
{
	cfw_id id = c->reply_list.head;
	struct cfw_waiter *w = waiter(c, id);
	a->type = CFW_ACT_REPLY;
	a->request = w->request;
	a->outcome = (enum cfw_outcome)w->outcome;
	a->why = (enum cfw_refusal)w->why;
	a->server = w->culprit;
	a->text = w->text;
	pop(&c->reply_list, &w->wait);
	cfw_slots_del(&c->waiters, id);
	return a->request != 0;
}

static bool next_lame(struct cfw_core *c, struct cfw_action *a)
{
	c->lame_seq = 0;
	a->type = CFW_ACT_LAME;
	a->trigger = c->stop.first;
	return true;
}

static bool next_unlame(struct cfw_core *c, struct cfw_action *a)
{
	c->unlame_seq = 0;
	a->type = CFW_ACT_UNLAME;
	return true;
}

static bool next_steered(struct cfw_core *c, struct cfw_action *a)
{
	c->steered_seq = 0;
	a->type = CFW_ACT_STEERED;
	a->hurry = c->hurry_servers;
	c->hurry_servers = false;
	return c->stop.running;
}

static bool next_reload(struct cfw_core *c, struct cfw_action *a)
{
	c->reload_seq = 0;
	a->type = CFW_ACT_RELOAD;
	return !c->stop.running; /* S7.4 */
}

typedef bool next_fn(struct cfw_core *c, struct cfw_action *a);

/* The list whose head has waited longest; NULL when all are empty. */
static next_fn *oldest(const struct cfw_core *c)
{
	next_fn *fn = NULL;
	uint64_t best = UINT64_MAX;
	const struct {
		uint64_t seq;
		next_fn *fn;
	} heads[] = {
		{c->server_list.head ? cfw_server_get(c, c->server_list.head)->wait.seq : 0, next_of_server},
		{c->hook_list.head ? cfw_hook_get(c, c->hook_list.head)->wait.seq : 0, next_of_hook},
		{c->question_list.head ? question(c, c->question_list.head)->wait.seq : 0, next_of_question},
		{c->reply_list.head ? waiter(c, c->reply_list.head)->wait.seq : 0, next_of_reply},
		{c->lame_seq, next_lame},
		{c->unlame_seq, next_unlame},
		{c->steered_seq, next_steered},
		{c->reload_seq, next_reload},
	};
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
		if (heads[i].seq && heads[i].seq < best) {
			best = heads[i].seq;
			fn = heads[i].fn;
		}
	return fn;
}

bool cfw_core_next(struct cfw_core *core, struct cfw_action *action)
{
	if (core->exit_out)
		return false;
	for (next_fn *fn; (fn = oldest(core)) != NULL;) {
		*action = (struct cfw_action){.deadline_ns = CFW_NEVER};
		if (fn(core, action))
			return true; /* else it was stale */
	}
	if (!core->exit_queued)
		return false;
	core->exit_out = true;
	*action = (struct cfw_action){
		.type = CFW_ACT_EXIT, .deadline_ns = CFW_NEVER, .code = core->code, .kill = core->exit_kill};
	return true;
}

/* Removal from the middle of a list is rare: a walk will do. */
void cfw_queue_forget_server(struct cfw_core *c, struct cfw_server *s)
{
	struct cfw_waitlist *l = &c->server_list;
	cfw_id prev = 0;
	for (cfw_id id = s->wait.queued ? l->head : 0; id; prev = id, id = cfw_server_get(c, id)->wait.next)
		if (id == s->id) {
			unlink_after(l, prev, prev ? &cfw_server_get(c, prev)->wait : NULL, &s->wait, id);
			break;
		}
	l = &c->hook_list;
	prev = 0;
	for (cfw_id id = l->head; id;) {
		struct cfw_hook *h = cfw_hook_get(c, id);
		cfw_id next = h->wait.next;
		if (h->server == s->id)
			unlink_after(l, prev, prev ? &cfw_hook_get(c, prev)->wait : NULL, &h->wait, id);
		else
			prev = id;
		id = next;
	}
}

void cfw_queue_forget_question(struct cfw_core *c, cfw_id id)
{
	struct cfw_waitlist *l = &c->question_list;
	cfw_id prev = 0;
	for (cfw_id at = l->head; at && at != id; at = question(c, at)->wait.next)
		prev = at;
	unlink_after(l, prev, prev ? &question(c, prev)->wait : NULL, &question(c, id)->wait, id);
}
