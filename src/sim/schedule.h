/* schedule.h: schedules of a model: drawn by chance, made smaller, told in words and as a test, read from one. */
#ifndef CFW_SIM_SCHEDULE_H
#define CFW_SIM_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cfw_buf;
struct cfw_model;
struct cfw_schedule;
struct cfw_tried;
struct cfw_value;
struct curfew_err;

/* draw.c: that of the seed. faults: with what else goes wrong; what is without it is the same. */
void cfw_schedule_draw(const struct cfw_model *m, uint64_t seed, bool faults, struct cfw_schedule *s);

/* shrink.c: make best as small as it gets while it still breaks what want says. spare: another of the model, changed. */
void cfw_schedule_shrink(struct cfw_model *m, struct cfw_schedule *best, struct cfw_schedule *spare,
			 const struct cfw_tried *want);
bool cfw_schedule_same_fault(const struct cfw_tried *a, const struct cfw_tried *b);

/* put.c: what was broken and by what, in words; and as a test for `curfew test`, of the policy at path. */
void cfw_schedule_put(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_schedule *s, const struct cfw_tried *t);
void cfw_schedule_put_test(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_schedule *s,
			   const struct cfw_tried *t, const char *path);

/* read.c: the items of sim.schedule, its times in ns, false for never. s was initialized. 0, or negative and err. */
int cfw_schedule_read(const struct cfw_model *m, const struct cfw_value *items, struct cfw_schedule *s, struct curfew_err *err);

/* "web pre_stop"; the second of these "web pre_stop 2": how a test names a hook. */
void cfw_schedule_hook_label(const struct cfw_model *m, size_t hook, char *label, size_t size);
extern const char *const cfw_change_names[]; /* by enum cfw_model_change */

#endif
