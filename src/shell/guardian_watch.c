#define _GNU_SOURCE
#include <stdatomic.h>

#include "base/time.h"
#include "shell/guardian_impl.h"

enum { FORCE_AFTER = 3 };
#define FORCE_NS  (250 * CFW_MS) /* a loop that is late for less is not stalled, however many signals come */
#define PING_NS   (100 * CFW_MS) /* since a signal that shows no effect */
#define GRACE_NS  (50 * CFW_MS)  /* it ends itself at its deadline, its watchdog soon after; then we do */
#define LEAST_NS  (50 * CFW_MS)  /* between two looks; a crashed policy's loop may take as long for a turn */
#define LIMIT_MAX (24 * 3600 * CFW_SEC)

/* What another process has written is not believed beyond sense. */
static uint64_t sane(uint64_t length_ns, uint64_t otherwise)
{
	return length_ns && length_ns <= 30 * LIMIT_MAX ? length_ns : otherwise;
}

static uint64_t exit_timeout(const struct cfw_page *page)
{
	return sane(atomic_load(&page->exit_timeout_ns), 5 * CFW_SEC);
}

uint64_t cfw_vigil_turned(const struct cfw_vigil *v, const struct cfw_page *page)
{
	return cfw_time_max(atomic_load(&page->turned_ns), v->since_ns);
}

uint64_t cfw_vigil_deadline(const struct cfw_vigil *v, const struct cfw_page *page)
{
	uint64_t at = atomic_load(&page->deadline_ns);
	if (at == CFW_NEVER)
		at = atomic_load(&page->provisional_ns);
	/* its handler may be blocked too */
	if (v->asked && cfw_vigil_turned(v, page) < v->asked_ns)
		at = cfw_time_min(at, cfw_time_add(v->asked_ns, exit_timeout(page)));
	if (at == CFW_NEVER && v->finished_ns)
		at = cfw_time_add(v->finished_ns, exit_timeout(page));
	return cfw_time_min(at, v->own_end_ns);
}

static uint64_t margin_of(const struct cfw_page *page, uint64_t deadline)
{
	uint64_t length = cfw_time_min(atomic_load(&page->stop_margin_ns), exit_timeout(page) / 4);
	uint64_t said = atomic_load(&page->margin_ns);
	if (said < deadline)
		return said;
	return deadline > length ? deadline - length : 0;
}

void cfw_vigil_asked(struct cfw_vigil *v, const struct cfw_page *page, uint64_t now_ns)
{
	if (!v->asked || cfw_vigil_turned(v, page) >= v->asked_ns) {
		v->asked = 0;
		v->asked_ns = now_ns;
	}
	v->asked++;
	v->forced = v->asked >= FORCE_AFTER && now_ns - v->asked_ns >= FORCE_NS;
}

static uint64_t stall_limit(const struct cfw_vigil *v, const struct cfw_page *page, uint64_t now_ns)
{
	uint64_t limit = sane(atomic_load(&page->stall_limit_ns), 10 * CFW_SEC);
	if (!v->after)
		return limit;
	/* whoever hangs there must leave time for the rest */
	return cfw_time_min(limit, cfw_time_max(cfw_time_left(now_ns, v->own_end_ns) / 3, LEAST_NS));
}

/* A loop that is idle turns for a ping. */
static bool look_at_turns(struct cfw_vigil *v, const struct cfw_page *page, uint64_t now_ns, uint64_t *next_ns, bool *ping)
{
	uint64_t limit = stall_limit(v, page, now_ns), turned = cfw_vigil_turned(v, page);
	uint64_t due = turned + limit / 4;
	if (v->asked && turned < v->asked_ns) /* signals may be blocked: a ping lets them through */
		due = cfw_time_min(due, v->asked_ns + PING_NS);
	if (v->pinged_ns <= turned) {
		*ping = now_ns >= due;
		if (*ping)
			v->pinged_ns = now_ns;
		*next_ns = cfw_time_min(*next_ns, *ping ? now_ns + limit / 4 : due);
		return false;
	}
	uint64_t end = cfw_time_max(turned + limit, v->pinged_ns + limit / 2);
	*next_ns = cfw_time_min(*next_ns, end);
	return now_ns >= end;
}

enum cfw_verdict cfw_vigil_look(struct cfw_vigil *v, const struct cfw_page *page, uint64_t now_ns, uint64_t *next_ns,
				bool *ping)
{
	uint64_t often = cfw_time_max(cfw_time_min(exit_timeout(page) / 5, CFW_SEC), LEAST_NS);
	*next_ns = now_ns + often; /* a provisional deadline is nowhere announced */
	*ping = false;
	if (atomic_load(&page->finished) && !v->finished_ns)
		v->finished_ns = now_ns;
	uint64_t deadline = cfw_vigil_deadline(v, page);
	if (deadline != CFW_NEVER) {
		if (now_ns >= deadline + GRACE_NS)
			return CFW_OVER;
		*next_ns = cfw_time_min(*next_ns, deadline + GRACE_NS);
	}
	if (v->finished_ns || atomic_load(&page->released))
		return CFW_FINE;
	if (v->forced && cfw_vigil_turned(v, page) < v->asked_ns)
		return CFW_STALLED;
	if (deadline != CFW_NEVER) {
		uint64_t margin = margin_of(page, deadline), late = margin + (deadline - margin) / 5 * 2;
		if (cfw_vigil_turned(v, page) < margin && now_ns >= late)
			return CFW_STALLED;
		if (now_ns < late)
			*next_ns = cfw_time_min(*next_ns, now_ns < margin ? margin : late);
	}
	return look_at_turns(v, page, now_ns, next_ns, ping) ? CFW_STALLED : CFW_FINE;
}
