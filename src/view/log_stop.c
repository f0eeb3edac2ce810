/* log_stop.c: triggers, decisions, and the stop that follows from them, in the log. */
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "base/time.h"
#include "core/core.h"
#include "view/log_impl.h"
#include "view/words.h"

bool cfw_say_trigger(struct line *l)
{
	const struct cfw_journal_entry *e = l->e;
	bool failure = e->trigger_kind == CFW_T_ERROR || e->trigger_kind == CFW_T_REJECTION;
	if (!wanted(l, failure ? CFW_ERROR : CFW_DEBUG))
		return false;
	if (e->trigger_kind == CFW_T_ERROR) {
		cfw_buf_puts(&l->words, "uncaught error");
		put_text(l, ": ");
		return true;
	}
	if (e->trigger_kind == CFW_T_REJECTION) {
		cfw_buf_puts(&l->words, "a task failed and nobody awaits it");
		put_text(l, ": ");
		return true;
	}
	cfw_buf_puts(&l->words, "trigger ");
	put_trigger(l);
	cfw_buf_puts(&l->words, " (");
	cfw_view_put_ordinal(&l->words, e->a);
	cfw_buf_putc(&l->words, ')');
	return true;
}

static bool stop_follows(const struct line *l)
{
	const struct cfw_journal_entry *j;
	uint64_t end = l->e->seq + 8;
	for (uint64_t seq = l->e->seq + 1; (j = cfw_core_journal(l->core, seq)) && j->seq < end; seq = j->seq + 1) {
		if (j->what == CFW_J_STOP)
			return true;
		if (j->what == CFW_J_TRIGGER || j->what == CFW_J_DECISION)
			return false;
	}
	return false;
}

/* "SIGHUP (2nd): reload". A decision that begins a stop is told by the stop's own line. */
bool cfw_say_decision(struct line *l)
{
	const struct cfw_journal_entry *e = l->e;
	struct cfw_trigger t = {0};
	bool found = cfw_view_find_cause(l->core, e, &t);
	if (e->server)
		put_server(l);
	put_trigger(l);
	if (found && t.count > 1) {
		cfw_buf_puts(&l->words, " (");
		cfw_view_put_ordinal(&l->words, t.count);
		cfw_buf_putc(&l->words, ')');
	}
	if (cfw_view_refusal(e)) {
		l->level = CFW_WARN;
		cfw_buf_printf(&l->words, ": refused: %s", cfw_view_refusal(e));
		return true;
	}
	if (e->what == CFW_J_REFUSED) {
		l->level = CFW_WARN;
		cfw_buf_printf(&l->words, ": %s is no answer to it now%s", cfw_decision_name((enum cfw_decision_what)e->a),
			       e->a == CFW_D_RELOAD ? ": a stop has begun, the reload is refused" : ""); /* S7.4 */
		return true;
	}
	l->level = stop_follows(l) ? CFW_DEBUG : CFW_INFO;
	cfw_buf_printf(&l->words, ": %s", cfw_decision_name((enum cfw_decision_what)e->a));
	if (e->a == CFW_D_GRACEFUL || e->a == CFW_D_ABORT || e->a == CFW_D_KILL)
		cfw_buf_printf(&l->words, ", code %d", e->code);
	if (l->level == CFW_INFO && (e->a == CFW_D_GRACEFUL || e->a == CFW_D_ABORT))
		cfw_buf_puts(&l->words, "; the stop goes on"); /* S4.4 */
	return true;
}

/* S4.9: the entry before an abort that a hook's os.exit asked for. */
static const struct cfw_journal_entry *exit_of_hook(const struct line *l)
{
	const struct cfw_journal_entry *j = l->e->b ? cfw_core_journal(l->core, l->e->seq - 1) : NULL;
	return j && j->seq == l->e->seq - 1 && j->what == CFW_J_HOOK_END && j->a == CFW_EXIT_CALL ? j : NULL;
}

/* The budget of a new stop counts from its trigger, not from policy's answer (S4.6). */
bool cfw_say_stop(struct line *l)
{
	const struct cfw_journal_entry *e = l->e;
	struct cfw_trigger cause = {0};
	bool known = cfw_view_find_cause(l->core, e, &cause);
	uint64_t from = known && !e->b ? cause.at_ns : e->at_ns;
	l->level = e->b ? CFW_WARN : CFW_INFO;
	const char *what = e->a == CFW_GRACEFUL ? "graceful" : e->ns > e->at_ns ? "abort" : "kill";
	cfw_buf_printf(&l->words, "stop: %s, code %d", e->b ? "turned into an abort" : what, e->code);
	const struct cfw_journal_entry *hook = exit_of_hook(l);
	if (hook) {
		struct cfw_journal_entry mine = *hook; /* naming the server must not move it */
		cfw_buf_puts(&l->words, ", because ");
		if (mine.server)
			cfw_buf_printf(&l->words, "%s: ", cfw_view_server_name(l->core, mine.server));
		cfw_view_put_hook(l->core, mine.hook, &l->words);
		cfw_buf_puts(&l->words, " called os.exit");
	} else if (known) {
		const char *own = cause.kind == CFW_T_CUSTOM && l->text ? l->text(l->ud, cause.text) : NULL;
		cfw_buf_puts(&l->words, own ? ", because of " : ", ");
		if (own)
			cfw_buf_puts(&l->words, own);
		else
			cfw_view_put_cause(l->core, &cause, &l->words);
	}
	if (e->ns != CFW_NEVER && e->ns > e->at_ns) {
		cfw_buf_puts(&l->words, "; ends within ");
		put_duration(&l->words, e->ns - from);
	}
	return true;
}

