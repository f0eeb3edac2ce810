/* The journal of the last stop, turned into rows, spans and marks. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/time.h"
#include "view/timeline.h"
#include "view/words.h"

static void *append(struct timeline *t, void *arr, size_t *n, size_t *cap, size_t size)
{
	if (t->failed || cfw_grow(&cfw_alloc_std, arr, cap, *n + 1, size) < 0) {
		t->failed = true;
		return NULL;
	}
	void *items;
	memcpy(&items, arr, sizeof items);
	return (char *)items + size * (*n)++;
}

static void add_mark(struct timeline *t, struct mark m)
{
	struct mark *at = append(t, &t->marks, &t->nmarks, &t->marks_cap, sizeof *at);
	if (at)
		*at = m;
}

/* The place in an index of rows that belongs to an id; NULL when there is no memory. */
static size_t *row_place(struct timeline *t, cfw_id id, bool hook)
{
	enum { SLOT_MASK = 0xfffff };
	size_t slot = id & SLOT_MASK, *cap = hook ? &t->hooks_cap : &t->servers_cap, old = *cap;
	size_t **index = hook ? &t->row_of_hook : &t->row_of_server;
	if (t->failed || cfw_grow(&cfw_alloc_std, index, cap, slot + 1, sizeof **index) < 0) {
		t->failed = true;
		return NULL;
	}
	if (*cap > old)
		memset(*index + old, 0, (*cap - old) * sizeof **index);
	return &(*index)[slot];
}

static struct row *add_row(struct timeline *t, cfw_id server, cfw_id hook)
{
	size_t *place = row_place(t, hook ? hook : server, hook != 0);
	struct row *r = place ? append(t, &t->rows, &t->nrows, &t->rows_cap, sizeof *r) : NULL;
	if (!r)
		return NULL;
	*place = t->nrows;
	*r = (struct row){.server = server, .hook = hook, .from_ns = CFW_NEVER, .to_ns = CFW_NEVER, .order = t->nrows - 1};
	return r;
}

/* The newest row of a server (hook 0) or of a run of a hook. */
static struct row *find_row(struct timeline *t, cfw_id server, cfw_id hook, uint32_t run)
{
	const size_t *place = row_place(t, hook ? hook : server, hook != 0);
	struct row *r = place && *place ? &t->rows[*place - 1] : NULL;
	return r && r->server == server && r->hook == hook && r->run == run ? r : NULL;
}

static void open_span(struct timeline *t, struct row *r, enum span_what what, uint64_t at_ns)
{
	struct span *s = append(t, &t->spans, &t->nspans, &t->spans_cap, sizeof *s);
	if (!s)
		return;
	*s = (struct span){.row = (size_t)(r - t->rows), .what = what, .from_ns = at_ns, .to_ns = CFW_NEVER};
	r->open = t->nspans;
}

static void close_span(struct timeline *t, struct row *r, uint64_t at_ns)
{
	if (r->open)
		t->spans[r->open - 1].to_ns = at_ns;
	r->open = 0;
}

/* A flaw is never hidden by a lesser one. */
static void set_mark(struct row *r, enum row_mark mark)
{
	if (r && mark > r->mark)
		r->mark = mark;
}

/* What a state looks like; SPANS: nothing to see. */
static enum span_what span_of(enum cfw_server_state state)
{
	switch (state) {
	case CFW_S_HELD:
	case CFW_S_WAITING:
	case CFW_S_BACKOFF:
		return SPAN_WAITS;
	case CFW_S_PRE_START:
	case CFW_S_STARTING:
	case CFW_S_POST_START:
		return SPAN_STARTS;
	case CFW_S_PRE_STOP:
	case CFW_S_POST_STOP:
		return SPAN_HOOK;
	case CFW_S_STOPPING:
		return SPAN_STOPS;
	case CFW_S_CUTTING:
		return SPAN_CUT;
	case CFW_S_DOWN:
	case CFW_S_STARTED:
	case CFW_S_CLOSED:
	case CFW_S_FAILED:
	case CFW_SERVER_STATES:
		break;
	}
	return SPANS;
}

static void take_server(struct timeline *t, const struct cfw_journal_entry *e)
{
	enum cfw_server_state is = (enum cfw_server_state)e->a, was = (enum cfw_server_state)e->b;
	struct row *r = find_row(t, e->server, 0, 0);
	if (!r) {
		r = add_row(t, e->server, 0);
		if (!r)
			return;
		if (span_of(was) == SPAN_STARTS) { /* the stop found it starting */
			open_span(t, r, SPAN_STARTS, t->began_ns);
			r->from_ns = t->began_ns;
		}
	}
	close_span(t, r, e->at_ns);
	enum span_what what = span_of(is);
	if (what == SPAN_CUT && t->aborted && t->margin_ns == CFW_NEVER)
		what = SPAN_STOPS; /* how an abort ends a server: no flaw */
	if (what == SPANS) {
		if (r->from_ns != CFW_NEVER)
			r->to_ns = e->at_ns;
		return;
	}
	if (what != SPAN_WAITS && r->from_ns == CFW_NEVER)
		r->from_ns = e->at_ns;
	r->to_ns = CFW_NEVER;
	open_span(t, r, what, e->at_ns);
}

