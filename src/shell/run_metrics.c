/* run_metrics.c: what the metrics of `curfew run` are made of. */
#include <string.h>

#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "shell/run_impl.h"
#include "version.h"

static struct cfw_value *info(void *ud, cfw_id server)
{
	return curfew_server_info(ud, server, true);
}

void cfw_run_metrics(void *ud, struct cfw_buf *out)
{
	struct cfw_run_state *r = ud;
	struct cfw_value *generations = curfew_generations(r->curfew);
	r->metrics.memory = r->metrics.generation = 0;
	for (size_t i = 0; i < cfw_value_len(generations); i++) {
		const struct cfw_value *g = cfw_value_at(generations, i);
		r->metrics.memory += (uint64_t)cfw_value_get_int(g, "memory", 0);
		if (strcmp(cfw_value_get_str(g, "state", ""), "current") == 0)
			r->metrics.generation = (uint64_t)cfw_value_get_int(g, "generation", 0);
	}
	cfw_value_free(generations);
	cfw_metrics_put(&r->metrics, curfew_core(r->curfew), CURFEW_VERSION,
			curfew_env(r->curfew)->now_ns(curfew_env(r->curfew)->ud), info, r->curfew, out);
}
