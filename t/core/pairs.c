/* Every trigger in every state of S3, twice, in all pairs, at three distances. After each case: the process ends, or is quiet and
 * ends at the next SIGTERM; in time, with every pre_stop hook that is owed called once (the invariants of drive.h); and where
 * nothing failed and nothing was cut the code is the highest that was asked for (S4.3, S4.11). */
#include "drive.h"

enum { HUP = 1, INT = 2, QUIT = 3, USR1 = 10, TERM = 15 };
enum { SKIPS = 11 };    /* a request */
enum { DB, WEB, SLOW }; /* the servers; as a trigger's: about it */

static const struct {
	const char *name;
	struct cfw_trigger t;
} triggers[] = {
	{"SIGINT", {.kind = CFW_T_SIGNAL, .signo = INT}},
	{"SIGTERM", {.kind = CFW_T_SIGNAL, .signo = TERM}},
	{"SIGQUIT", {.kind = CFW_T_SIGNAL, .signo = QUIT}},
	{"SIGHUP", {.kind = CFW_T_SIGNAL, .signo = HUP}},
	{"SIGUSR1", {.kind = CFW_T_SIGNAL, .signo = USR1}},
	{"exit(0)", {.kind = CFW_T_EXIT}},
	{"exit(3)", {.kind = CFW_T_EXIT, .code = 3}},
	{"error", {.kind = CFW_T_ERROR}},
	{"rejection", {.kind = CFW_T_REJECTION}},
	{"closed", {.kind = CFW_T_CLOSED, .server = WEB, .code = 1}},
	{"idle", {.kind = CFW_T_IDLE}},
	{"stop", {.kind = CFW_T_STOP}},
	{"stop{exit=false}", {.kind = CFW_T_STOP, .no_exit = true, .request = 9}},
	{"abort", {.kind = CFW_T_ABORT}},
	{"reload", {.kind = CFW_T_RELOAD}},
	{"crash", {.kind = CFW_T_CRASH, .died_signo = 11}},
	{"start_failed", {.kind = CFW_T_START_FAILED, .server = WEB}},
	{"stall", {.kind = CFW_T_STALL}},
	{"custom", {.kind = CFW_T_CUSTOM, .custom = 5}},
	{"hurry", {.kind = CFW_T_HURRY}},
	{"extend", {.kind = CFW_T_EXTEND, .ns = MS(9000), .request = 10}},
	{"skip", {.kind = CFW_T_SKIP, .server = WEB, .request = SKIPS}},
	{"skip of the global hooks", {.kind = CFW_T_SKIP, .request = SKIPS}},
	{"cancel", {.kind = CFW_T_CANCEL, .request = 12}},
	{"start_server", {.kind = CFW_T_SERVER_START, .server = WEB, .request = 13}},
	{"stop_server", {.kind = CFW_T_SERVER_STOP, .server = WEB, .request = 14}},
	{"restart_server", {.kind = CFW_T_SERVER_RESTART, .server = WEB, .request = 15}},
};
enum { TRIGGERS = sizeof triggers / sizeof triggers[0] };

static struct drive *make(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "db")->start_ns = MS(20);
	drive_add(d, "web")->start_ns = MS(20);
	drive_add(d, "slow")->start_ns = MS(200);
	drive_after(d, "web", "db");
	d->server[0].stop_ns = d->server[1].stop_ns = MS(60);
	for (int i = -1; i < 3; i++)
		for (int p = i < 0 ? CFW_PRE_STOP : CFW_PRE_START; p < CFW_PHASES; p++)
			drive_hook(d, i < 0 ? NULL : d->server[i].name, (enum cfw_phase)p, NULL, CFW_NEVER)->take_ns =
				MS(5 + 2 * p);
	return d;
}

static void stop_without_exit(struct drive *d)
{
	struct cfw_event ev = drive_trigger(CFW_T_STOP, 0, 0);
	ev.trigger.no_exit = true;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns + MS(5000));
}

/* NULL when the state was not reached. */
static struct drive *reach(enum cfw_life life)
{
	struct drive *d = make();
	if (life == CFW_L_NEW)
		return d;
	if (life == CFW_L_ERRORED)
		d->hook[0].outcome = CFW_FAILED;
	if (life == CFW_L_TIMEOUT)
		d->server[0].stop_ns = CFW_NEVER;
	drive_start(d);
	drive_run(d, d->now_ns + (life == CFW_L_STARTING || life == CFW_L_START_ABORTED ? MS(50) : MS(1000)));
	if (life == CFW_L_STOPPED || life == CFW_L_ERRORED)
		stop_without_exit(d);
	if (life == CFW_L_STOPPING || life == CFW_L_PRESTOPPED || life == CFW_L_START_ABORTED || life == CFW_L_TIMEOUT)
		drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	while (life == CFW_L_PRESTOPPED && cfw_core_life(d->core) == CFW_L_STOPPING)
		drive_step(d, CFW_NEVER);
	if (life == CFW_L_TIMEOUT)
		drive_run(d, CFW_NEVER);
	if (cfw_core_life(d->core) == life)
		return d;
	tap_diag("life is %s", cfw_life_name(cfw_core_life(d->core)));
	drive_free(d);
	return NULL;
}