static void take_hook_begin(struct timeline *t, const struct cfw_journal_entry *e)
{
	struct cfw_hook_view v;
	struct row *r = add_row(t, e->server, e->hook);
	if (!r)
		return;
	r->run = e->run;
	r->from_ns = e->at_ns;
	r->post = !e->server && cfw_core_hook_view(t->core, e->hook, &v) == 0 && v.phase == CFW_POST_STOP;
	open_span(t, r, SPAN_HOOK, e->at_ns);
}

static void take_hook_end(struct timeline *t, const struct cfw_journal_entry *e)
{
	static const enum row_mark marks[CFW_OUTCOMES] = {
		[CFW_FAILED] = MARK_FAILED, [CFW_CUT] = MARK_CUT, [CFW_EXIT_CALL] = MARK_EXIT};
	struct row *r = find_row(t, e->server, e->hook, e->run);
	if (!r) { /* it ran when the stop began: a start hook */
		take_hook_begin(t, e);
		r = find_row(t, e->server, e->hook, e->run);
		if (!r || t->failed)
			return;
		r->from_ns = t->began_ns;
		t->spans[t->nspans - 1].from_ns = t->began_ns;
	}
	close_span(t, r, e->at_ns);
	r->to_ns = e->at_ns;
	set_mark(r, e->b == 2 ? MARK_CUT : e->b ? MARK_LIMIT : e->a < CFW_OUTCOMES ? marks[e->a] : MARK_NONE);
}

static void take_stop(struct timeline *t, const struct cfw_journal_entry *e)
{
	t->aborted = e->a == CFW_ABORT;
	if (e->b) {
		t->turned = true;
		add_mark(t, (struct mark){.what = MARK_ABORT, .at_ns = e->at_ns});
		return;
	}
	struct cfw_stop_view stop;
	cfw_core_stop_view(t->core, &stop);
	t->cause = stop.first; /* of the last stop, also when it is over */
	t->began_ns = cfw_time_min(stop.first.at_ns, e->at_ns);
	t->deadline_ns = e->ns;
	t->killed = e->ns <= e->at_ns;
	add_mark(t, (struct mark){.what = MARK_TRIGGER, .at_ns = t->began_ns, .kind = t->cause.kind, .signo = t->cause.signo});
}

static void take(struct timeline *t, const struct cfw_journal_entry *e)
{
	switch (e->what) {
	case CFW_J_STOP:
		take_stop(t, e);
		break;
	case CFW_J_TRIGGER:
		add_mark(t, (struct mark){.what = MARK_TRIGGER, .at_ns = e->at_ns, .kind = e->trigger_kind, .signo = e->signo});
		break;
	case CFW_J_EXTEND:
		t->deadline_ns = e->ns;
		add_mark(t, (struct mark){.what = MARK_EXTEND, .at_ns = e->at_ns});
		break;
	case CFW_J_MARGIN:
		t->margin_ns = e->at_ns;
		add_mark(t, (struct mark){.what = MARK_MARGIN, .at_ns = e->at_ns});
		break;
	case CFW_J_TIMEOUT:
		add_mark(t, (struct mark){.what = MARK_TIMEOUT, .at_ns = e->at_ns});
		break;
	case CFW_J_SERVER:
		take_server(t, e);
		break;
	case CFW_J_HOOK_BEGIN:
		take_hook_begin(t, e);
		break;
	case CFW_J_HOOK_END:
		take_hook_end(t, e);
		break;
	case CFW_J_CLOSED:
		set_mark(find_row(t, e->server, 0, 0), MARK_DIED);
		break;
	case CFW_J_CUT:
		if (!e->b)
			set_mark(find_row(t, e->server, 0, 0), MARK_CUT);
		break;
	case CFW_J_EXIT:
		t->exited = true;
		t->code = e->code;
		break;
	case CFW_J_LIFE:
		t->ended = t->cancelled || e->a == CFW_L_STOPPED || e->a == CFW_L_ERRORED || e->a == CFW_L_TIMEOUT;
		break;
	case CFW_J_CANCEL:
		if (e->a == 1)
			t->ended = t->cancelled = true;
		break;
	case CFW_J_HURRY:
	case CFW_J_SKIP:
	case CFW_J_DECISION:
	case CFW_J_REFUSED:
	case CFW_J_BACKOFF:
	case CFW_J_START_FAILED:
	case CFW_J_LATE:
	case CFW_JOURNAL_WHATS:
		break;
	}
}

