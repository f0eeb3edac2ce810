/* Is the orchestrator stalled, is its time over? Only times and the page decide (S8.3). */
#define _GNU_SOURCE
#include <stdatomic.h>

#include "base/page.h"
#include "base/time.h"
#include "shell/guardian_impl.h"
#include "tap.h"

#define T0 (1000 * CFW_SEC)

static struct cfw_page *page;
static uint64_t next_ns;
static bool ping;

static enum cfw_verdict look(struct cfw_vigil *v, uint64_t at_ns)
{
	return cfw_vigil_look(v, page, at_ns, &next_ns, &ping);
}

static struct cfw_vigil fresh(void)
{
	cfw_page_free(page);
	page = cfw_page_new();
	atomic_store(&page->turned_ns, T0);
	return (struct cfw_vigil){.since_ns = T0, .own_end_ns = CFW_NEVER};
}

static void an_idle_loop(void)
{
	struct cfw_vigil v = fresh();
	uint64_t now = T0;
	unsigned pings = 0;
	bool fine = true;
	for (int i = 0; i < 100; i++) {
		fine &= look(&v, now) == CFW_FINE;
		if (ping) {
			pings++;
			atomic_store(&page->turned_ns, now + CFW_MS); /* it answers */
		}
		now = next_ns;
	}
	ok(fine, "S2.17: an idle loop that answers is never stalled");
	ok(pings >= 10 && pings <= 50, "it is asked now and then: %u times in %u s", pings, (unsigned)((now - T0) / CFW_SEC));
}

static void a_stalled_loop(void)
{
	struct cfw_vigil v = fresh();
	uint64_t now = T0;
	atomic_store(&page->stall_limit_ns, 2 * CFW_SEC);
	while (look(&v, now) == CFW_FINE && now < T0 + 10 * CFW_SEC)
		now = next_ns;
	ok(now == T0 + 2 * CFW_SEC, "S2.17: at stall_limit it is stalled");

	v = fresh();
	ok(look(&v, T0 + 100 * CFW_SEC) == CFW_FINE && ping, "who slept himself asks first");
	ok(look(&v, T0 + 101 * CFW_SEC) == CFW_FINE, "and waits for the answer");
	ok(look(&v, T0 + 106 * CFW_SEC) == CFW_STALLED, "but not for ever");
	atomic_store(&page->stall_limit_ns, 0);
	v = fresh();
	atomic_store(&page->stall_limit_ns, UINT64_MAX - 1);
	ok(look(&v, T0) == CFW_FINE && next_ns > T0 && next_ns < T0 + 2 * CFW_SEC,
	   "S8.4: nonsense in the page is not believed");
}

static void at_the_margin(void)
{
	struct cfw_vigil v = fresh();
	atomic_store(&page->deadline_ns, T0 + 5 * CFW_SEC);
	atomic_store(&page->margin_ns, T0 + 4500 * CFW_MS);
	atomic_store(&page->turned_ns, T0 + 4400 * CFW_MS);
	ok(look(&v, T0 + 4510 * CFW_MS) == CFW_FINE, "S8.3: a moment after the margin it may be late");
	ok(next_ns <= T0 + 4700 * CFW_MS, "there is another look in time");
	ok(look(&v, T0 + 4700 * CFW_MS) == CFW_STALLED, "S8.3: stalled at the margin");
	atomic_store(&page->turned_ns, T0 + 4501 * CFW_MS);
	ok(look(&v, T0 + 4700 * CFW_MS) == CFW_FINE, "one that turned since is not");
	ok(look(&v, T0 + 5040 * CFW_MS) == CFW_FINE, "S4.8: at the deadline it ends itself");
	ok(look(&v, T0 + 5050 * CFW_MS) == CFW_OVER, "or is ended");

	v = fresh();
	atomic_store(&page->provisional_ns, T0 + 5 * CFW_SEC);
	ok(look(&v, T0 + 4700 * CFW_MS) == CFW_STALLED,
	   "S2.19: the deadline of a signal that nobody decides on has a margin too");
	v = fresh();
	cfw_vigil_asked(&v, page, T0 + CFW_SEC);
	ok(cfw_vigil_deadline(&v, page) == T0 + 6 * CFW_SEC, "S2.19: and so has one whose handler cannot run");
	atomic_store(&page->turned_ns, T0 + CFW_SEC);
	ok(cfw_vigil_deadline(&v, page) == CFW_NEVER, "a loop that turned since has decided");
}

static void signals(void)
{
	struct cfw_vigil v = fresh();
	for (int i = 0; i < 3; i++)
		cfw_vigil_asked(&v, page, T0 + CFW_SEC + (uint64_t)i * CFW_MS);
	ok(look(&v, T0 + 1100 * CFW_MS) == CFW_FINE, "S2.19: three signals at once are no stall yet");
	cfw_vigil_asked(&v, page, T0 + 1300 * CFW_MS);
	ok(look(&v, T0 + 1300 * CFW_MS) == CFW_STALLED, "S8.3: but at one more it has had its time");
	atomic_store(&page->turned_ns, T0 + 1250 * CFW_MS);
	ok(look(&v, T0 + 1300 * CFW_MS) == CFW_FINE, "unless it has turned");
	cfw_vigil_asked(&v, page, T0 + 1400 * CFW_MS);
	ok(v.asked == 1, "then counting begins anew");
}

static void the_end(void)
{
	struct cfw_vigil v = fresh();
	atomic_store(&page->finished, 1);
	ok(look(&v, T0 + CFW_SEC) == CFW_FINE && look(&v, T0 + 5 * CFW_SEC) == CFW_FINE, "what has stopped need not turn");
	ok(look(&v, T0 + 6050 * CFW_MS) == CFW_OVER, "S4.8: but must end");
	v = fresh();
	atomic_store(&page->released, 1);
	ok(look(&v, T0 + 500 * CFW_SEC) == CFW_FINE, "S3.5: after deactivate() it is left alone");
	v = fresh();
	v.after = true;
	v.own_end_ns = T0 + 900 * CFW_MS;
	look(&v, T0 + 200 * CFW_MS);
	ok(look(&v, T0 + 400 * CFW_MS) == CFW_STALLED, "S8.2: after a crash who hangs leaves time for the rest");
	ok(look(&v, T0 + 950 * CFW_MS) == CFW_OVER, "S8.2: the deadline is that of before");
}

int main(void)
{
	an_idle_loop();
	a_stalled_loop();
	at_the_margin();
	signals();
	the_end();
	cfw_page_free(page);
	return tap_done();
}
