/* late.c: what is told late (the loop was blocked), and what was cut outside of the core's view. */
#include "drive.h"

enum { TERM = 15, USR1 = 10 };

static struct drive *one(uint64_t stop_ns)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web")->stop_ns = stop_ns;
	drive_start(d);
	drive_run(d, MS(100));
	return d;
}

static void done(struct drive *d)
{
	if (d->faults)
		ok(false, "an invariant was broken");
	drive_free(d);
}

static struct cfw_event signal_at(uint64_t at_ns)
{
	struct cfw_event ev = drive_trigger(CFW_T_SIGNAL, TERM, 0);
	ev.trigger.at_ns = at_ns;
	return ev;
}

static void late_signal(void)
{
	struct drive *d = one(MS(10));
	struct cfw_stop_view v;
	d->now_ns = d->blocked_ns = MS(2000); /* it came at 500 ms, the loop was blocked since */
	struct cfw_event ev = signal_at(MS(500));
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	cfw_core_stop_view(d->core, &v);
	is_int(v.began_ns, MS(500), "S4.6: a stop counts from when its signal came");
	is_int(v.deadline_ns, MS(5500), "S4.6: so does the exit timeout");
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "S4.11: still in time, nothing was cut");
	done(d);

	d = one(CFW_NEVER);
	d->now_ns = d->blocked_ns = MS(9000);
	ev = signal_at(MS(500));
	drive_feed(d, &ev);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 255, "S4.8: told after its exit timeout it ends at once with 255");
	ok(d->exit_ns <= MS(9000), "S4.8: and starts no time anew");
	done(d);

	d = one(MS(10));
	ev = signal_at(MS(500000)); /* a clock that is wrong */
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	cfw_core_stop_view(d->core, &v);
	is_int(v.began_ns, d->now_ns, "a time to come is taken as now");
	drive_run(d, CFW_NEVER);
	done(d);
}

static void cut_elsewhere(void)
{
	struct drive *d = one(MS(10));
	struct cfw_event cut = {.type = CFW_EV_CUT};
	drive_feed(d, &cut);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 255, "S4.11: a callback that was cut before the stop was decided on counts");
	done(d);

	d = one(MS(10));
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_feed(d, &cut);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 255, "S4.11: and one that was cut during it");
	done(d);
}

static uint64_t until_first, until_second, until_after;

static void look(struct drive *d, const struct cfw_action *a)
{
	if (a->type != CFW_ACT_CALL || a->phase != CFW_PRE_STOP)
		return;
	struct cfw_event ev = {.type = CFW_EV_EXTEND, .run = a->run, .ns = MS(20000)};
	until_first = cfw_core_run_until(d->core, a->run);
	is_int(cfw_core_feed(d->core, d->now_ns, &ev), 0, "S4.6: extended");
	until_second = cfw_core_run_until(d->core, a->run);
	until_after = cfw_core_run_until(d->core, a->run + 1000);
}

static void run_until(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web");
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(10);
	drive_start(d);
	drive_run(d, MS(100));
	uint64_t began = d->now_ns;
	d->on_action = look;
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(until_first, began + MS(5000), "ctx:remaining() counts to the exit timeout");
	is_int(until_second, began + MS(20000), "S4.6: and to the new one once it was moved");
	is_int(until_after, 0, "a run that is none has no time left");
	done(d);
}

/* S4.14: nothing waits for a deadline that kill would have; a watchdog armed with one would fire first. */
static void killed(void)
{
	struct drive *d = one(CFW_NEVER);
	struct cfw_action a;
	struct cfw_stop_view v;
	struct cfw_event ev = drive_trigger(CFW_T_SIGNAL, USR1, 0);
	cfw_core_feed(d->core, d->now_ns, &ev);
	bool got = cfw_core_next(d->core, &a);
	ok(got && a.type == CFW_ACT_ASK, "asked");
	struct cfw_event answer = {.type = CFW_EV_DECISION, .question = a.question, .decision = {CFW_D_KILL, 5}};
	cfw_core_feed(d->core, d->now_ns, &answer);
	cfw_core_stop_view(d->core, &v);
	ok(v.deadline_ns == CFW_NEVER && v.margin_ns == CFW_NEVER, "S4.14: kill has no deadline, it is over");
	bool killed_it = false;
	while (cfw_core_next(d->core, &a))
		killed_it = a.type == CFW_ACT_EXIT && a.kill && a.code == 5;
	ok(killed_it, "S4.14: it ends with its code, as the last action");
	drive_free(d);
}

int main(void)
{
	late_signal();
	cut_elsewhere();
	run_until();
	killed();
	return tap_done();
}