static uint64_t last_stop(const struct cfw_core *core)
{
	const struct cfw_journal_entry *j;
	struct cfw_stop_view stop;
	uint64_t found = 0;
	cfw_core_stop_view(core, &stop);
	for (uint64_t seq = stop.seq; seq && (j = cfw_core_journal(core, seq)); seq = j->seq + 1)
		if (j->what == CFW_J_STOP && !j->b)
			found = j->seq;
	return found;
}

/* When the first row of the same server began. */
static void set_groups(struct timeline *t)
{
	for (size_t i = 0; i < t->nrows; i++)
		t->rows[i].group_ns = t->rows[i].post ? CFW_NEVER : t->rows[i].from_ns;
	for (size_t i = 0; i < t->nrows; i++) {
		struct row *s = t->rows[i].server ? find_row(t, t->rows[i].server, 0, 0) : NULL;
		if (s)
			s->group_ns = cfw_time_min(s->group_ns, t->rows[i].from_ns);
	}
	for (size_t i = 0; i < t->nrows; i++) {
		const struct row *s = t->rows[i].server ? find_row(t, t->rows[i].server, 0, 0) : NULL;
		if (s)
			t->rows[i].group_ns = s->group_ns;
	}
}

static int compare(const void *pa, const void *pb)
{
	const struct row *a = pa, *b = pb;
	if (a->post != b->post)
		return a->post ? 1 : -1;
	if (a->group_ns != b->group_ns)
		return a->group_ns < b->group_ns ? -1 : 1;
	if (a->server != b->server)
		return a->server < b->server ? -1 : 1;
	if (!a->hook != !b->hook)
		return a->hook ? 1 : -1;
	return a->order < b->order ? -1 : 1;
}

/* Rows stand in the order in which their servers began; spans follow their rows. */
static void sort_rows(struct timeline *t)
{
	set_groups(t);
	if (t->nrows)
		qsort(t->rows, t->nrows, sizeof *t->rows, compare);
	size_t *at = t->nrows ? calloc(t->nrows, sizeof *at) : NULL;
	if (!at) {
		t->failed |= t->nrows > 0;
		return;
	}
	for (size_t i = 0; i < t->nrows; i++)
		at[t->rows[i].order] = i;
	for (size_t i = 0; i < t->nspans; i++)
		t->spans[i].row = at[t->spans[i].row];
	free(at);
}

/* Where the margin is, or would have been. */
static uint64_t find_margin(const struct timeline *t)
{
	const struct cfw_core_config *c = cfw_core_config_get(t->core);
	uint64_t margin = cfw_time_min(c->stop_margin_ns, c->exit_timeout_ns / 4);
	return t->deadline_ns > t->began_ns + margin ? t->deadline_ns - margin : t->deadline_ns;
}

void cfw_timeline_gather(struct timeline *t, const struct cfw_core *core)
{
	*t = (struct timeline){.core = core, .margin_ns = CFW_NEVER};
	uint64_t seq = last_stop(core);
	const struct cfw_journal_entry *j;
	t->found = seq != 0;
	for (; seq && !t->ended && (j = cfw_core_journal(core, seq)); seq = j->seq + 1) {
		struct cfw_journal_entry e = *j;
		t->ended_ns = e.at_ns;
		take(t, &e);
	}
	for (; seq && !t->exited && (j = cfw_core_journal(core, seq)); seq = j->seq + 1)
		if (j->what == CFW_J_EXIT) {
			t->exited = true;
			t->code = j->code;
		}
	if (t->margin_ns == CFW_NEVER && find_margin(t) > t->ended_ns)
		t->margin_ns = find_margin(t);
	for (size_t i = 0; i < t->nrows; i++)
		if (t->rows[i].to_ns == CFW_NEVER && t->rows[i].from_ns != CFW_NEVER && t->ended)
			set_mark(&t->rows[i], MARK_CUT); /* the end did not wait for it */
	sort_rows(t);
	if (t->found && !t->failed)
		cfw_timeline_path(t);
}

const char *cfw_timeline_kind(const struct timeline *t)
{
	return t->turned ? "stop, turned into an abort," : t->aborted ? "abort" : t->cancelled ? "stop, cancelled," : "stop";
}

void cfw_timeline_clear(struct timeline *t)
{
	free(t->rows);
	free(t->spans);
	free(t->marks);
	free(t->path);
	free(t->row_of_server);
	free(t->row_of_hook);
	*t = (struct timeline){0};
}

uint64_t cfw_timeline_took(const struct timeline *t, const struct row *r)
{
	if (r->from_ns == CFW_NEVER)
		return 0;
	return cfw_time_left(r->from_ns, r->to_ns == CFW_NEVER ? t->ended_ns : r->to_ns);
}
