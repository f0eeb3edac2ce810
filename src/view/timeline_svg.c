/* timeline_svg.c: the timeline as a picture: the same rows, with the critical path outlined and joined. */
#include <stdio.h>

#include "base/buf.h"
#include "base/time.h"
#include "view/svg.h"
#include "view/timeline.h"
#include "view/view.h"
#include "view/words.h"

enum { LABEL = 320, BAR = 700, TOOK = 130, ROW = 22, TOP = 76, PAD = 14, LEGEND = 34 };

struct picture {
	const struct timeline *t;
	struct cfw_buf *b;
	uint64_t end_ns; /* of the axis */
};

static double x_of(const struct picture *s, uint64_t at_ns)
{
	uint64_t whole = cfw_time_left(s->t->began_ns, s->end_ns), at = cfw_time_left(s->t->began_ns, at_ns);
	return PAD + LABEL + BAR * (whole ? (double)cfw_time_min(at, whole) / (double)whole : 0.0);
}

static int y_of(size_t row)
{
	return TOP + (int)row * ROW;
}

static void put_at(struct cfw_buf *b, double x, int y, const char *class, const char *anchor, const char *text)
{
	cfw_buf_printf(b, "<text class=\"%s\" text-anchor=\"%s\" x=\"%.1f\" y=\"%d\">", class, anchor, x, y);
	cfw_svg_put_text(b, text);
	cfw_buf_puts(b, "</text>\n");
}

static void put_span(const struct picture *s, const struct span *span, const char *label)
{
	static const char *const classes[SPANS] = {"waits", "starts", "hook", "stops", "cut"};
	uint64_t to = span->to_ns == CFW_NEVER ? s->t->ended_ns : span->to_ns;
	double from = x_of(s, span->from_ns), wide = x_of(s, to) - from;
	int thin = span->what == SPAN_WAITS ? 7 : 0;
	char took[32];
	cfw_buf_printf(s->b, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"><title>", classes[span->what],
		       from, y_of(span->row) + 3 + thin, wide < 1 ? 1 : wide, ROW - 6 - 2 * thin);
	cfw_svg_put_text(s->b, label);
	cfw_buf_printf(s->b, ": %s, %s</title></rect>\n", classes[span->what],
		       cfw_view_duration(took, cfw_time_left(span->from_ns, to)));
}

static void put_row(const struct picture *s, size_t i)
{
	static const char *const words[ROW_MARKS] = {
		[MARK_NONE] = "",           [MARK_EXIT] = ", exit",   [MARK_DIED] = ", died",
		[MARK_FAILED] = ", failed", [MARK_LIMIT] = ", limit", [MARK_CUT] = ", cut",
	};
	const struct row *r = &s->t->rows[i];
	struct cfw_buf label;
	char took[32], text[48];
	cfw_buf_init(&label);
	cfw_timeline_put_label(s->t, r, &label);
	const char *name = label.data && !label.failed ? label.data : "?";
	put_at(s->b, PAD + (r->hook && r->server ? 16 : 0), y_of(i) + 15, r->path_ns ? "path" : "name", "start", name);
	for (size_t k = 0; k < s->t->nspans; k++)
		if (s->t->spans[k].row == i)
			put_span(s, &s->t->spans[k], name);
	snprintf(text, sizeof text, "%s%s", r->from_ns == CFW_NEVER ? "-" : cfw_view_duration(took, cfw_timeline_took(s->t, r)),
		 words[r->mark]);
	put_at(s->b, PAD + LABEL + BAR + 8, y_of(i) + 15, r->mark >= MARK_DIED ? "flaw" : "name", "start", text);
	cfw_buf_clear(&label);
}

/* An outline around each part, and a line to the next one. */
static void put_path(const struct picture *s)
{
	const struct step *last = NULL;
	for (size_t i = 0; i < s->t->npath; i++) {
		const struct step *p = &s->t->path[i];
		double from = x_of(s, p->from_ns), to = x_of(s, p->to_ns);
		if (p->row == NO_ROW)
			continue;
		cfw_buf_printf(s->b, "<rect class=\"critical\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", from,
			       y_of(p->row) + 2, to - from < 1 ? 1 : to - from, ROW - 4);
		if (last)
			cfw_buf_printf(s->b, "<path class=\"critical\" d=\"M%.1f %dL%.1f %d\"/>\n", x_of(s, last->to_ns),
				       y_of(last->row) + ROW / 2, from, y_of(p->row) + ROW / 2);
		last = p;
	}
}

/* Some round number of seconds between the lines: at most eight of them. */
static uint64_t axis_step(uint64_t whole)
{
	uint64_t step = 1000; /* 1 us */
	static const unsigned grow[] = {2, 5, 10};
	for (uint64_t unit = step;; unit *= 10)
		for (size_t i = 0; i < 3; i++) {
			if (whole / step < 8)
				return step;
			step = unit * grow[i];
		}
}

