/* put.c: a schedule in words, and as a test that runs it again. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "sim/model.h"
#include "sim/schedule.h"
#include "view/words.h"

const char *const cfw_change_names[] = {"updated", "replaced", "overlapped", "removed", "added"};

void cfw_schedule_hook_label(const struct cfw_model *m, size_t hook, char *label, size_t size)
{
	const struct cfw_model_hook *h = &m->hooks[hook];
	unsigned nth = 1;
	for (size_t i = 0; i < hook; i++)
		nth += m->hooks[i].server == h->server && m->hooks[i].opts.phase == h->opts.phase;
	int n = snprintf(label, size, "%.200s%s%s", h->server ? m->servers[h->server - 1].opts.name : "", h->server ? " " : "",
			 cfw_view_phase_name((int)h->opts.phase));
	if (nth > 1 && n > 0 && (size_t)n < size)
		snprintf(label + n, size - (size_t)n, " %u", nth);
}

/* ---- in words ---- */

static const char *show(char text[32], uint64_t ns)
{
	return ns ? cfw_format_duration(text, 32, ns) : "0s";
}

static void put_server(struct cfw_buf *b, const struct cfw_model_server *m, const struct cfw_schedule_server *s)
{
	char t[32];
	if (!s->start_ns && !s->stop_ns && !s->fails && !s->cut_ns && !s->lives_ns && s->dies_ns == CFW_NEVER)
		return;
	cfw_buf_printf(b, "  server %s:", m->opts.name);
	if (s->start_ns == CFW_NEVER)
		cfw_buf_puts(b, " is never ready;");
	else if (s->start_ns || s->fails)
		cfw_buf_printf(b, " %s after %s;", s->fails ? "its start fails" : "is ready", show(t, s->start_ns));
	if (s->lives_ns)
		cfw_buf_printf(b, " dies %s after each start;", show(t, s->lives_ns));
	if (s->dies_ns != CFW_NEVER && s->signo)
		cfw_buf_printf(b, " dies at %s by %s;", show(t, s->dies_ns), cfw_signal_name(s->signo));
	else if (s->dies_ns != CFW_NEVER)
		cfw_buf_printf(b, " dies at %s with code %d;", show(t, s->dies_ns), s->code);
	if (s->stop_ns == CFW_NEVER)
		cfw_buf_puts(b, " never stops;");
	else if (s->stop_ns)
		cfw_buf_printf(b, " takes %s to stop;", show(t, s->stop_ns));
	if (s->cut_ns == CFW_NEVER)
		cfw_buf_puts(b, " is not even gone when it is cut;");
	else if (s->cut_ns)
		cfw_buf_printf(b, " is gone %s after it is cut;", show(t, s->cut_ns));
	b->data[b->len - 1] = '\n'; /* in place of the last semicolon */
}

static void put_hook(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_model_hook *h,
		     const struct cfw_schedule_hook *s)
{
	char t[32];
	if (!s->ns && !s->full && !s->extend_ns && s->outcome == CFW_OK)
		return;
	cfw_buf_printf(b, "  hook %s%s%s (%s): ", h->server ? m->servers[h->server - 1].opts.name : "", h->server ? " " : "",
		       cfw_view_phase_name((int)h->opts.phase), h->opts.where ? h->opts.where : "?");
	if (s->extend_ns)
		cfw_buf_printf(b, "asks for %s more, ", show(t, s->extend_ns));
	if (s->full)
		cfw_buf_puts(b, "takes all its time");
	else if (s->ns == CFW_NEVER)
		cfw_buf_puts(b, "never ends");
	else
		cfw_buf_printf(b, "takes %s", show(t, s->ns));
	if (s->outcome == CFW_FAILED)
		cfw_buf_puts(b, ", then fails");
	else if (s->outcome == CFW_EXIT_CALL)
		cfw_buf_printf(b, ", then calls os.exit(%d)", s->code);
	cfw_buf_putc(b, '\n');
}

