/* explore.h: a policy under many random schedules; the first that breaks something is made as small as it gets. */
#ifndef CFW_SIM_EXPLORE_H
#define CFW_SIM_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

struct cfw_buf;
struct cfw_value;
struct curfew_err;

struct cfw_explored {
	unsigned long tried; /* the one that broke something included */
	bool broken;
	uint64_t seed; /* of that one: a run of one schedule from this seed finds it again */
};

/* The schedules of the seeds seed, seed + 1, … seed + n - 1, one after the other, until one breaks something; out gets its description
 * then, and the test that it makes. faults: answers come late or twice, the policy is reloaded, memory ends, …: see model.h. The same
 * arguments and policy always give the same. 0, or negative and err: the policy does not load. */
int cfw_explore(const char *path, unsigned long n, uint64_t seed, bool faults, struct cfw_explored *result, struct cfw_buf *out,
		struct curfew_err *err);
/* One schedule, the items of a test: out gets what it breaks, or stays empty. 0, or negative and err. */
int cfw_explore_again(const char *path, const struct cfw_value *items, struct cfw_buf *out, struct curfew_err *err);

#endif
