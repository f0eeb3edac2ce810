/* words.h: what the views share: names, causes, widths, and the last stop gathered from the journal. */
#ifndef CFW_VIEW_WORDS_H
#define CFW_VIEW_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slots.h"

struct cfw_buf;
struct cfw_core;
struct cfw_journal_entry;
struct cfw_trigger;

/* Never NULL; raw bytes, as the policy gave them. */
const char *cfw_view_server_name(const struct cfw_core *core, cfw_id server);
const char *cfw_view_phase_name(int phase); /* "pre_stop" */
/* pre_stop "let the balancer notice" (policy.lua:12). Raw bytes. */
void cfw_view_put_hook(const struct cfw_core *core, cfw_id hook, struct cfw_buf *out);
/* "1st", "2nd", "13th" */
void cfw_view_put_ordinal(struct cfw_buf *out, unsigned n);
/* "because of SIGTERM (2nd)", "because db ended by itself": t's kind, signo, code, server and (0: left out) count. */
void cfw_view_put_cause(const struct cfw_core *core, const struct cfw_trigger *t, struct cfw_buf *out);
/* The trigger behind the entry e, a decision or what followed from one. False when the journal does not have it any more. */
bool cfw_view_find_cause(const struct cfw_core *core, const struct cfw_journal_entry *e, struct cfw_trigger *t);
/* The name of a trigger alone: "SIGTERM", "exit". */
/* Why something that steers was refused by the state; NULL where e is not about that. */
const char *cfw_view_refusal(const struct cfw_journal_entry *e);
const char *cfw_view_trigger_word(const struct cfw_journal_entry *e);

/* cfw_format_duration, and nothing is "0s". */
const char *cfw_view_duration(char text[32], uint64_t ns);

/* s, escaped for a terminal, in exactly (pad) or at most columns; what does not fit is cut with an ellipsis. ascii: what is no
 * ASCII becomes '?'. Returns the columns used. */
size_t cfw_view_put_fit(struct cfw_buf *out, const char *s, size_t columns, bool pad, bool ascii);
/* Columns of text that is safe to show, and of any text once it is made so. */
size_t cfw_view_columns(const char *s, size_t n);
size_t cfw_view_safe_columns(const char *s);

#endif
