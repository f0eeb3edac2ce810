#define _GNU_SOURCE
#include <time.h>

#include "base/time.h"
#include "shell/guardian_impl.h"

#define SOME_NS (10 * CFW_MS) /* of the processor: a turn of the loop takes less */

static uint64_t cpu_of(pid_t worker)
{
	clockid_t clock;
	struct timespec ts;
	if (clock_getcpuclockid(worker, &clock) || clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * CFW_SEC + (uint64_t)ts.tv_nsec;
}

void cfw_vigil_note_cpu(struct cfw_vigil *v, const struct cfw_page *page, pid_t worker)
{
	uint64_t turned = cfw_vigil_turned(v, page);
	if (turned == v->turned_ns && v->cpu_ns)
		return;
	v->turned_ns = turned;
	v->cpu_ns = cpu_of(worker);
}

bool cfw_vigil_starves(const struct cfw_vigil *v, pid_t worker)
{
	struct cfw_proc p;
	return cfw_proc_read(worker, &p) && p.state == 'R' && cpu_of(worker) - v->cpu_ns < SOME_NS;
}
