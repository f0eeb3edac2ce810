/* The timeline of the last stop, on one screen:
 *
 *   stop took 1.24s of 5s, code 0, because of SIGTERM
 *                    |0        |200ms    |400ms         took
 *                    v SIGTERM                 exit 0 |
 *   web              ==========########                620ms
 *     pre_stop "hi"  ==========                        250ms
 *
 * A line is put together cell by cell; nothing that matters is told by colour alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/time.h"
#include "view/canvas.h"
#include "view/timeline.h"
#include "view/view.h"
#include "view/words.h"

static const struct {
	const char *unicode, *ascii, *color, *legend;
} glyphs[GLYPHS] = {
	[G_BLANK] = {" ", " ", "", NULL},
	[G_MARGIN] = {"┊", ":", "2", NULL},
	[G_WAITS] = {"·", ".", "2", "waits its turn"},
	[G_STARTS] = {"░", "~", "36", "starts"},
	[G_HOOK] = {"▒", "=", "33", "hook"},
	[G_STOPS] = {"█", "#", "34", "stops"},
	[G_CUT] = {"✗", "x", "1;31", "cut"},
	[G_FLAW] = {"!", "!", "1;31", "failed"},
};

enum { LABEL_MIN = 12, BAR_MIN = 10, BAR_MAX = 400, MARK = 7 };

static const char *const mark_words[ROW_MARKS] = {
	[MARK_NONE] = "",         [MARK_EXIT] = "exit",   [MARK_DIED] = "died",
	[MARK_FAILED] = "failed", [MARK_LIMIT] = "limit", [MARK_CUT] = "cut",
};

static void put_label(const struct timeline *t, const struct row *r, bool indent, struct cfw_buf *b)
{
	if (!r->hook) {
		cfw_buf_puts(b, cfw_view_server_name(t->core, r->server));
		return;
	}
	if (indent && r->server)
		cfw_buf_puts(b, "  ");
	else if (r->server)
		cfw_buf_printf(b, "%s ", cfw_view_server_name(t->core, r->server));
	struct cfw_hook_view v;
	if (cfw_core_hook_view(t->core, r->hook, &v) != 0) {
		cfw_buf_puts(b, "hook");
		return;
	}
	cfw_buf_puts(b, cfw_view_phase_name((int)v.phase));
	if (v.name || v.where)
		cfw_buf_printf(b, " %s", v.name ? v.name : v.where);
}

void cfw_timeline_put_label(const struct timeline *t, const struct row *r, struct cfw_buf *out)
{
	put_label(t, r, false, out);
}

static bool server_shown(const struct timeline *t, const struct row *r)
{
	for (size_t i = 0; i < t->nrows; i++)
		if (t->rows[i].server == r->server && !t->rows[i].hook)
			return t->rows[i].shown;
	return false;
}

static void fill_bar(const struct canvas *c, size_t row, unsigned char *cells)
{
	static const unsigned char looks[SPANS] = {[SPAN_WAITS] = G_WAITS,
						   [SPAN_STARTS] = G_STARTS,
						   [SPAN_HOOK] = G_HOOK,
						   [SPAN_STOPS] = G_STOPS,
						   [SPAN_CUT] = G_CUT};
	const struct timeline *t = c->t;
	size_t last = 0;
	memset(cells, G_BLANK, c->bar);
	if (t->margin_ns <= c->end_ns)
		cells[cfw_canvas_cell(c, t->margin_ns)] = G_MARGIN;
	for (size_t i = 0; i < t->nspans; i++) {
		const struct span *s = &t->spans[i];
		if (s->row != row)
			continue;
		uint64_t to = s->to_ns == CFW_NEVER ? t->ended_ns : s->to_ns;
		size_t from = cfw_canvas_cell(c, s->from_ns), until = cfw_canvas_cell(c, to);
		/* A cell is filled when the span was in it; the cell where it ended belongs to what came next. */
		if (until == from || (to >= c->end_ns && until == c->bar - 1))
			until++;
		memset(cells + from, looks[s->what], until - from);
		last = until - 1;
	}
	if (t->rows[row].mark == MARK_CUT)
		cells[last] = G_CUT;
	else if (t->rows[row].mark >= MARK_DIED)
		cells[last] = G_FLAW;
}

static void put_bar(struct canvas *c, const unsigned char *cells)
{
	const char *color = "";
	for (size_t i = 0; i < c->bar; i++) {
		c->used[cells[i]] = true;
		if (c->color && strcmp(color, glyphs[cells[i]].color) != 0) {
			cfw_canvas_unpaint(c, color);
			color = glyphs[cells[i]].color;
			cfw_canvas_paint(c, color);
		}
		cfw_buf_puts(c->out, c->ascii ? glyphs[cells[i]].ascii : glyphs[cells[i]].unicode);
	}
	cfw_canvas_unpaint(c, color);
}

