/* curfew_reload.c: a new policy in the place of the old one (S7). */
#include "curfew_impl.h"

int curfew_reload(struct curfew *c, curfew_answer_fn *fn, void *ud, struct curfew_err *err)
{
	(void)c;
	(void)fn;
	(void)ud;
	return cfw_err_set(err, CURFEW_EREFUSED, "reload is not supported by this version");
}
