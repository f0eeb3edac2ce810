/* process.h: what a definition of the kind "process" says, besides what launch.h reads. */
#ifndef CFW_HOST_PROCESS_H
#define CFW_HOST_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/spawn.h"

struct cfw_value;
struct curfew_err;

struct cfw_step {
	int signo;
	uint64_t wait_ns;
};

struct cfw_process_conf {
	const char *stream[3];
	struct cfw_step *steps; /* owned */
	size_t n_steps;
	bool forward; /* steps were not given, and the signal that caused the stop is passed on first */
	bool to_main; /* signals go to the main process alone */
	enum cfw_spawn_group group;
};

/* 0, or CURFEW_EINVAL or CURFEW_ENOMEM with a text. Clear it in both cases. */
int cfw_process_conf_read(struct cfw_process_conf *c, const struct cfw_value *def, struct curfew_err *err);
void cfw_process_conf_clear(struct cfw_process_conf *c);

#endif
