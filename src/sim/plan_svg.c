/* plan_svg.c: the worst case as a picture: a row a server and a hook, from the beginning of the stop to the exit timeout. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/time.h"
#include "sim/plan.h"
#include "view/svg.h"
#include "view/words.h"

enum { LABEL = 300, BAR = 640, ROW = 22, TOP = 64, PAD = 12 };

struct picture {
	const struct cfw_plan *p;
	struct cfw_buf *b;
	uint64_t span_ns;
	int row;
};

static double x_of(const struct picture *s, uint64_t ns)
{
	if (ns > s->span_ns)
		ns = s->span_ns;
	return PAD + LABEL + BAR * ((double)ns / (double)s->span_ns);
}

static void put_row(struct picture *s, const char *label, int indent, const char *class, const struct cfw_plan_time *t)
{
	int y = TOP + s->row++ * ROW;
	char took[32];
	cfw_buf_printf(s->b, "<text x=\"%d\" y=\"%d\">", PAD + indent, y + 15);
	cfw_svg_put_text(s->b, label);
	cfw_buf_puts(s->b, "</text>\n");
	if (t->begin_ns == CFW_NEVER)
		return;
	uint64_t end = t->end_ns == CFW_NEVER ? s->p->worst.end_ns : t->end_ns;
	double from = x_of(s, t->begin_ns), to = x_of(s, end);
	cfw_buf_printf(s->b, "<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"><title>",
		       t->cut ? "cut" : class, from, y + 3, to > from + 1 ? to - from : 1, ROW - 6);
	cfw_svg_put_text(s->b, label);
	cfw_buf_printf(s->b, ": %s%s</title></rect>\n", cfw_view_duration(took, cfw_time_left(t->begin_ns, end)),
		       t->cut ? ", cut off" : "");
}

static void put_hooks(struct picture *s, size_t server, enum cfw_phase phase)
{
	char label[256];
	for (size_t i = 0; i < s->p->model->nhooks; i++) {
		const struct cfw_model_hook *h = &s->p->model->hooks[i];
		if (h->server != server || h->opts.phase != phase)
			continue;
		snprintf(label, sizeof label, "%s %.200s", cfw_view_phase_name((int)phase),
			 h->opts.name    ? h->opts.name
			 : h->opts.where ? h->opts.where
					 : "");
		put_row(s, label, server ? 16 : 0, "hook", &s->p->worst.hooks[i]);
	}
}

static void put_rows(struct picture *s)
{
	put_hooks(s, 0, CFW_PRE_STOP);
	for (size_t w = 1; w <= s->p->nwaves; w++)
		for (size_t i = 0; i < s->p->model->nservers; i++) {
			if (s->p->wave[i] != w)
				continue;
			put_row(s, s->p->model->servers[i].opts.name, 0, "server", &s->p->worst.servers[i]);
			put_hooks(s, i + 1, CFW_PRE_STOP);
			put_hooks(s, i + 1, CFW_POST_STOP);
		}
	put_hooks(s, 0, CFW_POST_STOP);
}

static void put_mark(const struct picture *s, uint64_t ns, const char *class, const char *word, int height, int y)
{
	char at[32];
	if (ns == CFW_NEVER)
		return;
	double x = x_of(s, ns);
	cfw_buf_printf(s->b,
		       "<line class=\"%s\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n<text text-anchor=\"end\" x=\"%.1f\" "
		       "y=\"%d\">%s %s</text>\n",
		       class, x, y, x, height - PAD, x - 3, y, word, cfw_view_duration(at, ns));
}

static int count_rows(const struct cfw_plan *p)
{
	int n = (int)p->model->nservers;
	for (size_t i = 0; i < p->model->nhooks; i++)
		n += p->model->hooks[i].opts.phase >= CFW_PRE_STOP;
	return n;
}

void cfw_plan_put_svg(const struct cfw_plan *p, struct cfw_buf *b)
{
	const struct cfw_plan_case *c = &p->worst;
	struct picture s = {.p = p, .b = b};
	int height = TOP + count_rows(p) * ROW + PAD * 2, width = PAD * 2 + LABEL + BAR;
	char end[32];
	s.span_ns = c->deadline_ns != CFW_NEVER ? c->deadline_ns : c->end_ns != CFW_NEVER ? c->end_ns : 0;
	s.span_ns = s.span_ns ? s.span_ns : CFW_SEC;
	cfw_buf_printf(
		b,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
		"<style>text{font:12px sans-serif}rect.server{fill:#4878a8}rect.hook{fill:#d9a441}rect.cut{fill:#c0392b}"
		"line{stroke:#888}line.end{stroke:#c0392b}</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
		"<text x=\"%d\" y=\"20\">",
		width, height, width, height, PAD);
	cfw_svg_put_text(b, p->path);
	for (size_t i = 0; i < p->ndecisions; i++) {
		cfw_buf_puts(b, i ? ", " : ": ");
		cfw_svg_put_text(b, p->decisions[i].trigger);
		cfw_buf_printf(b, " %s", cfw_decision_name(p->decisions[i].what));
	}
	if (c->ended)
		cfw_buf_printf(b, "; ends after %s at the latest, code %d", cfw_view_duration(end, c->end_ns), c->code);
	cfw_buf_puts(b, "</text>\n");
	put_rows(&s);
	if (c->stops && c->deadline_ns != CFW_NEVER) {
		put_mark(&s, c->margin_ns, "margin", "margin", height, TOP - 18);
		put_mark(&s, c->deadline_ns, "end", "exit timeout", height, TOP - 4);
	}
	cfw_buf_puts(b, "</svg>\n");
}
