#include "sim/explore.h"

#include "base/buf.h"
#include "base/err.h"
#include "sim/model.h"
#include "sim/schedule.h"

/* A rule may keep state: after so many schedules the policy is loaded afresh. */
enum { FRESH = 512 };

/* In a policy that has seen nothing else: what is said is true of it alone. */
static int tell(const char *path, uint64_t seed, bool faults, struct cfw_buf *out, struct curfew_err *err)
{
	struct cfw_model *m = cfw_model_new(path, err);
	struct cfw_schedule first = {0}, next = {0};
	struct cfw_tried found, small;
	if (!m)
		return err->code;
	int rc = cfw_schedule_init(&first, m) || cfw_schedule_init(&next, m) ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory")
									     : 0;
	if (!rc) {
		cfw_schedule_draw(m, seed, faults, &first);
		cfw_model_run(m, &first, &found);
		if (found.finding)
			cfw_schedule_shrink(m, &first, &next, &found);
		cfw_model_run(m, &first, &small);
		if (found.finding && cfw_schedule_same_fault(&small, &found)) {
			cfw_schedule_put(out, m, &first, &small);
			cfw_schedule_put_test(out, m, &first, &small, path);
		} else if (found.finding) {
			cfw_buf_printf(out, "%s\n  (a rule keeps state, so it cannot be made smaller)\n", found.text);
		} else {
			cfw_buf_puts(out, "only after the schedules before it: a rule keeps state from one to the next\n");
		}
	}
	cfw_schedule_clear(&first);
	cfw_schedule_clear(&next);
	cfw_model_free(m);
	return rc;
}

int cfw_explore(const char *path, unsigned long n, uint64_t seed, bool faults, struct cfw_explored *result, struct cfw_buf *out,
		struct curfew_err *err)
{
	struct cfw_model *m = NULL;
	struct cfw_schedule s = {0};
	struct cfw_tried tried = {0};
	int rc = 0;
	*result = (struct cfw_explored){0};
	while (!rc && result->tried < n && !result->broken) {
		if (!m || result->tried % FRESH == 0) {
			cfw_schedule_clear(&s);
			cfw_model_free(m);
			m = cfw_model_new(path, err);
			if (!m || cfw_schedule_init(&s, m)) {
				rc = m ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory") : err->code;
				break;
			}
		}
		result->seed = seed + result->tried++;
		cfw_schedule_draw(m, result->seed, faults, &s);
		cfw_model_run(m, &s, &tried);
		result->broken = tried.finding != CFW_FINDING_NONE;
	}
	cfw_schedule_clear(&s);
	cfw_model_free(m);
	if (!rc && result->broken)
		rc = tell(path, result->seed, faults, out, err);
	return rc;
}

int cfw_explore_again(const char *path, const struct cfw_value *items, struct cfw_buf *out, struct curfew_err *err)
{
	struct cfw_model *m = cfw_model_new(path, err);
	struct cfw_schedule s = {0};
	struct cfw_tried tried;
	if (!m)
		return err->code;
	int rc = cfw_schedule_init(&s, m) ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory") : 0;
	if (!rc)
		rc = cfw_schedule_read(m, items, &s, err);
	if (!rc) {
		cfw_model_run(m, &s, &tried);
		if (tried.finding)
			cfw_schedule_put(out, m, &s, &tried);
	}
	cfw_schedule_clear(&s);
	cfw_model_free(m);
	return rc;
}
