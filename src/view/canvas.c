#include "view/canvas.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/time.h"
#include "view/timeline.h"
#include "view/words.h"

enum { MARK_LINES = 3 };

void cfw_canvas_paint(const struct canvas *c, const char *color)
{
	if (c->color && *color)
		cfw_buf_printf(c->out, "\033[%sm", color);
}

void cfw_canvas_unpaint(const struct canvas *c, const char *color)
{
	if (c->color && *color)
		cfw_buf_puts(c->out, "\033[0m");
}

static void put_spaces(struct cfw_buf *b, size_t n)
{
	while (n-- > 0)
		cfw_buf_putc(b, ' ');
}

size_t cfw_canvas_cell(const struct canvas *c, uint64_t at_ns)
{
	uint64_t length = cfw_time_left(c->t->began_ns, c->end_ns), at = cfw_time_left(c->t->began_ns, at_ns);
	if (length == 0)
		return 0;
	double cell = (double)at / (double)length * (double)c->bar;
	return cell >= (double)c->bar ? c->bar - 1 : (size_t)cell;
}

static uint64_t tick_step(const struct canvas *c, uint64_t length)
{
	size_t ticks = c->bar / 8 ? c->bar / 8 : 1;
	uint64_t step = 1, least = length / ticks + (length % ticks > 0);
	static const unsigned factors[] = {2, 5, 10};
	for (;;) {
		for (size_t i = 0; i < sizeof factors / sizeof factors[0]; i++)
			if (step * factors[i] >= least)
				return step * factors[i];
		step *= 10;
	}
}

void cfw_canvas_axis(const struct canvas *c)
{
	uint64_t length = c->end_ns - c->t->began_ns, step = tick_step(c, length);
	size_t used = 0;
	put_spaces(c->out, c->label + 1);
	cfw_canvas_paint(c, "2");
	for (uint64_t at = 0; at <= length; at += step) {
		char text[32];
		size_t cell = cfw_canvas_cell(c, c->t->began_ns + at);
		const char *label = at ? cfw_view_duration(text, at) : "0";
		size_t n = strlen(label) + 1;
		if (cell < used || cell + n > c->bar)
			continue;
		put_spaces(c->out, cell - used);
		cfw_buf_puts(c->out, c->ascii ? "|" : "│");
		cfw_buf_puts(c->out, label);
		used = cell + n;
	}
	put_spaces(c->out, c->bar - used + CFW_CANVAS_TOOK - 4);
	cfw_buf_puts(c->out, "took");
	cfw_canvas_unpaint(c, "2");
	cfw_buf_putc(c->out, '\n');
}

struct flag {
	char text[40];
	size_t from, columns;
};

static void set_flag(const struct canvas *c, const struct mark *m, struct flag *f)
{
	const char *unicode = "▼ ", *ascii = "v ";
	char words[32];
	switch (m->what) {
	case MARK_TRIGGER:
		snprintf(words, sizeof words, "%s", cfw_trigger_name(m->kind, m->signo));
		break;
	case MARK_ABORT:
		snprintf(words, sizeof words, "abort");
		break;
	case MARK_EXTEND:
		snprintf(words, sizeof words, "extended");
		break;
	case MARK_MARGIN:
		unicode = "┊ ", ascii = ": ";
		snprintf(words, sizeof words, "margin");
		break;
	case MARK_TIMEOUT:
		unicode = "┃ ", ascii = "| ";
		snprintf(words, sizeof words, "exit timeout");
		break;
	case MARK_END:
	default:
		unicode = "■ ", ascii = "| ";
		if (c->t->exited)
			snprintf(words, sizeof words, "exit %d", c->t->code);
		else
			snprintf(words, sizeof words, "%s", c->t->cancelled ? "cancelled" : "stopped");
	}
	size_t cell = cfw_canvas_cell(c, m->at_ns), n = strlen(words) + 2;
	f->columns = n;
	f->from = cell;
	snprintf(f->text, sizeof f->text, "%s%s", c->ascii ? ascii : unicode, words);
	if (cell + n > c->bar && cell + 1 >= n) { /* no room to its right: to its left */
		f->from = cell + 1 - n;
		snprintf(f->text, sizeof f->text, "%s %.1s", words, ascii);
		if (!c->ascii)
			snprintf(f->text, sizeof f->text, "%s %.3s", words, unicode); /* one code point: three bytes */
	}
}

static bool overlaps(const struct flag *a, const struct flag *b)
{
	return a->from < b->from + b->columns + 1 && b->from < a->from + a->columns + 1;
}

static bool same_mark(const struct mark *a, const struct mark *b)
{
	return a->what == b->what && a->at_ns == b->at_ns && a->kind == b->kind && a->signo == b->signo;
}

/* Put what fits of the flags that have not been put; how many are left. */
static size_t put_flag_line(const struct canvas *c, const struct flag *flags, bool *done, size_t n)
{
	size_t left = 0, picked[16], npicked = 0, used = 0;
	for (size_t i = 0; i < n; i++) {
		bool fits =
			!done[i] && npicked < sizeof picked / sizeof picked[0] && flags[i].from + flags[i].columns <= c->bar;
		for (size_t k = 0; fits && k < npicked; k++)
			fits = !overlaps(&flags[i], &flags[picked[k]]);
		if (fits) {
			size_t at = npicked++;
			for (; at > 0 && flags[picked[at - 1]].from > flags[i].from; at--)
				picked[at] = picked[at - 1];
			picked[at] = i;
			done[i] = true;
		}
		left += !done[i];
	}
	if (npicked == 0)
		return 0; /* what is left never fits */
	put_spaces(c->out, c->label + 1);
	for (size_t k = 0; k < npicked; k++) {
		const struct flag *f = &flags[picked[k]];
		put_spaces(c->out, f->from - used);
		cfw_buf_puts(c->out, f->text);
		used = f->from + f->columns;
	}
	cfw_buf_putc(c->out, '\n');
	return left;
}

int cfw_canvas_marks(const struct canvas *c)
{
	enum { MOST = 24 };
	struct flag flags[MOST];
	bool done[MOST] = {false};
	size_t n = 0;
	const struct timeline *t = c->t;
	struct mark end = {.what = MARK_END, .at_ns = t->ended_ns};
	struct mark margin = {.what = MARK_MARGIN, .at_ns = t->margin_ns};
	bool margin_seen = t->margin_ns > c->end_ns;
	if (t->ended || t->exited)
		set_flag(c, &end, &flags[n++]);
	for (size_t i = 0; i < t->nmarks && n < MOST - 1; i++) {
		if (i > 0 && same_mark(&t->marks[i], &t->marks[i - 1]))
			continue;
		margin_seen |= t->marks[i].what == MARK_MARGIN;
		set_flag(c, &t->marks[i], &flags[n++]);
	}
	if (!margin_seen)
		set_flag(c, &margin, &flags[n++]);
	int lines = 0;
	for (size_t left = n; left > 0 && lines < MARK_LINES; lines++)
		left = put_flag_line(c, flags, done, n);
	return lines;
}