static void put_row(struct canvas *c, size_t i)
{
	const struct timeline *t = c->t;
	const struct row *r = &t->rows[i];
	unsigned char cells[BAR_MAX];
	struct cfw_buf label;
	char took[32];
	cfw_buf_init(&label);
	put_label(t, r, server_shown(t, r), &label);
	cfw_view_put_fit(c->out, label.data && !label.failed ? label.data : "?", c->label, true, c->ascii);
	cfw_buf_clear(&label);
	cfw_buf_puts(c->out, !r->path_ns ? " " : c->ascii ? "*" : "•"); /* the end waited for it */
	fill_bar(c, i, cells);
	put_bar(c, cells);
	bool begun = r->from_ns != CFW_NEVER;
	cfw_buf_printf(c->out, "%*s", CFW_CANVAS_TOOK, begun ? cfw_view_duration(took, cfw_timeline_took(t, r)) : "-");
	if (r->mark) {
		const char *color = r->mark == MARK_EXIT ? "" : "1;31";
		cfw_buf_putc(c->out, ' ');
		cfw_canvas_paint(c, color);
		cfw_buf_puts(c->out, mark_words[r->mark]);
		cfw_canvas_unpaint(c, color);
	}
	cfw_buf_putc(c->out, '\n');
}

/* What is to be kept when there is no room for all: flaws first, then what the end waited for, then the longest. */
static bool matters_more(const struct timeline *t, const struct row *a, const struct row *b)
{
	bool flaw_a = a->mark >= MARK_DIED, flaw_b = b->mark >= MARK_DIED;
	if (flaw_a != flaw_b)
		return flaw_a;
	if (a->path_ns != b->path_ns)
		return a->path_ns > b->path_ns;
	return cfw_timeline_took(t, a) > cfw_timeline_took(t, b);
}

static void choose_rows(struct timeline *t, size_t room)
{
	for (size_t i = 0; i < t->nrows; i++)
		t->rows[i].shown = t->nrows <= room;
	for (size_t n = 0; t->nrows > room && n < room; n++) {
		struct row *best = NULL;
		for (size_t i = 0; i < t->nrows; i++)
			if (!t->rows[i].shown && (!best || matters_more(t, &t->rows[i], best)))
				best = &t->rows[i];
		if (best)
			best->shown = true;
	}
}

static void put_rest(const struct canvas *c)
{
	size_t n = 0;
	uint64_t longest = 0;
	char took[32];
	for (size_t i = 0; i < c->t->nrows; i++)
		if (!c->t->rows[i].shown) {
			n++;
			longest = cfw_time_max(longest, cfw_timeline_took(c->t, &c->t->rows[i]));
		}
	if (n)
		cfw_buf_printf(c->out, "and %zu more, none longer than %s\n", n, cfw_view_duration(took, longest));
}

/* ---- the whole ---- */

static void put_headline(struct canvas *c)
{
	const struct timeline *t = c->t;
	struct cfw_buf line;
	char took[32], budget[32];
	cfw_buf_init(&line);
	if (t->killed) {
		cfw_buf_puts(&line, "killed at once"); /* S4.14 */
	} else {
		cfw_buf_puts(&line, cfw_timeline_kind(t));
		cfw_buf_printf(&line, " took %s of %s", cfw_view_duration(took, cfw_time_left(t->began_ns, t->ended_ns)),
			       cfw_view_duration(budget, cfw_time_left(t->began_ns, t->deadline_ns)));
	}
	if (t->exited)
		cfw_buf_printf(&line, ", code %d", t->code);
	struct cfw_trigger cause = t->cause;
	cause.count = 0;
	cfw_buf_puts(&line, ", ");
	cfw_view_put_cause(t->core, &cause, &line);
	const char *color = t->exited && t->code ? "1;31" : "1";
	cfw_canvas_paint(c, color);
	if (line.data && !line.failed)
		cfw_view_put_fit(c->out, line.data, c->label + 1 + c->bar + c->right, false, c->ascii);
	cfw_canvas_unpaint(c, color);
	cfw_buf_putc(c->out, '\n');
	cfw_buf_clear(&line);
}

