/* view.h: views of the core's journal for people: log lines, the live display of a running stop, the timeline after it. */
#ifndef CFW_VIEW_H
#define CFW_VIEW_H

#include <stdbool.h>
#include <stdint.h>

struct cfw_buf;
struct cfw_core;
struct cfw_journal_entry;
struct cfw_log;

/* The text behind an entry's or trigger's text handle; NULL when there is none. */
typedef const char *cfw_text_fn(void *ud, uint32_t text);

/* One log record for an entry (or none: not every entry is worth a line). */
void cfw_view_log(const struct cfw_core *core, const struct cfw_journal_entry *e, const struct cfw_log *log, cfw_text_fn *text,
		  void *ud);

/* What a stop waits for, at this moment: lines for the live display. width in columns, at most height lines. Names the server, the
 * phase, the hook with its source line, since when, until when, and what is left of the budget. ascii: no Unicode. */
void cfw_view_waiting(const struct cfw_core *core, uint64_t now_ns, int width, int height, bool color, bool ascii,
		      struct cfw_buf *out);

/* The timeline of the last stop on one screen: who ran when, for how long, what was cut, the margin and the end. ascii: no
 * Unicode. Nothing when there was no stop. */
void cfw_view_timeline(const struct cfw_core *core, int width, int height, bool color, bool ascii, struct cfw_buf *out);

/* The same for programs and to look at. Nothing when there was no stop; out->failed when memory is gone. JSON: see curfew-control(7).
 * Trace: the format of chrome://tracing, which Perfetto reads, too. */
void cfw_view_timeline_json(const struct cfw_core *core, struct cfw_buf *out);
void cfw_view_timeline_trace(const struct cfw_core *core, struct cfw_buf *out);
void cfw_view_timeline_svg(const struct cfw_core *core, struct cfw_buf *out);

#endif
