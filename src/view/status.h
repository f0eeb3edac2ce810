/* status.h: what an instance does at this moment, and what has happened in it, as plain values: for whoever asks from outside. */
#ifndef CFW_VIEW_STATUS_H
#define CFW_VIEW_STATUS_H

#include <stdint.h>

#include "base/slots.h"
#include "view/view.h"

struct cfw_value;

/* Where the core leaves off: { address =, pid =, … } of a server, which the caller frees; may be NULL. */
typedef struct cfw_value *cfw_view_info_fn(void *ud, cfw_id server);

/* All of these are the caller's to free; NULL when memory is gone. Times are seconds, with fractions. */

/* { state =, servers = { … }, stop = { … } while one runs, waits = { … }, then = { names } }: what is waited for, since when, until
 * when, and what happens then (field.md 13). */
struct cfw_value *cfw_view_status(const struct cfw_core *core, uint64_t now_ns, cfw_view_info_fn *info, void *ud);
struct cfw_value *cfw_view_servers(const struct cfw_core *core, uint64_t now_ns, cfw_view_info_fn *info, void *ud);
/* One; { name = … } and what info says. */
struct cfw_value *cfw_view_server(const struct cfw_core *core, cfw_id server, uint64_t now_ns, cfw_view_info_fn *info,
				  void *ud);
/* An entry of the journal: { seq =, at =, event = "server", … }. */
struct cfw_value *cfw_view_event(const struct cfw_core *core, const struct cfw_journal_entry *e, cfw_text_fn *text, void *ud);

#endif