static int highest, before; /* of what was asked for, by the defaults; of that, before the stop that runs */

/* A cancel takes back what the stop had asked for; what was skipped did not end well (S4.11). */
static void count_code(struct drive *d, const struct cfw_action *a)
{
	(void)d;
	if (a->type == CFW_ACT_UNLAME)
		highest = before;
	if (a->type == CFW_ACT_REPLY && a->request == SKIPS && a->outcome == CFW_OK && highest < 1)
		highest = 1;
}

static void fire(struct drive *d, int i)
{
	struct cfw_event ev = {.type = CFW_EV_TRIGGER, .trigger = triggers[i].t};
	if (d->exited)
		return;
	if (ev.trigger.server)
		ev.trigger.server = d->server[ev.trigger.server].id;
	struct cfw_decision def = cfw_decision_default(&ev.trigger);
	if ((def.what == CFW_D_GRACEFUL || def.what == CFW_D_ABORT) && def.code > highest)
		highest = def.code;
	drive_feed(d, &ev);
	if (!d->exited)
		drive_run(d, d->now_ns);
}

static bool good(struct drive *d)
{
	struct cfw_stop_view v;
	uint64_t began = d->now_ns;
	drive_run(d, d->now_ns + MS(5000) + MS(2000));
	if (!d->exited) {
		cfw_core_stop_view(d->core, &v);
		if (v.running)
			drive_fault(d, "a stop that does not end");
		began = d->now_ns;
		drive_fire(d, CFW_T_SIGNAL, TERM, 0);
		drive_run(d, CFW_NEVER);
	}
	if (!d->exited)
		drive_fault(d, "no exit");
	if (d->exited && d->exit_ns > began + MS(5000))
		drive_fault(d, "an exit after %llu ms", (unsigned long long)((d->exit_ns - began) / CFW_MS));
	if (cfw_core_life(d->core) == CFW_L_STOPPED && d->exit_code != highest)
		drive_fault(d, "code %d, asked for was %d", d->exit_code, highest);
	if (d->exit_code < highest)
		drive_fault(d, "code %d is less than what was asked for, %d", d->exit_code, highest);
	return d->faults == 0;
}

static void pairs(enum cfw_life life)
{
	static const uint64_t gaps[] = {0, MS(7), MS(150)};
	int cases = 0, bad = 0;
	for (int i = 0; i < TRIGGERS; i++)
		for (int k = 0; k < TRIGGERS; k++)
			for (size_t g = 0; g < sizeof gaps / sizeof gaps[0]; g++, cases++) {
				struct drive *d = reach(life);
				if (!d) {
					bad++;
					continue;
				}
				highest = before = life == CFW_L_ERRORED;
				d->on_action = count_code;
				fire(d, i);
				if (!d->exited)
					drive_run(d, d->now_ns + gaps[g]);
				fire(d, k);
				if (!good(d) && bad++ < 5)
					tap_diag("%s: %s, %s after %d ms", cfw_life_name(life), triggers[i].name,
						 triggers[k].name, (int)(gaps[g] / CFW_MS));
				drive_free(d);
			}
	is_int(bad, 0, "S4.12, S4.3, S4.8: every pair of triggers while %s: %d cases", cfw_life_name(life), cases);
}

/* After the end no trigger means anything. */
static void after_the_end(void)
{
	struct drive *d = reach(CFW_L_TIMEOUT);
	int taken = 0;
	for (int i = 0; d && i < TRIGGERS; i++) {
		struct cfw_event ev = {.type = CFW_EV_TRIGGER, .trigger = triggers[i].t};
		taken += cfw_core_feed(d->core, d->now_ns, &ev) != CURFEW_ESTATE;
	}
	ok(d && taken == 0, "S3: in timeout every trigger comes too late");
	drive_free(d);
}

int main(void)
{
	for (int life = 0; life < CFW_LIVES; life++)
		if (life != CFW_L_TIMEOUT)
			pairs((enum cfw_life)life);
	after_the_end();
	return tap_done();
}
