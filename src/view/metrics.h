/* metrics.h: an instance as Prometheus reads it: counters that the journal's entries add to, and gauges that are read when they are asked
 * for; text format 0.0.4. */
#ifndef CFW_VIEW_METRICS_H
#define CFW_VIEW_METRICS_H

#include <stdint.h>

#include "core/core.h"
#include "view/status.h"

struct cfw_buf;

enum { CFW_METRICS_SIGNALS = 65 };

struct cfw_metrics {
	uint64_t triggers[CFW_T_KINDS], signals[CFW_METRICS_SIGNALS]; /* CFW_T_SIGNAL by its number */
	uint64_t decisions[CFW_DECISIONS];
	uint64_t hooks[CFW_PHASES][CFW_OUTCOMES];
	uint64_t stops[2]; /* by enum cfw_mode, as they began */
	uint64_t died, cut, start_failures, cancelled;
	uint64_t reloads, reloads_refused; /* the caller's to count */
	uint64_t generation, memory; /* of the policy, and of all that are there, in bytes: the caller's to set before _put */
	uint64_t began_ns;           /* of the instance */
};

void cfw_metrics_entry(struct cfw_metrics *m, const struct cfw_core *core, const struct cfw_journal_entry *e);
/* info as for cfw_view_servers, with { stats = { … } }; called once a server. */
void cfw_metrics_put(const struct cfw_metrics *m, const struct cfw_core *core, const char *version, uint64_t now_ns,
		     cfw_view_info_fn *info, void *ud, struct cfw_buf *out);

#endif
