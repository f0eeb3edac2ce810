/* curfew_crash.c: the abort of a process that is no more (S8.2). While all is well, the page says which hooks and servers there are
 * and what is owed to them; after a crash a fresh instance over the same page and the same policy runs what is still owed.
 *
 * The same script registers the same things in the same order, so hooks and servers are known by their places in that order, from
 * the beginning of the region that the policy has in the page; a hash of what each is guards against a script that is not. */
#include "curfew_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "base/log.h"

enum { SLOT_MASK = 0xfffff };

uint32_t cfw_page_hook_mark(const struct curfew *c, uint32_t run_or_id)
{
	size_t slot = (run_or_id & SLOT_MASK) - 1;
	return slot < c->nhook_marks ? c->hook_marks[slot] : CFW_PAGE_MARKS;
}

static uint32_t server_mark(const struct curfew *c, cfw_id id)
{
	const struct cfw_entry *s = cfw_entry_get(c, id);
	return s ? s->mark : CFW_PAGE_SERVERS;
}

void cfw_page_place_server(struct curfew *c, struct cfw_gen *g, cfw_id server)
{
	cfw_entry_get(c, server)->mark = g->region.servers + g->n_servers++;
}

int cfw_page_hook_room(struct curfew *c, cfw_id hook)
{
	size_t slot = (hook & SLOT_MASK) - 1;
	if (cfw_grow(&cfw_alloc_std, &c->hook_marks, &c->hook_marks_cap, slot + 1, sizeof *c->hook_marks))
		return CURFEW_ENOMEM;
	for (; c->nhook_marks <= slot; c->nhook_marks++)
		c->hook_marks[c->nhook_marks] = CFW_PAGE_MARKS;
	return 0;
}

void cfw_page_place_hook(struct curfew *c, struct cfw_gen *g, cfw_id hook)
{
	c->hook_marks[(hook & SLOT_MASK) - 1] = g->region.hooks + g->n_hooks++;
}

static uint32_t hash_server(const struct curfew *c, cfw_id server)
{
	struct cfw_server_view v;
	if (!server || cfw_core_server_view(c->core, server, &v))
		return cfw_page_hash(0, NULL);
	return cfw_page_hash(cfw_page_hash(0, v.name), v.kind);
}

static uint32_t hash_hook(const struct curfew *c, const struct cfw_hook_view *h)
{
	const char phase[2] = {(char)('0' + (int)h->phase), '\0'};
	return cfw_page_hash(cfw_page_hash(cfw_page_hash(hash_server(c, h->server), phase), h->name), h->where);
}

/* ---- while all is well ---- */

void cfw_page_note_server(struct curfew *c, cfw_id server)
{
	struct cfw_server_view v = {.owed = false};
	const struct cfw_entry *s = cfw_entry_get(c, server);
	if (c->after)
		return; /* it is the other one's */
	if (cfw_core_server_view(c->core, server, &v) || !s) {
		return; /* a removed one has cleared its place */
	}
	cfw_page_server_set(c->page, server_mark(c, server), hash_server(c, server), v.owed,
			    s->kind->pid ? s->kind->pid(s->srv) : 0, s->kind->address ? s->kind->address(s->srv) : NULL);
}

void cfw_page_note_hook(struct curfew *c, cfw_id hook)
{
	struct cfw_hook_view v;
	uint32_t slot = cfw_page_hook_mark(c, hook);
	if (!c->after && slot < CFW_PAGE_MARKS && cfw_core_hook_view(c->core, hook, &v) == 0)
		atomic_store(&c->page->hooks[slot], hash_hook(c, &v));
}

/* Global hooks are owed anew with each start (S3.4). */
void cfw_page_note_life(struct curfew *c, unsigned life)
{
	struct cfw_hook_view v;
	if (c->after)
		return;
	atomic_store(&c->page->life, life);
	if (life != CFW_L_STARTING)
		return;
	for (cfw_id id = 0; (id = cfw_core_hook_next(c->core, id));)
		if (cfw_core_hook_view(c->core, id, &v) == 0 && !v.server && !v.run)
			cfw_page_unmark(c->page, cfw_page_hook_mark(c, id));
}

/* ---- afterwards ---- */

bool cfw_after_server(const struct curfew *c, cfw_id server, int *pid, char *address)
{
	bool owed;
	return cfw_page_server_get(c->page, server_mark(c, server), hash_server(c, server), &owed, pid, address);
}

