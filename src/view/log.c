/* A log line for each entry of the journal that says something to people. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "core/core.h"
#include "view/view.h"
#include "view/words.h"

struct line {
	const struct cfw_core *core;
	const struct cfw_journal_entry *e;
	cfw_text_fn *text;
	void *ud;
	enum cfw_log_level level; /* of this line */
	enum cfw_log_level least; /* that is written at all */
	struct cfw_buf words;
};

/* Most entries are for the debug level: nothing is composed for a line that nobody wants. */
static bool wanted(struct line *l, enum cfw_log_level level)
{
	l->level = level;
	return level >= l->least;
}

static void put_duration(struct cfw_buf *b, uint64_t ns)
{
	char text[32];
	cfw_buf_puts(b, cfw_view_duration(text, ns));
}

static void put_server(struct line *l)
{
	if (l->e->server) {
		cfw_buf_puts(&l->words, cfw_view_server_name(l->core, l->e->server));
		cfw_buf_puts(&l->words, ": ");
	}
}

static void put_text(struct line *l, const char *before)
{
	const char *text = l->e->text && l->text ? l->text(l->ud, l->e->text) : NULL;
	if (text && *text)
		cfw_buf_printf(&l->words, "%s%s", before, text);
}

/* The trigger of an entry: "SIGTERM", "exit", "custom:deploy". */
static void put_trigger(struct line *l)
{
	const char *name = l->e->trigger_kind == CFW_T_CUSTOM && l->text ? l->text(l->ud, l->e->text) : NULL;
	cfw_buf_puts(&l->words, name ? name : cfw_view_trigger_word(l->e));
}

/* How a server or a process ended by itself. */
static void put_end(struct line *l)
{
	const struct cfw_journal_entry *e = l->e;
	if (e->signo)
		cfw_buf_printf(&l->words, "killed by %s", cfw_signal_name(e->signo));
	else if (e->code > 0)
		cfw_buf_printf(&l->words, "ended by itself, code %d", e->code);
	else
		cfw_buf_puts(&l->words, "ended by itself");
}

/* A stop was taken back: that is the news. */
static bool after_cancel(const struct line *l)
{
	const struct cfw_journal_entry *j = cfw_core_journal(l->core, l->e->seq - 1);
	return j && j->seq == l->e->seq - 1 && j->what == CFW_J_CANCEL;
}

static bool say_life(struct line *l)
{
	bool started = l->e->a == CFW_L_STARTED && !after_cancel(l);
	if (!wanted(l, started ? CFW_INFO : CFW_DEBUG))
		return false;
	if (!started) {
		cfw_buf_printf(&l->words, "life: %s", cfw_life_name((enum cfw_life)l->e->a));
		return true;
	}
	unsigned n = 0;
	struct cfw_server_view v;
	for (cfw_id id = 0; (id = cfw_core_server_next(l->core, id));)
		n += cfw_core_server_view(l->core, id, &v) == 0 && v.state == CFW_S_STARTED;
	cfw_buf_printf(&l->words, "started %u server%s", n, n == 1 ? "" : "s");
	return true;
}

static bool say_server(struct line *l)
{
	enum cfw_server_state is = (enum cfw_server_state)l->e->a, was = (enum cfw_server_state)l->e->b;
	bool news = is == CFW_S_STARTED || (is == CFW_S_DOWN && was >= CFW_S_HELD && was <= CFW_S_POST_STOP);
	if (!wanted(l, news ? CFW_INFO : CFW_DEBUG))
		return false;
	put_server(l);
	struct cfw_stop_view stop;
	cfw_core_stop_view(l->core, &stop);
	bool aborted = was == CFW_S_CUTTING && stop.running && stop.mode == CFW_ABORT && l->e->at_ns < stop.margin_ns;
	if (is == CFW_S_DOWN)
		cfw_buf_puts(&l->words, aborted ? "ended by the abort" : "stopped");
	else if (is == CFW_S_STARTED && (was == CFW_S_HELD || was == CFW_S_PRE_STOP))
		cfw_buf_puts(&l->words, "serves on");
	else
		cfw_buf_puts(&l->words, cfw_server_state_name(is));
	return true;
}

