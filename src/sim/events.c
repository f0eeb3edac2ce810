/* events.c: the journal as events with names that a test can ask for: "SIGTERM", "web pre_stop", "web stopped", "exit". */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "sim/impl.h"
#include "view/view.h"
#include "view/words.h"

enum { SLOT_MASK = 0xfffff };

/* A stop goes through its phases also where there are no hooks: they are told all the same. */
struct cfw_sim_phase {
	bool pre, stopped, post;
};

void cfw_sim_event(struct cfw_sim *s, const char *name, const struct cfw_value *more)
{
	struct cfw_value *e = more ? cfw_value_copy(more) : cfw_value_map();
	if (cfw_value_set(e, "at", cfw_value_num((double)cfw_sim_now(s) / 1e9)) ||
	    cfw_value_set(e, "name", cfw_value_str(name)))
		s->failed = true;
	if (cfw_value_push(s->events, e))
		s->failed = true;
}

static struct cfw_sim_phase *phase_of(struct cfw_sim *s, cfw_id server)
{
	size_t slot = (server & SLOT_MASK) - 1, had = s->phases_cap;
	if (slot >= had) {
		if (cfw_grow(&cfw_alloc_std, &s->phases, &s->phases_cap, slot + 1, sizeof *s->phases)) {
			s->failed = true;
			return NULL;
		}
		memset(s->phases + had, 0, (s->phases_cap - had) * sizeof *s->phases);
	}
	return &s->phases[slot];
}

static void tell(struct cfw_sim *s, const struct cfw_journal_entry *e, const char *what, const char *hook)
{
	char name[512];
	struct cfw_value *more = cfw_value_map();
	const char *server = e->server ? cfw_view_server_name(curfew_core(s->curfew), e->server) : NULL;
	snprintf(name, sizeof name, "%s%s%s", server ? server : "", server && *what ? " " : "", what);
	if (server && cfw_value_set(more, "server", cfw_value_str(server)))
		s->failed = true;
	if (hook && cfw_value_set(more, "hook", cfw_value_str(hook)))
		s->failed = true;
	if ((e->code || e->what == CFW_J_EXIT) && cfw_value_set(more, "code", cfw_value_int(e->code)))
		s->failed = true;
	cfw_sim_event(s, name, more);
	cfw_value_free(more);
}

static void tell_server(struct cfw_sim *s, const struct cfw_journal_entry *e)
{
	struct cfw_sim_phase *p = phase_of(s, e->server);
	if (!p)
		return;
	switch (e->a) {
	case CFW_S_STARTING:
		*p = (struct cfw_sim_phase){0};
		tell(s, e, "starting", NULL);
		break;
	case CFW_S_STARTED:
		tell(s, e, "started", NULL);
		break;
	case CFW_S_STOPPING:
		if (!p->pre)
			tell(s, e, "pre_stop", NULL);
		p->pre = true;
		tell(s, e, "stopping", NULL);
		break;
	default:
		break;
	}
	if (e->b == CFW_S_STOPPING && e->a != CFW_S_CUTTING) {
		p->stopped = true;
		tell(s, e, "stopped", NULL);
	}
	if (e->a == CFW_S_DOWN && p->stopped && !p->post) {
		p->post = true;
		tell(s, e, "post_stop", NULL);
	}
}

static void tell_hook(struct cfw_sim *s, const struct cfw_journal_entry *e)
{
	static const char *const ends[CFW_OUTCOMES] = {
		[CFW_OK] = "ended", [CFW_FAILED] = "failed", [CFW_CUT] = "cut", [CFW_EXIT_CALL] = "exited"};
	struct cfw_hook_view v;
	char what[64];
	if (cfw_core_hook_view(curfew_core(s->curfew), e->hook, &v))
		return;
	struct cfw_sim_phase *p = e->server ? phase_of(s, e->server) : NULL;
	if (p && e->what == CFW_J_HOOK_BEGIN) {
		p->pre |= v.phase == CFW_PRE_STOP;
		p->post |= v.phase == CFW_POST_STOP;
	}
	bool ended = e->what == CFW_J_HOOK_END && e->a < CFW_OUTCOMES;
	snprintf(what, sizeof what, "%s%s%s", cfw_view_phase_name((int)v.phase), ended ? " " : "", ended ? ends[e->a] : "");
	tell(s, e, what, v.name);
}

static void tell_trigger(struct cfw_sim *s, const struct cfw_journal_entry *e)
{
	char what[128];
	struct cfw_journal_entry bare = *e;
	const char *word = cfw_view_trigger_word(e);
	const char *custom = e->trigger_kind == CFW_T_CUSTOM ? curfew_text(s->curfew, e->text) : NULL;
	bare.server = 0; /* "closed", not "db closed", which was told when it happened */
	if (e->what == CFW_J_TRIGGER)
		snprintf(what, sizeof what, "%.100s", custom ? custom : word);
	else
		snprintf(what, sizeof what, "%.60s %s%s", word, e->what == CFW_J_REFUSED ? "refused " : "",
			 cfw_decision_name((enum cfw_decision_what)e->a));
	tell(s, &bare, what, NULL);
}

static void take(struct cfw_sim *s, const struct cfw_journal_entry *e)
{
	switch (e->what) {
	case CFW_J_LIFE:
		tell(s, e, cfw_life_name((enum cfw_life)e->a), NULL);
		break;
	case CFW_J_SERVER:
		tell_server(s, e);
		break;
	case CFW_J_TRIGGER:
	case CFW_J_DECISION:
	case CFW_J_REFUSED:
		tell_trigger(s, e);
		break;
	case CFW_J_HOOK_BEGIN:
	case CFW_J_HOOK_END:
		tell_hook(s, e);
		break;
	case CFW_J_STOP:
		if (e->a == CFW_ABORT)
			tell(s, e, "abort", NULL);
		break;
	case CFW_J_EXTEND:
		tell(s, e, "extended", NULL);
		break;
	case CFW_J_HURRY:
		tell(s, e, "hurried", NULL);
		break;
	case CFW_J_SKIP:
		tell(s, e, "skipped", NULL);
		break;
	case CFW_J_CANCEL:
		if (e->a == 1) {
			tell(s, e, "cancelled", NULL);
			memset(s->phases, 0, s->phases_cap * sizeof *s->phases);
		}
		break;
	case CFW_J_MARGIN:
		tell(s, e, "margin", NULL);
		break;
	case CFW_J_TIMEOUT:
		tell(s, e, "timeout", NULL);
		break;
	case CFW_J_CLOSED:
		tell(s, e, "closed", NULL);
		break;
	case CFW_J_BACKOFF:
		tell(s, e, "restarting", NULL);
		break;
	case CFW_J_CUT:
		tell(s, e, "cut", NULL);
		break;
	case CFW_J_START_FAILED:
		tell(s, e, "start_failed", NULL);
		break;
	case CFW_J_EXIT:
		tell(s, e, "exit", NULL);
		break;
	default:
		break;
	}
}

void cfw_sim_take_journal(void *ud)
{
	struct cfw_sim *s = ud;
	const struct cfw_core *core = curfew_core(s->curfew);
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(core, s->journal + 1))) {
		struct cfw_journal_entry copy = *e;
		s->journal = copy.seq;
		cfw_oracle_see(s->oracle, core, &copy);
		take(s, &copy);
		cfw_view_log(core, &copy, &s->sink, curfew_text, s->curfew);
	}
}
