/* What a stop waits for, now: who, in which phase, since when, until when, and what is left of the budget. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/time.h"
#include "core/core.h"
#include "view/view.h"
#include "view/waits.h"
#include "view/words.h"

struct waiting {
	const struct cfw_core *core;
	const struct cfw_stop_view *stop;
	uint64_t now_ns;
	int width;
	bool color, ascii;
	int room; /* lines that may still be put */
	int left_out;
	size_t who; /* columns of names */
	struct cfw_buf *out;
};

/* In tenths of a second, as often as it is drawn. */
static const char *duration(char text[32], uint64_t ns)
{
	if (ns >= 60 * CFW_SEC)
		return cfw_view_duration(text, ns);
	unsigned tenths = (unsigned)(ns / (100 * CFW_MS));
	snprintf(text, 32, "%u.%us", tenths / 10, tenths % 10);
	return text;
}

static void put_head(struct waiting *w)
{
	enum { GAUGE = 20, GAUGE_LEAST = 8 };
	const struct cfw_stop_view *s = w->stop;
	struct cfw_buf line;
	char left[32], all[32], gauge[GAUGE + 1];
	cfw_buf_init(&line);
	uint64_t budget = cfw_time_left(s->began_ns, s->deadline_ns), rest = cfw_time_left(w->now_ns, s->deadline_ns);
	cfw_buf_printf(&line, "%s, code %d, ",
		       s->mode == CFW_ABORT ? "aborting"
		       : s->cancelling      ? "stopping, to be cancelled"
					    : "stopping",
		       s->code);
	cfw_view_put_cause(w->core, &s->first, &line);
	cfw_buf_printf(&line, ": %s of %s left", duration(left, rest), cfw_view_duration(all, budget));
	size_t used = 0;
	if (w->color)
		cfw_buf_puts(w->out, "\033[1m");
	if (line.data && !line.failed)
		used = cfw_view_put_fit(w->out, line.data, (size_t)w->width, false, w->ascii);
	if (w->color)
		cfw_buf_puts(w->out, "\033[0m");
	size_t room = (size_t)w->width > used + 3 ? (size_t)w->width - used - 3 : 0;
	size_t cells = room < GAUGE ? room : GAUGE;
	if (budget && budget != CFW_NEVER && cells >= GAUGE_LEAST) {
		for (size_t i = 0; i < cells; i++)
			gauge[i] = (double)i * (double)budget < (double)rest * (double)cells ? '#' : '.';
		gauge[cells] = '\0';
		cfw_buf_printf(w->out, " [%s]", gauge);
	}
	cfw_buf_putc(w->out, '\n');
	w->room--;
	cfw_buf_clear(&line);
}

/* One line: who, what it does (and where that is written, which is never cut short), and the times at the right. */
static void put_line(struct waiting *w, const char *who, const char *what, const char *where, uint64_t since_ns,
		     uint64_t until_ns)
{
	enum { TIMES = 25 };
	char since[32], until[32], times[80];
	if (w->room <= 0) {
		w->left_out++;
		return;
	}
	w->room--;
	duration(since, cfw_time_left(since_ns, w->now_ns));
	if (until_ns == CFW_NEVER)
		snprintf(times, sizeof times, " for %s", since);
	else
		snprintf(times, sizeof times, " for %s, cut in %s", since, duration(until, cfw_time_left(w->now_ns, until_ns)));
	size_t width = (size_t)w->width, room = width > 2 * TIMES ? width - TIMES : width / 2;
	cfw_buf_puts(w->out, "  ");
	size_t used = 3 + cfw_view_put_fit(w->out, who, w->who, true, w->ascii);
	cfw_buf_putc(w->out, ' ');
	size_t tail = where ? cfw_view_safe_columns(where) + 3 : 0;
	used += cfw_view_put_fit(w->out, what, room > used + tail ? room - used - tail : 1, false, w->ascii);
	if (where) {
		cfw_buf_puts(w->out, " (");
		used += 3 + cfw_view_put_fit(w->out, where, room > used + 3 ? room - used - 3 : 1, false, w->ascii);
		cfw_buf_putc(w->out, ')');
	}
	for (; used < room; used++)
		cfw_buf_putc(w->out, ' ');
	if (w->color)
		cfw_buf_puts(w->out, "\033[2m");
	cfw_view_put_fit(w->out, times, width > used ? width - used : 0, false, w->ascii);
	cfw_buf_puts(w->out, w->color ? "\033[0m\n" : "\n");
}

static const char *activity(const char *phase)
{
	return !strcmp(phase, "start")  ? "is still starting"
	       : !strcmp(phase, "stop") ? "stops"
					: "was cut off, is not gone yet";
}

/* One thing that is waited for, as cfw_view_waits tells it. */
static void put_wait(void *ud, const struct cfw_view_wait *v)
{
	struct waiting *w = ud;
	const char *who = v->server ? cfw_view_server_name(w->core, v->server) : "(global)";
	if (!v->hook) {
		put_line(w, who, activity(v->phase), NULL, v->since_ns, v->until_ns);
		return;
	}
	struct cfw_buf what;
	cfw_buf_init(&what);
	cfw_buf_puts(&what, v->phase);
	if (v->name)
		cfw_buf_printf(&what, " \"%s\"", v->name);
	put_line(w, who, what.data ? what.data : "hook", v->where, v->since_ns, v->until_ns);
	cfw_buf_clear(&what);
}

static void measure_one(void *ud, const struct cfw_view_wait *v)
{
	struct waiting *w = ud;
	size_t n = v->server ? cfw_view_safe_columns(cfw_view_server_name(w->core, v->server)) : sizeof "(global)" - 1;
	w->who = n > w->who ? n : w->who;
}

/* "  then: db, cache": those that wait until all that depend on them are done. */
static void put_held(struct waiting *w)
{
	struct cfw_buf names;
	struct cfw_server_view v;
	cfw_buf_init(&names);
	for (cfw_id id = 0; (id = cfw_core_server_next(w->core, id));)
		if (cfw_core_server_view(w->core, id, &v) == 0 && v.state == CFW_S_HELD)
			cfw_buf_printf(&names, "%s%s", names.len ? ", " : "  then: ", v.name);
	if (names.data && !names.failed && w->room > 0) {
		cfw_view_put_fit(w->out, names.data, (size_t)w->width, false, w->ascii);
		cfw_buf_putc(w->out, '\n');
		w->room--;
	}
	cfw_buf_clear(&names);
}

void cfw_view_waiting(const struct cfw_core *core, uint64_t now_ns, int width, int height, bool color, bool ascii,
		      struct cfw_buf *out)
{
	enum { LEAST = 4, MOST = 16 };
	struct cfw_stop_view stop;
	cfw_core_stop_view(core, &stop);
	if (!stop.running || height < 1 || width < 1)
		return;
	struct waiting w = {
		.core = core, .stop = &stop, .now_ns = now_ns, .width = width, .color = color, .ascii = ascii, .out = out};
	w.room = height;
	w.who = LEAST; /* the column of names is as wide as the widest that is waited for */
	cfw_view_waits(core, measure_one, &w);
	w.who = w.who < MOST ? w.who : MOST;
	put_head(&w);
	w.room -= height > 3 ? 2 : 0; /* for the last two lines */
	cfw_view_waits(core, put_wait, &w);
	w.room += height > 3 ? 2 : 0;
	if (w.left_out && w.room > 0) {
		cfw_buf_printf(out, "  and %d more\n", w.left_out);
		w.room--;
	}
	put_held(&w);
}