static bool say_trigger(struct line *l)
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
static bool say_decision(struct line *l)
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
static bool say_stop(struct line *l)
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

static bool say_hurry(struct line *l)
{
	l->level = CFW_INFO;
	cfw_buf_puts(&l->words, "the stop is hurried: holds and waits are skipped");
	return true;
}

static bool say_skip(struct line *l)
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

static bool say_cancel(struct line *l)
{
	static const char *const words[] = {"the stop is to be cancelled, as soon as no hook runs",
					    "the stop is cancelled: all is as before",
					    "the stop goes on: it is not cancelled after all"};
	l->level = l->e->a == 2 ? CFW_WARN : CFW_INFO;
	cfw_buf_puts(&l->words, l->e->a < sizeof words / sizeof *words ? words[l->e->a] : "?");
	return true;
}

static bool say_extend(struct line *l)
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

static bool say_margin(struct line *l)
{
	l->level = CFW_WARN;
	cfw_buf_puts(&l->words, "stop: the margin has come");
	if (l->e->a)
		cfw_buf_printf(&l->words, ", %u server%s not stopped", l->e->a, l->e->a == 1 ? "" : "s");
	return true;
}

static bool say_hook_begin(struct line *l)
{
	if (!wanted(l, CFW_DEBUG))
		return false;
	put_server(l);
	cfw_view_put_hook(l->core, l->e->hook, &l->words);
	cfw_buf_puts(&l->words, " begins");
	return true;
}

static bool say_hook_end(struct line *l)
{
	static const struct {
		enum cfw_log_level level;
		const char *words;
	} ends[CFW_OUTCOMES] = {
		[CFW_OK] = {CFW_INFO, " took "},
		[CFW_FAILED] = {CFW_ERROR, " failed after "},
		[CFW_CUT] = {CFW_WARN, " was cut off after "},
		[CFW_EXIT_CALL] = {CFW_INFO, " called os.exit after "},
	};
	const struct cfw_journal_entry *e = l->e;
	unsigned outcome = e->a < CFW_OUTCOMES ? e->a : CFW_FAILED;
	if (!wanted(l, e->b == 2 ? CFW_WARN : e->b ? CFW_ERROR : ends[outcome].level))
		return false;
	struct cfw_hook_view v;
	bool same =
		cfw_core_hook_view(l->core, e->hook, &v) == 0 && (v.run == e->run || !v.run); /* 0: a cancel has forgotten it */
	uint64_t took = same ? cfw_time_left(v.since_ns, e->at_ns) : 0;
	put_server(l);
	cfw_view_put_hook(l->core, e->hook, &l->words);
	cfw_buf_puts(&l->words, e->b == 1   ? " passed its own limit, after "
				: e->b == 2 ? " was skipped after "
					    : ends[outcome].words);
	put_duration(&l->words, took);
	put_text(l, ": ");
	return true;
}

/* A pair of functions never ends by itself: its stop has failed. */
static bool is_functions(const struct cfw_core *core, cfw_id server)
{
	struct cfw_server_view v;
	return cfw_core_server_view(core, server, &v) == 0 && v.kind && !strcmp(v.kind, "server");
}

static bool say_closed(struct line *l)
{
	bool functions = is_functions(l->core, l->e->server);
	l->level = l->e->code > 0 || l->e->signo || functions ? CFW_ERROR : CFW_WARN;
	put_server(l);
	if (functions)
		cfw_buf_puts(&l->words, "stop failed");
	else
		put_end(l);
	put_text(l, ": ");
	return true;
}