bool cfw_say_hurry(struct line *l)
{
	l->level = CFW_INFO;
	cfw_buf_puts(&l->words, "the stop is hurried: holds and waits are skipped");
	return true;
}

bool cfw_say_skip(struct line *l)
{
	if (!wanted(l, l->e->hook ? CFW_DEBUG : CFW_WARN)) /* of a hook its end says so */
		return false;
	put_server(l);
	if (l->e->hook)
		cfw_view_put_hook(l->core, l->e->hook, &l->words);
	else
		cfw_buf_puts(&l->words, "it");
	cfw_buf_puts(&l->words, " is skipped");
	return true;
}

bool cfw_say_cancel(struct line *l)
{
	static const char *const words[] = {"the stop is to be cancelled, as soon as no hook runs",
					    "the stop is cancelled: all is as before",
					    "the stop goes on: it is not cancelled after all"};
	l->level = l->e->a == 2 ? CFW_WARN : CFW_INFO;
	cfw_buf_puts(&l->words, l->e->a < sizeof words / sizeof *words ? words[l->e->a] : "?");
	return true;
}

bool cfw_say_extend(struct line *l)
{
	l->level = CFW_INFO;
	put_server(l);
	if (l->e->hook) {
		cfw_view_put_hook(l->core, l->e->hook, &l->words);
		cfw_buf_puts(&l->words, " extends the stop: ends within ");
	} else {
		cfw_buf_puts(&l->words, "the stop is extended: ends within ");
	}
	put_duration(&l->words, cfw_time_left(l->e->at_ns, l->e->ns));
	return true;
}

bool cfw_say_margin(struct line *l)
{
	l->level = CFW_WARN;
	cfw_buf_puts(&l->words, "stop: the margin has come");
	if (l->e->a)
		cfw_buf_printf(&l->words, ", %u server%s not stopped", l->e->a, l->e->a == 1 ? "" : "s");
	return true;
}

/* ---- the last line ---- */

enum { NAMED = 4 };

/* What went wrong since the last stop began: "cut off: db; failed: web". */
struct flaws {
	cfw_id cut[NAMED], failed[NAMED], stops[NAMED], died[NAMED], left[NAMED];
	unsigned cuts, fails, bad_stops, deaths, remain;
};

static void add(cfw_id *list, unsigned *n, cfw_id id)
{
	for (unsigned i = 0; i < *n && i < NAMED; i++)
		if (list[i] == id)
			return;
	if (*n < NAMED)
		list[*n] = id;
	++*n;
}

static uint64_t last_stop(const struct line *l, bool *aborted)
{
	const struct cfw_journal_entry *j;
	struct cfw_stop_view stop;
	uint64_t found = 0;
	cfw_core_stop_view(l->core, &stop);
	for (uint64_t seq = stop.seq; seq && (j = cfw_core_journal(l->core, seq)) && j->seq <= l->e->seq; seq = j->seq + 1)
		if (j->what == CFW_J_STOP) {
			found = j->b ? found : j->seq;
			*aborted = j->a == CFW_ABORT;
		}
	return found;
}

static struct flaws gather_flaws(const struct line *l)
{
	struct flaws f = {0};
	bool aborted = false, late = false;
	const struct cfw_journal_entry *j;
	uint64_t seq = last_stop(l, &aborted);
	for (; seq && (j = cfw_core_journal(l->core, seq)) && j->seq <= l->e->seq; seq = j->seq + 1) {
		late |= j->what == CFW_J_MARGIN || j->what == CFW_J_TIMEOUT;
		if (j->what == CFW_J_CUT && !j->b)
			add(f.cut, &f.cuts, j->server);
		if (j->what == CFW_J_CLOSED && is_functions(l->core, j->server))
			add(f.stops, &f.bad_stops, j->server);
		else if (j->what == CFW_J_CLOSED)
			add(f.died, &f.deaths, j->server);
		if (j->what == CFW_J_HOOK_END && (j->a == CFW_CUT || j->b == 2))
			add(f.cut, &f.cuts, j->server);
		else if (j->what == CFW_J_HOOK_END && j->a == CFW_FAILED)
			add(f.failed, &f.fails, j->server);
	}
	struct cfw_server_view v;
	struct cfw_stop_view stop;
	cfw_core_stop_view(l->core, &stop);
	bool killed = stop.deadline_ns == CFW_NEVER; /* then nobody was to be waited for */
	for (cfw_id id = 0; aborted && !late && !killed && (id = cfw_core_server_next(l->core, id));)
		if (cfw_core_server_view(l->core, id, &v) == 0 && v.state == CFW_S_CUTTING)
			add(f.left, &f.remain, id);
	return f;
}

static void put_names(struct line *l, const char *what, const char *global, const cfw_id *list, unsigned n)
{
	for (unsigned i = 0; i < n && i < NAMED; i++) {
		cfw_buf_puts(&l->words, i ? ", " : what);
		cfw_buf_puts(&l->words, list[i] ? cfw_view_server_name(l->core, list[i]) : global);
	}
	if (n > NAMED)
		cfw_buf_printf(&l->words, " and %u more", n - NAMED);
}

bool cfw_say_exit(struct line *l)
{
	struct flaws f = gather_flaws(l);
	l->level = l->e->code ? CFW_WARN : CFW_INFO;
	cfw_buf_printf(&l->words, "exit %d", l->e->code);
	put_names(l, "; cut off: ", "a global hook", f.cut, f.cuts);
	put_names(l, "; hooks failed: ", "global", f.failed, f.fails);
	put_names(l, "; stop failed: ", "?", f.stops, f.bad_stops);
	put_names(l, "; died meanwhile: ", "?", f.died, f.deaths);
	put_names(l, "; not waited for: ", "?", f.left, f.remain);
	return true;
}
