/* timeline.h: the last stop as rows and marks, gathered from the journal; drawn by timeline.c. */
#ifndef CFW_VIEW_TIMELINE_H
#define CFW_VIEW_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"

struct cfw_buf;

enum span_what { SPAN_WAITS, SPAN_STARTS, SPAN_HOOK, SPAN_STOPS, SPAN_CUT, SPANS };
enum row_mark { MARK_NONE, MARK_EXIT, MARK_DIED, MARK_FAILED, MARK_LIMIT, MARK_CUT, ROW_MARKS };

struct span {
	size_t row;
	enum span_what what;
	uint64_t from_ns, to_ns; /* CFW_NEVER: still going on */
};

struct row {
	cfw_id server, hook; /* hook 0: the server's own row; server 0: a global hook */
	uint32_t run;
	uint64_t from_ns, to_ns; /* what took is counted from and to; CFW_NEVER: not begun, not ended */
	enum row_mark mark;
	uint64_t group_ns; /* rows of one server stand together, in the order in which the servers began */
	size_t open;       /* index + 1 of its span that is going on */
	bool post;         /* a global post_stop hook: last of all */
	size_t order;
	bool shown;
	uint64_t path_ns; /* of it the end waited for */
};

struct mark {
	enum { MARK_TRIGGER, MARK_ABORT, MARK_EXTEND, MARK_MARGIN, MARK_TIMEOUT, MARK_END } what;
	uint64_t at_ns;
	enum cfw_trigger_kind kind;
	int signo;
};

/* A part of the critical path: the work of a row, or (NO_ROW) curfew's own time: questions to the policy, limits that were waited for. */
#define NO_ROW SIZE_MAX
struct step {
	size_t row;
	uint64_t from_ns, to_ns;
};

struct timeline {
	const struct cfw_core *core;
	struct row *rows;
	struct span *spans;
	struct mark *marks;
	size_t *row_of_server, *row_of_hook; /* by slot: index + 1 of the newest row */
	size_t servers_cap, hooks_cap;
	struct step *path; /* from the beginning to the end, without a gap */
	size_t npath, path_cap;
	uint64_t own_ns; /* of the path */
	size_t nrows, rows_cap, nspans, spans_cap, nmarks, marks_cap;
	uint64_t began_ns, ended_ns, deadline_ns, margin_ns;
	struct cfw_trigger cause;
	bool cancelled;
	bool found, aborted, killed, turned, ended, exited;
	int code;
	bool failed; /* no memory */
};

/* Gather the last stop; t->found is false when there was none. End with _clear in any case. */
void cfw_timeline_gather(struct timeline *t, const struct cfw_core *core);
void cfw_timeline_clear(struct timeline *t);
const char *cfw_timeline_kind(const struct timeline *t); /* before "took": "abort", "stop, cancelled," */
/* "web pre_stop drain", "web", "pre_stop policy.lua:3": with the server's name, always. Raw bytes. */
void cfw_timeline_put_label(const struct timeline *t, const struct row *r, struct cfw_buf *out);
/* critical.c, called by _gather. */
void cfw_timeline_path(struct timeline *t);
uint64_t cfw_timeline_took(const struct timeline *t, const struct row *r);

#endif