static bool server_owed(const struct curfew *c, cfw_id server)
{
	char address[CFW_PAGE_ADDRESS];
	int pid;
	bool owed = false;
	return cfw_page_server_get(c->page, server_mark(c, server), hash_server(c, server), &owed, &pid, address) && owed;
}

void cfw_after_begin(struct curfew *c)
{
	if (!c->opt.crash)
		return;
	uint64_t quarter = cfw_time_left(cfw_now(c), c->opt.crash->deadline_ns) / 4;
	c->after = CFW_AFTER_LOADING;
	c->after_until_ns = cfw_time_add(cfw_now(c), quarter);
	c->policy_config.afterlife = true;
	c->policy_config.load_limit_ns = cfw_time_min(c->policy_config.load_limit_ns, quarter);
	if (c->opt.log)
		c->quiet = *c->opt.log;
	c->quiet.level = CFW_WARN;
}

/* The main scripts have ended, or have come to where nothing more is registered: past their start, waiting; or take too long. */
static bool is_loaded(const struct curfew *c)
{
	uint64_t now = cfw_now(c);
	return !c->loading || now >= c->after_until_ns || (c->start_asked && cfw_policy_deadline(c->policy) > now) ||
	       (c->start_asked && c->opt.crash->vain);
}

void cfw_after_step(struct curfew *c)
{
	const struct curfew_crash *crash = c->opt.crash;
	if (c->after != CFW_AFTER_LOADING || !is_loaded(c))
		return;
	struct cfw_core_config core = *cfw_core_config_get(c->core);
	core.exit_timeout_ns = cfw_time_max(cfw_time_left(cfw_now(c), crash->deadline_ns), CFW_MS);
	core.max_exit_timeout_ns = core.exit_timeout_ns;
	cfw_core_configure(c->core, &core);
	for (cfw_id id = 0; (id = cfw_core_server_next(c->core, id));)
		if (server_owed(c, id)) {
			struct cfw_event e = {.type = CFW_EV_SERVER_START, .server = id};
			cfw_inbox_put(c, &e);
		}
	cfw_drain(c); /* all of them: nothing of it takes time */
	c->after_seq = c->journal_seen + 1;
	c->after = CFW_AFTER_RAISED;
	struct cfw_trigger t = {
		.kind = crash->stall ? CFW_T_STALL : CFW_T_CRASH, .died_signo = crash->signo, .code = crash->code};
	cfw_put_trigger(c, t);
}

/* A pre_stop hook that is still to run; a script that gives something else in its place is not what ran before. */
static bool hook_due(const struct curfew *c, const struct cfw_action *a)
{
	struct cfw_hook_view v;
	uint32_t slot = cfw_page_hook_mark(c, a->hook);
	char what[256];
	if (a->phase != CFW_PRE_STOP || slot >= CFW_PAGE_MARKS || cfw_core_hook_view(c->core, a->hook, &v))
		return false;
	uint32_t before = atomic_load(&c->page->hooks[slot]);
	bool same = before == hash_hook(c, &v);
	cfw_hook_text(c, &v, what, sizeof what);
	bool global_too = !c->opt.crash->old_region; /* those that went with the old policy are owed to nobody */
	if (!before || (v.server ? !server_owed(c, v.server) : !global_too))
		return false;
	if (same && cfw_page_cut(c->page, slot))
		cfw_log_at(c->opt.log, CFW_WARN, "%s had begun when the process ended: not run again", what);
	if (cfw_page_marked(c->page, slot))
		return false;
	if (same)
		return true;
	cfw_log_at(c->opt.log, CFW_ERROR, "%s is not the one that was registered before the crash: not run", what);
	return false;
}

bool cfw_after_action(struct curfew *c, const struct cfw_action *a)
{
	struct cfw_event e = {.server = a->server, .attempt = a->attempt, .run = a->run};
	switch (a->type) {
	case CFW_ACT_CALL:
		if (hook_due(c, a))
			return false;
		e.type = CFW_EV_HOOK_DONE;
		e.outcome = CFW_OK;
		break;
	case CFW_ACT_START:
		e.type = CFW_EV_SERVER_STARTED;
		break;
	case CFW_ACT_STOP:
	case CFW_ACT_CUT:
		e.type = CFW_EV_SERVER_STOPPED;
		break;
	case CFW_ACT_LAME:
	case CFW_ACT_RELOAD:
		return true;
	default:
		return false;
	}
	cfw_inbox_put(c, &e);
	return true;
}
