/* Who waits for CFW_ACT_REPLY. One is made when its request comes in, so that answering needs no memory. */
#include "base/err.h"
#include "core/machine.h"

static struct cfw_waiter *get(const struct cfw_core *c, cfw_id id)
{
	return cfw_slots_get(&c->waiters, id);
}

int cfw_waiter_new(struct cfw_core *c, uint32_t request, enum cfw_want want, cfw_id *out)
{
	void *item;
	*out = 0;
	if (!request)
		return 0;
	*out = cfw_slots_new(&c->waiters, &item);
	if (!*out)
		return CURFEW_ENOMEM;
	struct cfw_waiter *w = item;
	w->request = request;
	w->want = (uint8_t)want;
	return 0;
}

void cfw_waiter_want(struct cfw_core *c, cfw_id waiter, enum cfw_want want)
{
	if (waiter)
		get(c, waiter)->want = (uint8_t)want;
}

void cfw_waiter_link(struct cfw_core *c, cfw_id *list, cfw_id waiter)
{
	if (!waiter)
		return;
	while (*list)
		list = &get(c, *list)->next;
	*list = waiter;
}

void cfw_waiters_reply(struct cfw_core *c, cfw_id *list, enum cfw_outcome outcome, cfw_id culprit, uint32_t text)
{
	for (cfw_id id = *list; id;) {
		cfw_id next = get(c, id)->next;
		cfw_queue_reply(c, id, outcome, culprit, text);
		id = next;
	}
	*list = 0;
}

void cfw_waiters_refuse(struct cfw_core *c, cfw_id *list, enum cfw_refusal why, cfw_id culprit)
{
	for (cfw_id id = *list; id; id = get(c, id)->next)
		get(c, id)->why = (uint8_t)why;
	cfw_waiters_reply(c, list, CFW_FAILED, culprit, 0);
}

void cfw_waiters_reply_want(struct cfw_core *c, struct cfw_server *s, enum cfw_want want, enum cfw_outcome outcome)
{
	for (cfw_id *list = &s->waiters; *list;) {
		cfw_id id = *list;
		struct cfw_waiter *w = get(c, id);
		if (w->want != want) {
			list = &w->next;
			continue;
		}
		*list = w->next;
		w->next = 0;
		cfw_queue_reply(c, id, outcome, outcome == CFW_OK ? 0 : s->id, outcome == CFW_FAILED ? s->fail_text : 0);
	}
}

void cfw_waiter_cancel(struct cfw_core *c, uint32_t request)
{
	for (cfw_id id = 0; request && (id = cfw_slots_next(&c->waiters, id)) != 0;)
		if (get(c, id)->request == request)
			get(c, id)->request = 0; /* its reply, when it comes, is dropped */
}