static void put_axis(const struct picture *s, int bottom)
{
	uint64_t whole = cfw_time_left(s->t->began_ns, s->end_ns), step = axis_step(whole);
	char text[32];
	for (uint64_t at = 0; at <= whole; at += step) {
		double x = x_of(s, s->t->began_ns + at);
		cfw_buf_printf(s->b, "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x, TOP - 4, x,
			       bottom);
		put_at(s->b, x, TOP - 8, "name", at ? "middle" : "start", cfw_view_duration(text, at));
	}
}

static void put_line(const struct picture *s, uint64_t at_ns, const char *class, const char *word, int bottom, int y)
{
	double x = x_of(s, at_ns);
	bool right = x > PAD + LABEL + BAR * 0.5;
	cfw_buf_printf(s->b, "<line class=\"%s\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", class, x, y - 8, x, bottom);
	put_at(s->b, right ? x - 4 : x + 4, y, class, right ? "end" : "start", word);
}

static void put_marks(const struct picture *s, int bottom)
{
	static const char *const words[] = {
		[MARK_TRIGGER] = "",      [MARK_ABORT] = "abort",          [MARK_EXTEND] = "extended",
		[MARK_MARGIN] = "margin", [MARK_TIMEOUT] = "exit timeout", [MARK_END] = "end"};
	for (size_t i = 0; i < s->t->nmarks; i++) {
		const struct mark *m = &s->t->marks[i];
		put_line(s, m->at_ns, m->what >= MARK_MARGIN ? "limit" : "event",
			 m->what == MARK_TRIGGER ? cfw_trigger_name(m->kind, m->signo) : words[m->what], bottom,
			 i % 2 ? TOP - 36 : TOP - 24);
	}
}

static void put_legend(const struct picture *s, int y)
{
	static const struct {
		const char *class, *word;
	} legend[] = {{"waits", "waits its turn"}, {"starts", "starts"}, {"hook", "hook"},
		      {"stops", "stops"},          {"cut", "cut off"},   {"critical", "the end waited for it"}};
	int x = PAD + LABEL;
	for (size_t i = 0; i < sizeof legend / sizeof *legend; i++, x += 118) {
		int thin = i ? 0 : 4;
		cfw_buf_printf(s->b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"16\" height=\"%d\"/>\n", legend[i].class, x,
			       y + thin, 12 - 2 * thin);
		put_at(s->b, x + 21, y + 10, "name", "start", legend[i].word);
	}
}

static void put_title(const struct picture *s)
{
	const struct timeline *t = s->t;
	struct cfw_buf line;
	char took[32], budget[32];
	struct cfw_trigger cause = t->cause;
	cause.count = 0;
	cfw_buf_init(&line);
	cfw_buf_printf(&line, "%s took %s of %s", cfw_timeline_kind(t),
		       cfw_view_duration(took, cfw_time_left(t->began_ns, t->ended_ns)),
		       cfw_view_duration(budget, cfw_time_left(t->began_ns, t->deadline_ns)));
	if (t->exited)
		cfw_buf_printf(&line, ", code %d", t->code);
	cfw_buf_puts(&line, ", ");
	cfw_view_put_cause(t->core, &cause, &line);
	const char *words = line.data && !line.failed ? line.data : "stop";
	cfw_buf_puts(s->b, "<title>"); /* of the document, for whoever does not see it */
	cfw_svg_put_text(s->b, words);
	cfw_buf_puts(s->b, "</title>\n");
	put_at(s->b, PAD, 24, "title", "start", words);
	cfw_buf_clear(&line);
}

void cfw_view_timeline_svg(const struct cfw_core *core, struct cfw_buf *out)
{
	struct timeline t;
	cfw_timeline_gather(&t, core);
	if (t.found && !t.failed) {
		struct picture s = {.t = &t, .b = out, .end_ns = t.ended_ns};
		int bottom = y_of(t.nrows) + 4, width = PAD * 2 + LABEL + BAR + TOOK, height = bottom + LEGEND;
		cfw_buf_printf(
			out,
			"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n<style>"
			"text{font:12px sans-serif;fill:#222}text.title{font:bold 15px sans-serif}text.path{font-weight:bold}"
			"text.flaw,text.limit{fill:#b3261e}text.event{fill:#444;font-style:italic}rect.waits{fill:#c9ccd1}"
			"rect.starts{fill:#8ab8b0}rect.hook{fill:#e0a83a}rect.stops{fill:#5b8db8}rect.cut{fill:#b3261e}"
			"rect.critical,path.critical{fill:none;stroke:#111;stroke-width:1.6}line.grid{stroke:#e4e6e9}"
			"line.event{stroke:#888;stroke-dasharray:3 3}line.limit{stroke:#b3261e;stroke-dasharray:5 3}</style>\n"
			"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
			width, height, width, height);
		put_title(&s);
		put_axis(&s, bottom);
		for (size_t i = 0; i < t.nrows; i++)
			put_row(&s, i);
		put_path(&s);
		put_marks(&s, bottom);
		put_legend(&s, bottom + 12);
		cfw_buf_puts(out, "</svg>\n");
	}
	out->failed |= t.failed;
	cfw_timeline_clear(&t);
}
