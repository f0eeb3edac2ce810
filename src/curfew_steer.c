/* curfew_steer.c: a stop that runs is steered, and single servers are. */
#include "curfew_impl.h"

int curfew_steer(struct curfew *c, const struct curfew_steer *steer, curfew_answer_fn *fn, void *ud, struct curfew_err *err)
{
	(void)c;
	(void)steer;
	(void)fn;
	(void)ud;
	return cfw_err_set(err, CURFEW_EREFUSED, "steering is not supported by this version");
}
