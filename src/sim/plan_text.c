/* plan_text.c: a plan as text: the order, the limits, both cases, and the timeline of the worst. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/time.h"
#include "sim/plan.h"
#include "view/view.h"
#include "view/words.h"

enum { LEFT = 60 };

static void put_safe(struct cfw_buf *b, const char *s)
{
	cfw_buf_put_safe(b, s, strlen(s));
}

static void put_decisions(const struct cfw_plan *p, struct cfw_buf *b)
{
	char at[32];
	for (size_t i = 0; i < p->ndecisions; i++) {
		const struct cfw_plan_decision *d = &p->decisions[i];
		put_safe(b, d->trigger);
		cfw_buf_printf(b, " at %s: %s%s", cfw_view_duration(at, d->at_ns), d->refused ? "not allowed: " : "",
			       cfw_decision_name(d->what));
		if (d->what == CFW_D_GRACEFUL || d->what == CFW_D_ABORT || d->what == CFW_D_KILL)
			cfw_buf_printf(b, "(%d)", d->code);
		cfw_buf_putc(b, '\n');
	}
}

/* A left part, padded; then how long it may take. */
static void put_line(struct cfw_buf *b, struct cfw_buf *left, uint64_t limit)
{
	char t[32];
	if (left->data && !left->failed)
		cfw_view_put_fit(b, left->data, LEFT, true, true);
	if (limit == CFW_NEVER)
		cfw_buf_puts(b, " until the margin\n");
	else
		cfw_buf_printf(b, " at most %s\n", cfw_view_duration(t, limit));
	cfw_buf_reset(left);
}

static void put_hooks(const struct cfw_plan *p, size_t server, enum cfw_phase phase, struct cfw_buf *b)
{
	struct cfw_buf left;
	cfw_buf_init(&left);
	for (size_t i = 0; i < p->model->nhooks; i++) {
		const struct cfw_model_hook *h = &p->model->hooks[i];
		if (h->server != server || h->opts.phase != phase)
			continue;
		cfw_buf_printf(&left, "%s%s", server ? "     " : "", cfw_view_phase_name((int)phase));
		if (h->opts.name)
			cfw_buf_printf(&left, " \"%s\"", h->opts.name);
		if (h->opts.where)
			cfw_buf_printf(&left, " (%s)", h->opts.where);
		put_line(b, &left, h->opts.timeout_ns);
	}
	cfw_buf_clear(&left);
}

static void put_server(const struct cfw_plan *p, size_t i, struct cfw_buf *b)
{
	const struct cfw_model_server *s = &p->model->servers[i];
	struct cfw_buf left;
	cfw_buf_init(&left);
	cfw_buf_puts(b, "   ");
	put_safe(b, s->opts.name);
	cfw_buf_printf(b, ", %s", s->opts.kind);
	if (s->address) {
		cfw_buf_puts(b, " at ");
		put_safe(b, s->address);
	}
	for (size_t k = s->non; k-- > 0;) {
		cfw_buf_puts(b, k + 1 == s->non ? ", before " : " and ");
		put_safe(b, p->model->servers[s->on[k]].opts.name);
	}
	cfw_buf_putc(b, '\n');
	put_hooks(p, i + 1, CFW_PRE_STOP, b);
	cfw_buf_puts(&left, "     stop");
	put_line(b, &left, cfw_plan_stop_limit(p, i));
	put_hooks(p, i + 1, CFW_POST_STOP, b);
	cfw_buf_clear(&left);
}

static void put_order(const struct cfw_plan *p, struct cfw_buf *b)
{
	put_hooks(p, 0, CFW_PRE_STOP, b);
	for (size_t w = 1; w <= p->nwaves; w++) {
		cfw_buf_printf(b, "%zu.\n", w);
		for (size_t i = 0; i < p->model->nservers; i++)
			if (p->wave[i] == w)
				put_server(p, i, b);
	}
	put_hooks(p, 0, CFW_POST_STOP, b);
}

static void put_cut(const struct cfw_plan *p, const struct cfw_plan_case *c, struct cfw_buf *b)
{
	bool any = false;
	for (size_t i = 0; i < p->model->nservers; i++)
		if (c->servers[i].cut) {
			cfw_buf_puts(b, any ? ", " : "; cut off: ");
			put_safe(b, p->model->servers[i].opts.name);
			any = true;
		}
}

static void put_case(const struct cfw_plan *p, const char *name, const struct cfw_plan_case *c, struct cfw_buf *b)
{
	char t[32];
	cfw_buf_printf(b, "%-11s", name);
	if (!c->stops)
		cfw_buf_puts(b, "nothing is stopped");
	else if (!c->ended)
		cfw_buf_puts(b, "all is stopped, and the process stays");
	else
		cfw_buf_printf(b, "ends %s after the stop began, code %d", cfw_view_duration(t, c->end_ns), c->code);
	put_cut(p, c, b);
	cfw_buf_putc(b, '\n');
}

void cfw_plan_put_text(const struct cfw_plan *p, int width, bool color, bool ascii, struct cfw_buf *b)
{
	enum { HEIGHT = 1000 };
	char margin[32], deadline[32];
	put_safe(b, p->path);
	cfw_buf_puts(b, "\n");
	put_decisions(p, b);
	cfw_buf_putc(b, '\n');
	put_order(p, b);
	cfw_buf_putc(b, '\n');
	put_case(p, "best case", &p->best, b);
	put_case(p, "worst case", &p->worst, b);
	if (p->worst.stops && p->worst.deadline_ns != CFW_NEVER)
		cfw_buf_printf(b, "%-11smargin at %s, exit timeout at %s\n", "bounds",
			       cfw_view_duration(margin, p->worst.margin_ns),
			       cfw_view_duration(deadline, p->worst.deadline_ns));
	if (p->worst.aborted)
		cfw_buf_puts(b, "an abort: all pre_stop hooks at once, no drain, no post_stop hooks\n");
	if (!p->worst.stops)
		return;
	cfw_buf_puts(b, "\nthe worst case: ");
	cfw_view_timeline(p->core, width, HEIGHT, color, ascii, b);
}