static void put_trigger(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_schedule_at *a)
{
	char t[32];
	cfw_buf_printf(b, "  %s: %s", show(t, a->at_ns), a->custom ? a->custom : cfw_trigger_name(a->kind, a->signo));
	if (a->kind == CFW_T_EXIT)
		cfw_buf_printf(b, "(%d)", a->code);
	if (a->kind == CFW_T_EXTEND)
		cfw_buf_printf(b, " by %s", show(t, a->ns));
	if (a->server)
		cfw_buf_printf(b, " of %s", m->servers[a->server - 1].opts.name);
	if (a->times)
		cfw_buf_printf(b, ", %u times", a->times);
	if (a->no_exit)
		cfw_buf_puts(b, " without an exit");
	cfw_buf_puts(b, a->asks ? ", and somebody waits for it\n" : "\n");
}

static void put_faults(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_schedule *s)
{
	char t[32];
	for (size_t i = 0; i < s->nanswers; i++)
		cfw_buf_printf(b, "  answer %u comes %s%s%s\n", s->answers[i].nth, s->answers[i].again ? "again " : "",
			       show(t, s->answers[i].ns), s->answers[i].again ? " later" : " late");
	for (size_t i = 0; i < s->nbuilds; i++) {
		const struct cfw_schedule_build *r = &s->builds[i];
		cfw_buf_printf(b, "  reload %zu: takes %s%s", i + 1, show(t, r->takes_ns),
			       r->broken ? " and comes to nothing" : "");
		if (r->server)
			cfw_buf_printf(b, ", %s is %s", m->servers[r->server - 1].opts.name, cfw_change_names[r->what]);
		cfw_buf_putc(b, '\n');
	}
	if (s->memory)
		cfw_buf_printf(b, "  memory: request %u of the core fails%s\n", s->memory,
			       s->memory_all ? ", and all after it" : "");
	if (s->ask_starves)
		cfw_buf_printf(b, "  memory: none for the policy in question %u from request %u on\n", s->ask_starves,
			       s->ask_memory);
}

void cfw_schedule_put(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_schedule *s, const struct cfw_tried *t)
{
	char at[32];
	cfw_buf_printf(b, "%s\n", t->text);
	for (size_t i = 0; i < m->nservers; i++)
		put_server(b, &m->servers[i], &s->servers[i]);
	for (size_t i = 0; i < m->nhooks; i++)
		put_hook(b, m, &m->hooks[i], &s->hooks[i]);
	for (size_t i = 0; i < s->nat; i++)
		put_trigger(b, m, &s->at[i]);
	put_faults(b, m, s);
	cfw_buf_printf(b, "  %s: SIGTERM, three times at most\n", show(at, s->until_ns));
	if (t->ended)
		cfw_buf_printf(b, "  ended at %s with code %d\n", show(at, t->ended_ns), t->code);
}

/* ---- as a test: an item a line, so that each can be left out ---- */

static void put_string(struct cfw_buf *b, const char *s)
{
	cfw_buf_putc(b, '"');
	for (; *s && *s != '\n'; s++) {
		if (*s == '"' || *s == '\\')
			cfw_buf_putc(b, '\\');
		if ((unsigned char)*s >= 0x20)
			cfw_buf_putc(b, *s);
	}
	cfw_buf_putc(b, '"');
}

static void put_named(struct cfw_buf *b, const char *key, const char *value)
{
	cfw_buf_printf(b, " { %s = ", key);
	put_string(b, value);
}

static void put_ns(struct cfw_buf *b, const char *key, uint64_t ns)
{
	if (ns == CFW_NEVER)
		cfw_buf_printf(b, ", %s = false", key);
	else
		cfw_buf_printf(b, ", %s = \"%llu%s\"", key, (unsigned long long)(ns % CFW_MS ? ns : ns / CFW_MS),
			       ns % CFW_MS ? "ns" : "ms");
}

static void test_server(struct cfw_buf *b, const struct cfw_model_server *m, const struct cfw_schedule_server *s)
{
	if (!s->start_ns && !s->stop_ns && !s->fails && !s->cut_ns && !s->lives_ns && s->dies_ns == CFW_NEVER)
		return;
	put_named(b, "server", m->opts.name);
	if (s->start_ns)
		put_ns(b, "starts", s->start_ns);
	if (s->fails)
		cfw_buf_puts(b, ", fails = true");
	if (s->lives_ns)
		put_ns(b, "lives", s->lives_ns);
	if (s->dies_ns != CFW_NEVER)
		put_ns(b, "dies", s->dies_ns);
	if (s->signo)
		cfw_buf_printf(b, ", signal = %d", s->signo);
	if (s->code)
		cfw_buf_printf(b, ", code = %d", s->code);
	if (s->stop_ns)
		put_ns(b, "stops", s->stop_ns);
	if (s->cut_ns)
		put_ns(b, "cut", s->cut_ns);
	cfw_buf_puts(b, " },\n");
}

