/* timeline_data.c: the timeline for programs: JSON, and a trace as chrome://tracing and Perfetto open it. */
#include <string.h>

#include "base/buf.h"
#include "base/time.h"
#include "base/value.h"
#include "view/json.h"
#include "view/timeline.h"
#include "view/view.h"
#include "view/words.h"

static const char *const span_names[SPANS] = {
	[SPAN_WAITS] = "waits", [SPAN_STARTS] = "starts", [SPAN_HOOK] = "hook", [SPAN_STOPS] = "stops", [SPAN_CUT] = "cut"};
static const char *const row_marks[ROW_MARKS] = {
	[MARK_EXIT] = "exit", [MARK_DIED] = "died", [MARK_FAILED] = "failed", [MARK_LIMIT] = "limit", [MARK_CUT] = "cut"};
static const char *const mark_names[] = {[MARK_TRIGGER] = "trigger", [MARK_ABORT] = "abort",     [MARK_EXTEND] = "extend",
					 [MARK_MARGIN] = "margin",   [MARK_TIMEOUT] = "timeout", [MARK_END] = "end"};

static int set_str(struct cfw_value *v, const char *key, const char *s)
{
	return s ? cfw_value_set(v, key, cfw_value_str(s)) : 0;
}

/* Seconds from the beginning of the stop. */
static int set_at(const struct timeline *t, struct cfw_value *v, const char *key, uint64_t at_ns)
{
	return at_ns == CFW_NEVER ? 0 : cfw_value_set(v, key, cfw_value_num((double)cfw_time_left(t->began_ns, at_ns) / 1e9));
}

static int set_seconds(struct cfw_value *v, const char *key, uint64_t ns)
{
	return cfw_value_set(v, key, cfw_value_num((double)ns / 1e9));
}

static int set_names(const struct timeline *t, struct cfw_value *v, const struct row *r)
{
	struct cfw_hook_view h;
	int bad = r->server ? set_str(v, "server", cfw_view_server_name(t->core, r->server)) : 0;
	if (r->hook && cfw_core_hook_view(t->core, r->hook, &h) == 0)
		bad |= set_str(v, "phase", cfw_view_phase_name((int)h.phase)) | set_str(v, "hook", h.name) |
		       set_str(v, "where", h.where);
	return bad;
}

static struct cfw_value *row_value(const struct timeline *t, size_t i)
{
	const struct row *r = &t->rows[i];
	struct cfw_value *v = cfw_value_map(), *spans = cfw_value_list();
	int bad = set_names(t, v, r) | set_at(t, v, "from", r->from_ns) |
		  set_at(t, v, "to",
			 r->from_ns == CFW_NEVER ? CFW_NEVER
			 : r->to_ns == CFW_NEVER ? t->ended_ns
						 : r->to_ns) |
		  set_seconds(v, "took", cfw_timeline_took(t, r)) | set_seconds(v, "cost", r->path_ns) |
		  set_str(v, "mark", row_marks[r->mark]);
	for (size_t k = 0; k < t->nspans; k++) {
		const struct span *s = &t->spans[k];
		if (s->row != i)
			continue;
		struct cfw_value *one = cfw_value_map();
		bad |= set_str(one, "what", span_names[s->what]) | set_at(t, one, "from", s->from_ns) |
		       set_at(t, one, "to", s->to_ns == CFW_NEVER ? t->ended_ns : s->to_ns);
		bad |= cfw_value_push(spans, one);
	}
	bad |= cfw_value_set(v, "spans", spans);
	if (!bad)
		return v;
	cfw_value_free(v);
	return NULL;
}

static struct cfw_value *path_value(const struct timeline *t)
{
	struct cfw_value *list = cfw_value_list();
	int bad = 0;
	for (size_t i = 0; i < t->npath; i++) {
		const struct step *s = &t->path[i];
		struct cfw_value *v = cfw_value_map();
		bad |= s->row == NO_ROW ? set_str(v, "curfew", "itself") : set_names(t, v, &t->rows[s->row]);
		bad |= set_at(t, v, "from", s->from_ns) | set_at(t, v, "to", s->to_ns);
		bad |= cfw_value_push(list, v);
	}
	if (!bad)
		return list;
	cfw_value_free(list);
	return NULL;
}

static struct cfw_value *marks_value(const struct timeline *t)
{
	struct cfw_value *list = cfw_value_list();
	int bad = 0;
	for (size_t i = 0; i < t->nmarks; i++) {
		const struct mark *m = &t->marks[i];
		struct cfw_value *v = cfw_value_map();
		bad |= set_str(v, "what", mark_names[m->what]) | set_at(t, v, "at", m->at_ns) |
		       set_str(v, "trigger", m->what == MARK_TRIGGER ? cfw_trigger_name(m->kind, m->signo) : NULL);
		bad |= cfw_value_push(list, v);
	}
	if (!bad)
		return list;
	cfw_value_free(list);
	return NULL;
}

static int set_rows(const struct timeline *t, struct cfw_value *v)
{
	struct cfw_value *rows = cfw_value_list();
	int bad = 0;
	for (size_t i = 0; i < t->nrows; i++)
		bad |= cfw_value_push(rows, row_value(t, i));
	return bad | cfw_value_set(v, "rows", rows);
}