static bool say_backoff(struct line *l)
{
	l->level = CFW_WARN;
	put_server(l);
	cfw_view_put_ordinal(&l->words, l->e->a);
	cfw_buf_puts(&l->words, " restart in ");
	put_duration(&l->words, cfw_time_left(l->e->at_ns, l->e->ns));
	return true;
}

static bool say_cut(struct line *l)
{
	struct cfw_stop_view stop;
	cfw_core_stop_view(l->core, &stop);
	uint64_t at = stop.running ? l->e->at_ns : 0;
	bool aborted = stop.running && stop.mode == CFW_ABORT, late = at >= stop.margin_ns;
	bool killed = aborted && stop.deadline_ns == CFW_NEVER; /* S4.14: over before any deadline */
	put_server(l);
	l->level = killed ? CFW_INFO : aborted && !late ? CFW_DEBUG : CFW_WARN;
	if (killed)
		cfw_buf_puts(&l->words, "killed");
	else if (late)
		cfw_buf_puts(&l->words, at >= stop.deadline_ns ? "cut off at the exit timeout" : "cut off at the margin");
	else
		cfw_buf_puts(&l->words, aborted ? "the abort ends it" : "cut off");
	return true;
}

static bool say_start_failed(struct line *l)
{
	l->level = CFW_ERROR;
	put_server(l);
	cfw_buf_puts(&l->words, "failed to start");
	put_text(l, ": ");
	if (l->e->ns && !l->e->text) {
		cfw_buf_puts(&l->words, ": not ready within ");
		put_duration(&l->words, l->e->ns);
	}
	return true;
}

static bool say_late(struct line *l)
{
	l->level = CFW_DEBUG;
	cfw_buf_printf(&l->words, "an answer came too late and is ignored (event %u)", l->e->a);
	return true;
}

static bool say_timeout(struct line *l)
{
	l->level = CFW_ERROR;
	cfw_buf_puts(&l->words, "stop: the exit timeout has come");
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
		if (j->what == CFW_J_CUT && (late || !aborted))
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

static bool say_exit(struct line *l)
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

typedef bool say_fn(struct line *l);
static say_fn *const sayings[CFW_JOURNAL_WHATS] = {
	[CFW_J_LIFE] = say_life,
	[CFW_J_SERVER] = say_server,
	[CFW_J_TRIGGER] = say_trigger,
	[CFW_J_DECISION] = say_decision,
	[CFW_J_REFUSED] = say_decision,
	[CFW_J_STOP] = say_stop,
	[CFW_J_EXTEND] = say_extend,
	[CFW_J_HURRY] = say_hurry,
	[CFW_J_SKIP] = say_skip,
	[CFW_J_CANCEL] = say_cancel,
	[CFW_J_MARGIN] = say_margin,
	[CFW_J_TIMEOUT] = say_timeout,
	[CFW_J_HOOK_BEGIN] = say_hook_begin,
	[CFW_J_HOOK_END] = say_hook_end,
	[CFW_J_CLOSED] = say_closed,
	[CFW_J_BACKOFF] = say_backoff,
	[CFW_J_CUT] = say_cut,
	[CFW_J_START_FAILED] = say_start_failed,
	[CFW_J_LATE] = say_late,
	[CFW_J_EXIT] = say_exit,
};

void cfw_view_log(const struct cfw_core *core, const struct cfw_journal_entry *e, const struct cfw_log *log, cfw_text_fn *text,
		  void *ud)
{
	if (!log || !log->emit || (unsigned)e->what >= CFW_JOURNAL_WHATS || !sayings[e->what])
		return;
	struct cfw_journal_entry mine = *e; /* reading the journal must not move it */
	struct line l = {.core = core, .e = &mine, .text = text, .ud = ud, .least = log->level};
	cfw_buf_init(&l.words);
	if (sayings[e->what](&l) && l.words.data && !l.words.failed)
		cfw_log_with(log, l.level, l.words.data, (const char *)NULL);
	cfw_buf_clear(&l.words);
}