static void test_hook(struct cfw_buf *b, const struct cfw_model *m, size_t i, const struct cfw_schedule_hook *s)
{
	char label[300];
	if (!s->ns && !s->full && !s->extend_ns && s->outcome == CFW_OK)
		return;
	cfw_schedule_hook_label(m, i, label, sizeof label);
	put_named(b, "hook", label);
	if (s->full)
		cfw_buf_puts(b, ", full = true");
	else if (s->ns)
		put_ns(b, "takes", s->ns);
	if (s->extend_ns)
		put_ns(b, "extends", s->extend_ns);
	if (s->outcome == CFW_FAILED)
		cfw_buf_puts(b, ", fails = true");
	else if (s->outcome == CFW_EXIT_CALL)
		cfw_buf_printf(b, ", exits = %d", s->code);
	cfw_buf_puts(b, " },\n");
}

static void test_trigger(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_schedule_at *a)
{
	put_named(b, "trigger", cfw_trigger_name(a->kind, a->signo));
	put_ns(b, "at", a->at_ns);
	if (a->code)
		cfw_buf_printf(b, ", code = %d", a->code);
	if (a->server) {
		cfw_buf_puts(b, ", of = ");
		put_string(b, m->servers[a->server - 1].opts.name);
	}
	if (a->ns)
		put_ns(b, "by", a->ns);
	if (a->times)
		cfw_buf_printf(b, ", times = %u", a->times);
	if (a->no_exit)
		cfw_buf_puts(b, ", exit = false");
	if (a->asks)
		cfw_buf_puts(b, ", asks = true");
	cfw_buf_puts(b, " },\n");
}

static void test_build(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_schedule_build *r)
{
	put_named(b, "reload", r->broken ? "broken" : "good");
	if (r->takes_ns)
		put_ns(b, "takes", r->takes_ns);
	if (r->server) {
		cfw_buf_printf(b, ", %s = ", cfw_change_names[r->what]);
		put_string(b, m->servers[r->server - 1].opts.name);
	}
	cfw_buf_puts(b, " },\n");
}

static void test_faults(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_schedule *s)
{
	for (size_t i = 0; i < s->nanswers; i++) {
		cfw_buf_printf(b, " { answer = %u", s->answers[i].nth);
		put_ns(b, s->answers[i].again ? "again" : "late", s->answers[i].ns);
		cfw_buf_puts(b, " },\n");
	}
	for (size_t i = 0; i < s->nbuilds; i++)
		test_build(b, m, &s->builds[i]);
	if (s->memory)
		cfw_buf_printf(b, " { memory = %u%s },\n", s->memory, s->memory_all ? ", all = true" : "");
	if (s->ask_starves)
		cfw_buf_printf(b, " { question = %u, memory = %u },\n", s->ask_starves, s->ask_memory);
}

void cfw_schedule_put_test(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_schedule *s,
			   const struct cfw_tried *t, const char *path)
{
	cfw_buf_puts(b, "as a test:\nrequire(\"curfew.sim\").schedule(");
	put_string(b, t->text);
	cfw_buf_puts(b, ", ");
	put_string(b, path);
	cfw_buf_puts(b, ", {\n");
	for (size_t i = 0; i < m->nservers; i++)
		test_server(b, &m->servers[i], &s->servers[i]);
	for (size_t i = 0; i < m->nhooks; i++)
		test_hook(b, m, i, &s->hooks[i]);
	for (size_t i = 0; i < s->nat; i++)
		test_trigger(b, m, &s->at[i]);
	test_faults(b, m, s);
	cfw_buf_puts(b, " { finish = ");
	if (s->until_ns % CFW_MS)
		cfw_buf_printf(b, "\"%lluns\" },\n})\n", (unsigned long long)s->until_ns);
	else
		cfw_buf_printf(b, "\"%llums\" },\n})\n", (unsigned long long)(s->until_ns / CFW_MS));
}
