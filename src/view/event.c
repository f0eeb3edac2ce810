/* event.c: an entry of the journal as a plain value. */
#include "base/time.h"
#include "base/value.h"
#include "core/core.h"
#include "view/status.h"
#include "view/words.h"

static const char *const names[CFW_JOURNAL_WHATS] = {
	[CFW_J_LIFE] = "state",        [CFW_J_SERVER] = "server",
	[CFW_J_TRIGGER] = "trigger",   [CFW_J_DECISION] = "decision",
	[CFW_J_REFUSED] = "refused",   [CFW_J_STOP] = "stop",
	[CFW_J_EXTEND] = "extend",     [CFW_J_MARGIN] = "margin",
	[CFW_J_TIMEOUT] = "timeout",   [CFW_J_HOOK_BEGIN] = "hook_begin",
	[CFW_J_HOOK_END] = "hook_end", [CFW_J_HURRY] = "hurry",
	[CFW_J_SKIP] = "skip",         [CFW_J_CANCEL] = "cancel",
	[CFW_J_CLOSED] = "closed",     [CFW_J_BACKOFF] = "backoff",
	[CFW_J_CUT] = "cut",           [CFW_J_START_FAILED] = "start_failed",
	[CFW_J_LATE] = "late",         [CFW_J_EXIT] = "exit",
};

static int set_str(struct cfw_value *v, const char *key, const char *s)
{
	return s ? cfw_value_set(v, key, cfw_value_str(s)) : 0;
}

static int set_int(struct cfw_value *v, const char *key, int64_t i)
{
	return cfw_value_set(v, key, cfw_value_int(i));
}

static int set_hook(struct cfw_value *v, const struct cfw_core *core, cfw_id hook)
{
	struct cfw_hook_view h;
	if (!hook || cfw_core_hook_view(core, hook, &h))
		return 0;
	return set_str(v, "phase", cfw_view_phase_name((int)h.phase)) | set_str(v, "hook", h.name) |
	       set_str(v, "where", h.where);
}

static const char *outcome_name(uint32_t outcome)
{
	static const char *const words[CFW_OUTCOMES] = {"ok", "failed", "cut", "exit"};
	return outcome < CFW_OUTCOMES ? words[outcome] : "?";
}

/* What is particular to its kind. */
static int set_rest(struct cfw_value *v, const struct cfw_journal_entry *e)
{
	switch (e->what) {
	case CFW_J_LIFE:
		return set_str(v, "state", cfw_life_name((enum cfw_life)e->a));
	case CFW_J_SERVER:
		return set_str(v, "state", cfw_server_state_name((enum cfw_server_state)e->a)) |
		       set_str(v, "from", cfw_server_state_name((enum cfw_server_state)e->b));
	case CFW_J_TRIGGER:
		return set_str(v, "trigger", cfw_view_trigger_word(e)) | set_int(v, "count", e->a) |
		       set_int(v, "code", e->code);
	case CFW_J_DECISION:
	case CFW_J_REFUSED:
		return set_str(v, "trigger", cfw_view_trigger_word(e)) | set_int(v, "count", e->run) |
		       set_str(v, "decision", cfw_decision_name((enum cfw_decision_what)e->a)) | set_int(v, "code", e->code) |
		       cfw_value_set(v, "default", cfw_value_bool(e->b && !cfw_view_refusal(e))) |
		       set_str(v, "reason", cfw_view_refusal(e));
	case CFW_J_STOP:
		return set_str(v, "mode", e->a == CFW_ABORT ? "abort" : "graceful") |
		       cfw_value_set(v, "turned", cfw_value_bool(e->b));
	case CFW_J_MARGIN:
		return set_int(v, "unstopped", e->a);
	case CFW_J_HOOK_END:
		return set_str(v, "outcome", outcome_name(e->a)) | cfw_value_set(v, "limit", cfw_value_bool(e->b == 1)) |
		       cfw_value_set(v, "skipped", cfw_value_bool(e->b == 2));
	case CFW_J_CLOSED:
		return set_int(v, "code", e->code) | set_int(v, "signal", e->signo);
	case CFW_J_BACKOFF:
		return set_int(v, "try", e->a);
	case CFW_J_EXIT:
		return set_int(v, "code", e->code);
	case CFW_J_CANCEL: {
		static const char *const words[] = {"asked", "done", "dropped"};
		return set_str(v, "cancel", e->a < sizeof words / sizeof *words ? words[e->a] : "?");
	}
	case CFW_J_EXTEND:
	case CFW_J_HURRY:
	case CFW_J_SKIP:
	case CFW_J_TIMEOUT:
	case CFW_J_HOOK_BEGIN:
	case CFW_J_CUT:
	case CFW_J_START_FAILED:
	case CFW_J_LATE:
	default:
		return 0;
	}
}

struct cfw_value *cfw_view_event(const struct cfw_core *core, const struct cfw_journal_entry *e, cfw_text_fn *text, void *ud)
{
	struct cfw_value *v = cfw_value_map();
	struct cfw_server_view s;
	const char *what = (unsigned)e->what < CFW_JOURNAL_WHATS && names[e->what] ? names[e->what] : "other";
	uint64_t us = e->at_ns / 1000;
	int bad = cfw_value_set(v, "seq", cfw_value_int((int64_t)e->seq)) |
		  cfw_value_set(v, "at", cfw_value_num((double)us / 1e6)) | set_str(v, "event", what);
	if (e->server && cfw_core_server_view(core, e->server, &s) == 0)
		bad |= set_str(v, "server", s.name);
	bad |= set_hook(v, core, e->hook) | set_rest(v, e);
	if (e->text && text)
		bad |= set_str(v, "text", text(ud, e->text));
	if (!bad)
		return v;
	cfw_value_free(v);
	return NULL;
}
