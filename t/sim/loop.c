/* The virtual loop: time jumps, in order, and nothing is ever ready. */
#include <string.h>

#include "adapters/virtual.h"
#include "base/err.h"
#include "base/time.h"
#include "tap.h"

static struct curfew_loop loop;
static char trace[64];

static void note(const char *c)
{
	strncat(trace, c, sizeof trace - strlen(trace) - 1);
}

static void a(void *ud)
{
	(void)ud;
	note("a");
}

static void b(void *ud)
{
	(void)ud;
	note("b");
	loop.ops->defer(loop.loop, a, NULL);
}

static void on_ready(void *ud, int fd, unsigned what)
{
	(void)ud;
	(void)fd;
	(void)what;
	note("!");
}

int main(void)
{
	struct curfew_err err = {0};
	struct curfew_watch *w = NULL, *left = NULL;
	is_int(curfew_virtual_new(&loop, 100, &err), 0, "a loop");
	is_int((long)loop.ops->now_ns(loop.loop), 100, "its clock is what was said");
	ok(curfew_virtual_due(&loop) == CFW_NEVER, "nothing is due");
	is_int(loop.ops->timer(loop.loop, 300, a, NULL), 0, "a timer");
	is_int(loop.ops->timer(loop.loop, 200, b, NULL), 0, "an earlier one");
	is_int((long)curfew_virtual_due(&loop), 200, "the earlier one is due first");
	curfew_virtual_turn(&loop, 150);
	is_str(trace, "", "not before its time");
	curfew_virtual_turn(&loop, 200);
	is_str(trace, "ba", "what was deferred comes in the same turn");
	is_int((long)curfew_virtual_due(&loop), 300, "the timer of the same function is as it was");
	is_int(loop.ops->timer(loop.loop, CFW_NEVER, a, NULL), 0, "taken back");
	ok(curfew_virtual_due(&loop) == CFW_NEVER, "nothing is due any more");
	loop.ops->defer(loop.loop, a, NULL);
	loop.ops->defer(loop.loop, a, NULL);
	is_int((long)curfew_virtual_due(&loop), 200, "a deferred call is due now");
	curfew_virtual_turn(&loop, 0);
	is_str(trace, "baa", "once");
	is_int((long)curfew_virtual_now(&loop), 200, "the clock never goes back");
	is_int(loop.ops->watch(loop.loop, &w, 0, CURFEW_READ, on_ready, NULL), 0, "a watch");
	is_int(loop.ops->watch(loop.loop, &left, 1, CURFEW_WRITE, on_ready, NULL), 0, "and another");
	curfew_virtual_turn(&loop, 1000);
	is_str(trace, "baa", "is never called");
	loop.ops->watch(loop.loop, &w, 0, 0, NULL, NULL);
	ok(!w && left, "and can be ended");
	is_int(loop.ops->timer(loop.loop, 1, NULL, NULL), CURFEW_EINVAL, "no function: an error");
	is_int(loop.ops->defer(loop.loop, NULL, NULL), CURFEW_EINVAL, "here too");
	loop.ops->timer(loop.loop, 1, a, NULL);
	loop.ops->detach(loop.loop);
	ok(curfew_virtual_due(&loop) == CFW_NEVER, "detached, nothing is due");
	curfew_virtual_free(&loop);
	curfew_virtual_free(&loop);
	return tap_done();
}