void cfw_view_timeline_json(const struct cfw_core *core, struct cfw_buf *out)
{
	struct timeline t;
	cfw_timeline_gather(&t, core);
	if (t.found && !t.failed) {
		struct cfw_value *v = cfw_value_map();
		int bad = set_str(v, "mode", t.aborted ? "abort" : "graceful") |
			  set_str(v, "cause", cfw_trigger_name(t.cause.kind, t.cause.signo)) |
			  cfw_value_set(v, "ended", cfw_value_bool(t.ended)) |
			  cfw_value_set(v, "cancelled", cfw_value_bool(t.cancelled)) |
			  set_seconds(v, "took", cfw_time_left(t.began_ns, t.ended_ns)) |
			  set_at(&t, v, "deadline", t.deadline_ns) | set_at(&t, v, "margin", t.margin_ns) |
			  set_seconds(v, "own", t.own_ns);
		if (t.exited)
			bad |= cfw_value_set(v, "code", cfw_value_int(t.code));
		bad |= set_rows(&t, v) | cfw_value_set(v, "marks", marks_value(&t)) | cfw_value_set(v, "path", path_value(&t));
		if (bad)
			out->failed = 1;
		else
			cfw_view_put_json(out, v);
		cfw_buf_putc(out, '\n');
		cfw_value_free(v);
	}
	out->failed |= t.failed;
	cfw_timeline_clear(&t);
}

/* ---- trace: one thread a row, the first for the stop itself ---- */

enum { PID = 1, TID_STOP = 1, TID_PATH, TID_ROWS };

struct trace {
	const struct timeline *t;
	struct cfw_buf *out;
	bool any;
};

static void put_string(struct cfw_buf *out, const char *s)
{
	struct cfw_value *v = cfw_value_str(s);
	if (!v)
		out->failed = 1;
	cfw_view_put_json(out, v);
	cfw_value_free(v);
}

static void begin(struct trace *tr, const char *phase, unsigned tid, const char *name)
{
	cfw_buf_printf(tr->out, "%s\n{\"ph\":\"%s\",\"pid\":%d,\"tid\":%u,\"name\":", tr->any ? "," : "", phase, PID, tid);
	put_string(tr->out, name);
	tr->any = true;
}

static double micros(const struct trace *tr, uint64_t at_ns)
{
	return (double)cfw_time_left(tr->t->began_ns, at_ns) / 1e3;
}

static void put_complete(struct trace *tr, unsigned tid, const char *name, const char *category, uint64_t from, uint64_t to)
{
	if (to == CFW_NEVER)
		to = tr->t->ended_ns;
	begin(tr, "X", tid, name);
	cfw_buf_printf(tr->out, ",\"cat\":\"%s\",\"ts\":%.3f,\"dur\":%.3f}", category, micros(tr, from),
		       (double)cfw_time_left(from, to) / 1e3);
}

static void put_instant(struct trace *tr, const char *name, uint64_t at)
{
	begin(tr, "i", TID_STOP, name);
	cfw_buf_printf(tr->out, ",\"cat\":\"mark\",\"s\":\"p\",\"ts\":%.3f}", micros(tr, at));
}

static void name_thread(struct trace *tr, unsigned tid, const char *name)
{
	begin(tr, "M", tid, "thread_name");
	cfw_buf_puts(tr->out, ",\"args\":{\"name\":");
	put_string(tr->out, name);
	cfw_buf_puts(tr->out, "}}");
	begin(tr, "M", tid, "thread_sort_index");
	cfw_buf_printf(tr->out, ",\"args\":{\"sort_index\":%u}}", tid);
}

static void put_row(struct trace *tr, size_t i, const char *label)
{
	const struct timeline *t = tr->t;
	name_thread(tr, TID_ROWS + (unsigned)i, label);
	for (size_t k = 0; k < t->nspans; k++)
		if (t->spans[k].row == i)
			put_complete(tr, TID_ROWS + (unsigned)i, span_names[t->spans[k].what], span_names[t->spans[k].what],
				     t->spans[k].from_ns, t->spans[k].to_ns);
}

void cfw_view_timeline_trace(const struct cfw_core *core, struct cfw_buf *out)
{
	struct timeline t;
	struct trace tr = {.t = &t, .out = out};
	struct cfw_buf label;
	cfw_buf_init(&label);
	cfw_timeline_gather(&t, core);
	if (t.found && !t.failed) {
		cfw_buf_puts(out, "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[");
		begin(&tr, "M", 0, "process_name");
		cfw_buf_puts(out, ",\"args\":{\"name\":\"curfew: the stop\"}}");
		name_thread(&tr, TID_STOP, "stop");
		name_thread(&tr, TID_PATH, "critical path");
		put_complete(&tr, TID_STOP,
			     t.aborted     ? "abort"
			     : t.cancelled ? "cancelled stop"
					   : "graceful stop",
			     "stop", t.began_ns, t.ended_ns);
		for (size_t i = 0; i < t.nmarks; i++)
			put_instant(&tr,
				    t.marks[i].what == MARK_TRIGGER ? cfw_trigger_name(t.marks[i].kind, t.marks[i].signo)
								    : mark_names[t.marks[i].what],
				    t.marks[i].at_ns);
		for (size_t i = 0; i < t.npath; i++) {
			cfw_buf_reset(&label);
			if (t.path[i].row == NO_ROW)
				cfw_buf_puts(&label, "curfew itself");
			else
				cfw_timeline_put_label(&t, &t.rows[t.path[i].row], &label);
			put_complete(&tr, TID_PATH, label.data ? label.data : "?", "path", t.path[i].from_ns, t.path[i].to_ns);
		}
		for (size_t i = 0; i < t.nrows; i++) {
			cfw_buf_reset(&label);
			cfw_timeline_put_label(&t, &t.rows[i], &label);
			put_row(&tr, i, label.data ? label.data : "?");
		}
		cfw_buf_puts(out, "\n]}\n");
	}
	out->failed |= t.failed | label.failed;
	cfw_buf_clear(&label);
	cfw_timeline_clear(&t);
}
