/* plan.h: what a stop would do, without doing it: two runs of the model, one in which nothing takes any time and one in which everything
 * takes all the time that it may. */
#ifndef CFW_SIM_PLAN_H
#define CFW_SIM_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/model.h"

struct cfw_buf;
struct curfew_err;

struct cfw_plan_time { /* from the beginning of the stop; CFW_NEVER: it does not come to that */
	uint64_t begin_ns, end_ns;
	bool cut;
};

struct cfw_plan_case {
	struct cfw_plan_time *servers, *hooks; /* as in the model */
	bool stops, ended;                     /* a trigger began a stop; it came to its end */
	bool aborted, cut;
	int code;
	uint64_t end_ns, margin_ns, deadline_ns; /* from the beginning of the stop */
};

struct cfw_plan_decision {
	uint64_t at_ns; /* from the first trigger on */
	char trigger[64];
	unsigned count;
	enum cfw_decision_what what;
	int code;
	bool refused;
};

struct cfw_plan {
	char *path;
	struct cfw_model *model;
	size_t *wave; /* of each server, from 1: those of one wave stop side by side */
	size_t nwaves;
	struct cfw_plan_decision decisions[2 * CFW_MODEL_AT];
	size_t ndecisions;
	struct cfw_plan_case best, worst;
	const struct cfw_core *core; /* of the worst case */
};

/* on: "SIGTERM", "SIGINT,SIGINT@2s", "exit(3)", "closed:db@1s", "custom:deploy": triggers and their times, from the first one on.
 * NULL and err: on is wrong, or the policy does not load. */
struct cfw_plan *cfw_plan_new(const char *path, const char *on, struct curfew_err *err);
void cfw_plan_free(struct cfw_plan *p); /* NULL is fine */

/* How long this server's own stop may take before it is ended by force; CFW_NEVER: until the margin. */
uint64_t cfw_plan_stop_limit(const struct cfw_plan *p, size_t server);

/* plan_text.c, plan_json.c, plan_svg.c. On failure out->failed is set. */
void cfw_plan_put_text(const struct cfw_plan *p, int width, bool color, bool ascii, struct cfw_buf *out);
void cfw_plan_put_json(const struct cfw_plan *p, struct cfw_buf *out);
void cfw_plan_put_svg(const struct cfw_plan *p, struct cfw_buf *out);

#endif