static void put_legend(const struct canvas *c)
{
	bool any = false;
	for (size_t g = 0; g < GLYPHS; g++) {
		if (!c->used[g] || !glyphs[g].legend)
			continue;
		cfw_buf_puts(c->out, any ? "   " : "");
		cfw_canvas_paint(c, glyphs[g].color);
		cfw_buf_puts(c->out, c->ascii ? glyphs[g].ascii : glyphs[g].unicode);
		cfw_canvas_unpaint(c, glyphs[g].color);
		cfw_buf_printf(c->out, " %s", glyphs[g].legend);
		any = true;
	}
	if (any)
		cfw_buf_putc(c->out, '\n');
}

/* Of those whose cost comes after last's, the greatest; of the same cost, in their order. NULL: there is no more. */
static const struct row *next_cost(const struct timeline *t, const struct row *last)
{
	const struct row *best = NULL;
	for (const struct row *r = t->rows; r < t->rows + t->nrows; r++) {
		bool later = !last || r->path_ns < last->path_ns || (r->path_ns == last->path_ns && r > last);
		if (r->path_ns && later && (!best || r->path_ns > best->path_ns))
			best = r;
	}
	return best;
}

/* Who cost the end how much: the critical path by its shares, as far as the line goes. */
static void put_blame(struct canvas *c)
{
	enum { NAMED = 5 };
	const struct timeline *t = c->t;
	uint64_t whole = cfw_time_left(t->began_ns, t->ended_ns);
	const struct row *r = NULL;
	struct cfw_buf line;
	char took[32];
	cfw_buf_init(&line);
	for (size_t n = 0; n < NAMED && whole && t->nrows && (r = next_cost(t, r)); n++) {
		cfw_buf_puts(&line, n ? ", " : c->ascii ? "* it waited for: " : "• it waited for: ");
		put_label(t, r, false, &line);
		cfw_buf_printf(&line, " %s (%u%%)", cfw_view_duration(took, r->path_ns), (unsigned)(r->path_ns * 100 / whole));
	}
	if (line.len && t->own_ns * 100 >= whole)
		cfw_buf_printf(&line, "; curfew itself %s", cfw_view_duration(took, t->own_ns));
	if (line.data && !line.failed) {
		cfw_view_put_fit(c->out, line.data, c->label + 1 + c->bar + c->right, false, c->ascii);
		cfw_buf_putc(c->out, '\n');
	}
	cfw_buf_clear(&line);
}

/* Labels get what they need, at most nine twentieths; the bars the rest. */
static void lay_out(struct canvas *c, size_t width)
{
	const struct timeline *t = c->t;
	size_t widest = LABEL_MIN;
	bool marks = false;
	struct cfw_buf label, shown;
	cfw_buf_init(&label);
	cfw_buf_init(&shown);
	for (size_t i = 0; i < t->nrows; i++) {
		cfw_buf_reset(&label);
		put_label(t, &t->rows[i], true, &label);
		size_t n = label.data ? cfw_view_put_fit(&shown, label.data, width, false, c->ascii) : 0;
		widest = n > widest ? n : widest;
		marks |= t->rows[i].mark != MARK_NONE;
	}
	cfw_buf_clear(&label);
	cfw_buf_clear(&shown);
	c->right = CFW_CANVAS_TOOK + (marks ? MARK : 0);
	c->label = widest < width * 9 / 20 ? widest : width * 9 / 20;
	size_t taken = c->label + 1 + c->right;
	c->bar = width > taken + BAR_MIN ? width - taken : BAR_MIN;
	c->bar = c->bar < BAR_MAX ? c->bar : BAR_MAX;
	/* A margin that was nearly reached is worth seeing. */
	uint64_t took = cfw_time_left(t->began_ns, t->ended_ns), margin = cfw_time_left(t->began_ns, t->margin_ns);
	c->end_ns = took < margin && took >= margin / 5 * 4 ? t->margin_ns : t->ended_ns;
}

void cfw_view_timeline(const struct cfw_core *core, int width, int height, bool color, bool ascii, struct cfw_buf *out)
{
	struct timeline t;
	cfw_timeline_gather(&t, core);
	if (t.found && !t.failed) {
		struct canvas c = {.t = &t, .out = out, .color = color, .ascii = ascii};
		lay_out(&c, width < 40 ? 40 : (size_t)width);
		put_headline(&c);
		cfw_canvas_axis(&c);
		int lines = 2 + cfw_canvas_marks(&c) + 4; /* legend, blame, what was left out, the prompt that follows */
		choose_rows(&t, height > lines + 1 ? (size_t)(height - lines) : 1);
		for (size_t i = 0; i < t.nrows; i++)
			if (t.rows[i].shown)
				put_row(&c, i);
		put_rest(&c);
		put_legend(&c);
		put_blame(&c);
	}
	cfw_timeline_clear(&t);
}
