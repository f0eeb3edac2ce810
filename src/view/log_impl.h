/* log_impl.h: a line of the log while it is put together; for log.c and log_stop.c. */
#ifndef CFW_VIEW_LOG_IMPL_H
#define CFW_VIEW_LOG_IMPL_H

#include "base/buf.h"
#include "base/log.h"
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
static inline bool wanted(struct line *l, enum cfw_log_level level)
{
	l->level = level;
	return level >= l->least;
}

static inline void put_duration(struct cfw_buf *b, uint64_t ns)
{
	char text[32];
	cfw_buf_puts(b, cfw_view_duration(text, ns));
}

static inline void put_server(struct line *l)
{
	if (l->e->server) {
		cfw_buf_puts(&l->words, cfw_view_server_name(l->core, l->e->server));
		cfw_buf_puts(&l->words, ": ");
	}
}

static inline void put_text(struct line *l, const char *before)
{
	const char *text = l->e->text && l->text ? l->text(l->ud, l->e->text) : NULL;
	if (text && *text)
		cfw_buf_printf(&l->words, "%s%s", before, text);
}

/* The trigger of an entry: "SIGTERM", "exit", "custom:deploy". */
static inline void put_trigger(struct line *l)
{
	const char *name = l->e->trigger_kind == CFW_T_CUSTOM && l->text ? l->text(l->ud, l->e->text) : NULL;
	cfw_buf_puts(&l->words, name ? name : cfw_view_trigger_word(l->e));
}

/* A pair of functions never ends by itself: its stop has failed. */
static inline bool is_functions(const struct cfw_core *core, cfw_id server)
{
	struct cfw_server_view v;
	return cfw_core_server_view(core, server, &v) == 0 && v.kind && !strcmp(v.kind, "server");
}

/* log_stop.c: true when the entry says something to people. */
typedef bool say_fn(struct line *l);
say_fn cfw_say_trigger, cfw_say_decision, cfw_say_stop, cfw_say_hurry, cfw_say_skip, cfw_say_cancel, cfw_say_extend,
	cfw_say_margin, cfw_say_exit;

#endif
