/* A log line for each entry of the journal that says something to people. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "core/core.h"
#include "view/log_impl.h"
#include "view/view.h"
#include "view/words.h"

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
	bool aborted = stop.running && stop.mode == CFW_ABORT, late = at >= stop.margin_ns && !l->e->b;
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

static say_fn *const sayings[CFW_JOURNAL_WHATS] = {
	[CFW_J_LIFE] = say_life,
	[CFW_J_SERVER] = say_server,
	[CFW_J_TRIGGER] = cfw_say_trigger,
	[CFW_J_DECISION] = cfw_say_decision,
	[CFW_J_REFUSED] = cfw_say_decision,
	[CFW_J_STOP] = cfw_say_stop,
	[CFW_J_EXTEND] = cfw_say_extend,
	[CFW_J_HURRY] = cfw_say_hurry,
	[CFW_J_SKIP] = cfw_say_skip,
	[CFW_J_CANCEL] = cfw_say_cancel,
	[CFW_J_MARGIN] = cfw_say_margin,
	[CFW_J_TIMEOUT] = say_timeout,
	[CFW_J_HOOK_BEGIN] = say_hook_begin,
	[CFW_J_HOOK_END] = say_hook_end,
	[CFW_J_CLOSED] = say_closed,
	[CFW_J_BACKOFF] = say_backoff,
	[CFW_J_CUT] = say_cut,
	[CFW_J_START_FAILED] = say_start_failed,
	[CFW_J_LATE] = say_late,
	[CFW_J_EXIT] = cfw_say_exit,
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
