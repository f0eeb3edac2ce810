/* S4: the stop. */
#include "drive.h"

enum { INT = 2, TERM = 15 };

static struct drive *pair(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "db");
	drive_add(d, "web");
	drive_after(d, "web", "db");
	return d;
}

static struct drive *one(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web");
	return d;
}

static void done(struct drive *d)
{
	if (d->faults)
		ok(false, "an invariant was broken");
	drive_free(d);
}

static void graceful_order(void)
{
	struct drive *d = pair();
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, NULL, CFW_POST_STOP, NULL, CFW_NEVER);
	for (int i = 0; i < 2; i++)
		for (int p = 0; p < CFW_PHASES; p++)
			drive_hook(d, i ? "web" : "db", (enum cfw_phase)p, NULL, CFW_NEVER)->take_ns = MS(10);
	drive_hook(d, "web", CFW_PRE_STOP, "web second", CFW_NEVER)->take_ns = MS(10);
	drive_start(d);
	drive_run(d, MS(2000));
	ok(drive_order(d, "call db.pre_start graceful", "done db.pre_start", "start db", "started db",
		       "call db.post_start graceful", "done db.post_start", "call web.pre_start graceful", "start web",
		       "started web", "done web.post_start", "reply 1 ok", NULL),
	   "S3.1: dependencies start first, their post_start hooks included");
	is_int(cfw_core_life(d->core), CFW_L_STARTED, "S3: life is started");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	is_int(cfw_core_life(d->core), CFW_L_STOPPING, "S3: life is stopping");
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "ask SIGTERM 1", "lame", "call global.pre_stop graceful", "done global.pre_stop",
		       "call web.pre_stop graceful", "done web.pre_stop", "call web second graceful", "done web second",
		       "stop web", "stopped web", "call web.post_stop graceful", "done web.post_stop",
		       "call db.pre_stop graceful", "done db.pre_stop", "stop db", "stopped db", "call db.post_stop graceful",
		       "done db.post_stop", "call global.post_stop graceful", "done global.post_stop", "exit 0", NULL),
	   "S4.1: global pre_stop, the servers by waves, global post_stop");
	is_int(drive_count(d, "lame"), 1, "S9.1: lame once");
	is_int(d->exit_code, 0, "S4.11: all well is 0");
	is_int(cfw_core_life(d->core), CFW_L_STOPPED, "S3: life is stopped");
	done(d);
}

static void hooks_in_turn(void)
{
	static const char *const labels[] = {"one", "two", "three"};
	for (int p = CFW_PRE_STOP; p <= CFW_POST_STOP; p++) {
		struct drive *d = one();
		for (int i = 0; i < 3; i++)
			drive_hook(d, i == 2 ? NULL : "web", (enum cfw_phase)p, labels[i], CFW_NEVER)->take_ns = MS(10);
		drive_hook(d, NULL, (enum cfw_phase)p, "four", CFW_NEVER)->take_ns = MS(10);
		drive_start(d);
		drive_fire(d, CFW_T_SIGNAL, TERM, 0);
		drive_run(d, CFW_NEVER);
		ok(drive_order(d, "call one graceful", "done one", "call two graceful", "done two", NULL),
		   "S4.1: %s hooks of a server run one after another", drive_phases[p]);
		ok(drive_order(d, "call three graceful", "done three", "call four graceful", "done four", NULL),
		   "S4.1: the global %s hooks too", drive_phases[p]);
		done(d);
	}
}

static struct cfw_trigger seen[CFW_PHASES];
static uint64_t until[CFW_PHASES];

static void see(struct drive *d, const struct cfw_action *a)
{
	(void)d;
	if (a->type == CFW_ACT_CALL) {
		seen[a->phase] = a->trigger;
		until[a->phase] = a->deadline_ns;
	}
}

static void what_hooks_are_told(void)
{
	struct drive *d = one();
	for (int p = 0; p < CFW_PHASES; p++)
		drive_hook(d, "web", (enum cfw_phase)p, NULL, p == CFW_PRE_START ? MS(70) : CFW_NEVER);
	d->on_action = see;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, INT, 0);
	drive_run(d, CFW_NEVER);
	is_int(seen[CFW_POST_START].kind, CFW_T_KINDS, "a start hook has no trigger");
	ok(seen[CFW_PRE_STOP].kind == CFW_T_SIGNAL && seen[CFW_PRE_STOP].signo == INT,
	   "a pre_stop hook is told the first cause");
	ok(seen[CFW_POST_STOP].kind == CFW_T_SIGNAL && seen[CFW_POST_STOP].signo == INT, "a post_stop hook too");
	is_int(until[CFW_PRE_START], MS(1070), "a hook's deadline is its own limit");
	is_int(until[CFW_POST_START], MS(31000), "or the start's");
	is_int(until[CFW_PRE_STOP], MS(6000), "or for pre_stop the exit timeout");
	is_int(until[CFW_POST_STOP], MS(5500), "or for post_stop the margin");
	done(d);
}

static void independent_ones(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "a")->stop_ns = MS(100);
	drive_add(d, "b")->stop_ns = MS(100);
	drive_hook(d, "a", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(50);
	drive_hook(d, "b", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(50);
	drive_start(d);
	drive_fire(d, CFW_T_STOP, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 0"), 150, "S4.1: independent servers stop side by side");
	done(d);
}

/* Three lines meet in one server: it waits for the slowest of its dependants, post_stop included. */
static void diamond(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "base");
	drive_add(d, "left")->stop_ns = MS(10);
	drive_add(d, "right")->stop_ns = MS(30);
	drive_add(d, "top");
	drive_after(d, "left", "base");
	drive_after(d, "right", "base");
	drive_after(d, "top", "left");
	drive_after(d, "top", "right");
	drive_hook(d, "right", CFW_POST_STOP, NULL, CFW_NEVER)->take_ns = MS(70);
	drive_start(d);
	drive_fire(d, CFW_T_STOP, 0, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "stopped top", "stop right", "stop left", "stopped left", "stopped right", "done right.post_stop",
		       "stop base", "exit 0", NULL),
	   "S4.1: a server waits for all that depend on it");
	is_int(drive_ms(d, "stop base"), 100, "S4.1: fully done means post_stop included");
	done(d);
}

static void abort_at_once(void)
{
	struct drive *d = pair();
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(40);
	drive_hook(d, "web", CFW_PRE_STOP, "web one", CFW_NEVER)->take_ns = MS(40);
	drive_hook(d, "web", CFW_PRE_STOP, "web two", CFW_NEVER)->take_ns = MS(60);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(40);
	drive_hook(d, "db", CFW_POST_STOP, NULL, CFW_NEVER);
	drive_hook(d, NULL, CFW_POST_STOP, NULL, CFW_NEVER);
	d->server[0].cut_ns = d->server[1].cut_ns = MS(5);
	drive_start(d);
	drive_fire(d, CFW_T_EXIT, 0, 7);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "call web two abort"), 0, "S4.2: hooks of one server run at once");
	is_int(drive_ms(d, "call db.pre_stop abort"), 0, "S4.2: hooks of all servers run at once");
	is_int(drive_ms(d, "call global.pre_stop abort"), 0, "S4.2: the global ones too");
	is_int(drive_ms(d, "cut web"), 60, "S4.2: servers are cut when all hooks have ended");
	is_int(drive_ms(d, "exit 7"), 65, "S2.4, S4.2: then the process ends with the code");
	ok(drive_line(d, "stop web") < 0 && drive_line(d, "call db.post_stop abort") < 0 &&
		   drive_line(d, "call global.post_stop abort") < 0,
	   "S4.2: no drain and no post_stop");
	is_int(cfw_core_life(d->core), CFW_L_STOPPED, "S3: an abort that went well is stopped");
	done(d);

	d = one();
	d->server[0].cut_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 1"), 100, "S4.2: a server that was cut is waited for 100 ms at most");
	done(d);
}

static void codes(void)
{
	struct drive *d = one();
	d->server[0].stop_ns = MS(100);
	drive_start(d);
	drive_fire(d, CFW_T_STOP, 0, 0);
	drive_run(d, d->now_ns + MS(10));
	drive_fire(d, CFW_T_EXIT, 0, 9);
	drive_fire(d, CFW_T_EXIT, 0, 3);
	drive_fire(d, CFW_T_EXIT, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 9, "S4.3: the highest code asked for, it never goes down");
	done(d);

	d = one();
	d->server[0].stop_ns = MS(100);
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(100);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, d->now_ns + MS(10));
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_count(d, "call web.pre_stop graceful"), 1, "S4.4: a second graceful trigger begins no hook again");
	is_int(drive_count(d, "ask SIGTERM 2"), 1, "S2.13: it is counted");
	is_int(drive_ms(d, "exit 0"), 200, "S4.4: and changes nothing else");
	done(d);

	d = one();
	drive_start(d);
	struct cfw_event ev = drive_trigger(CFW_T_STOP, 0, 0);
	drive_feed(d, &ev);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "S2.15: a server's stop without a code asks for none");
	done(d);
}

static void stopped_with_code(void)
{
	struct drive *d = one();
	d->server[0].stop_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_STOPPED,
					  .server = d->server[0].id,
					  .attempt = d->server[0].attempt,
					  .code = 143});
	is_int(d->exit_code, 143, "S2.15: a stopped server's code is asked for");
	is_int(cfw_core_life(d->core), CFW_L_STOPPED, "S2.15: and is no fault");
	done(d);
}

static void turn_into_abort(void)
{
	struct drive *d = pair();
	drive_hook(d, "web", CFW_PRE_STOP, "web one", CFW_NEVER)->take_ns = MS(100);
	drive_hook(d, "web", CFW_PRE_STOP, "web two", CFW_NEVER)->take_ns = MS(10);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(10);
	drive_hook(d, "db", CFW_POST_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, d->now_ns + MS(50));
	drive_fire(d, CFW_T_ABORT, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_count(d, "call web one graceful"), 1, "S4.5: a hook that runs goes on, it is not begun again");
	is_int(drive_ms(d, "call web two abort"), 50, "S4.5: hooks not yet begun begin now");
	is_int(drive_ms(d, "call db.pre_stop abort"), 50, "S4.5: the other servers' hooks too");
	is_int(drive_ms(d, "cut db"), 100, "S4.5: nothing but the hooks is waited for");
	is_int(d->exit_code, 1, "S2: `abort` is abort(1)");
	done(d);
}

static void abort_while_draining(void)
{
	struct drive *d = pair();
	d->server[1].stop_ns = MS(3000);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(10);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, d->now_ns + MS(50));
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "stop web", "call db.pre_stop abort", "done db.pre_stop", "cut web", "exit 1", NULL),
	   "S4.10: an uncaught error during a stop is abort(1): the drain is not waited for");
	done(d);
}

static void deadlines(void)
{
	struct drive *d = pair();
	d->server[1].stop_ns = CFW_NEVER;
	d->server[1].cut_ns = MS(1);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(100);
	drive_hook(d, "db", CFW_POST_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "cut web"), 4500, "S4.7: at the margin what has not stopped is cut");
	is_int(drive_ms(d, "call db.pre_stop graceful"), 4500, "S4.7: pre_stop hooks that have not begun begin now");
	ok(drive_line(d, "call db.post_stop graceful") < 0, "S4.7: the graceful part is over: no post_stop");
	is_int(drive_ms(d, "exit 255"), 4600, "S4.7: when the rest is done the process ends, without waiting for the deadline");
	is_int(cfw_core_life(d->core), CFW_L_TIMEOUT, "S3: life is timeout");
	done(d);

	d = one();
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 255"), 5000, "S4.8: at the exit timeout the process ends with 255");
	ok(drive_line(d, "cut_hook web.pre_stop") < 0, "S4.12: only the exit timeout cuts a pre_stop hook short");
	done(d);

	d = one();
	drive_hook(d, "web", CFW_POST_STOP, NULL, CFW_NEVER)->take_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "stopped web", "cut_hook web.post_stop", "exit 255", NULL),
	   "S4.7: a post_stop hook is cut at the margin");
	is_int(drive_ms(d, "exit 255"), 4500, "S4.7: and that is the end");
	done(d);

	d = one();
	d->config.exit_timeout_ns = MS(400);
	cfw_core_configure(d->core, &d->config);
	d->server[0].stop_ns = CFW_NEVER;
	d->server[0].cut_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "cut web"), 300, "S1: the margin is at most a quarter of the exit timeout");
	is_int(drive_ms(d, "exit 255"), 400, "S4.8: a server that is deaf to a cut holds nobody");
	done(d);
}

static void abort_and_the_clock(void)
{
	struct drive *d = one();
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(4800);
	drive_start(d);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 1"), 4800, "S4.2: in an abort a pre_stop hook has until the exit timeout");
	done(d);

	d = one();
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 255"), 5000, "S4.8: an abort's end is the exit timeout too");
	ok(drive_line(d, "cut web") >= 0, "S4.2: and no tree is left behind");
	done(d);

	d = one();
	drive_hook(d, "web", CFW_POST_STOP, NULL, CFW_NEVER)->take_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 255"), 4500, "S4.5, S4.7: a post_stop hook that ran goes on, but not past the margin");
	done(d);
}

static void abort_after_margin(void)
{
	struct drive *d = one();
	d->server[0].stop_ns = CFW_NEVER;
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(4700);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, MS(1000) + MS(4600));
	drive_fire(d, CFW_T_ABORT, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 255"), 4700, "S4.5: an abort past the margin changes nothing");
	done(d);
}

static void one_deadline(void)
{
	struct drive *d = one();
	d->server[0].stop_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, MS(3000));
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "cut web"), 4500, "S4.6: nothing starts the exit timeout anew");
	done(d);

	d = one();
	d->server[0].stop_ns = CFW_NEVER;
	d->ask_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "lame"), 1000, "S2.11: with policy dead the default is taken after ask_timeout");
	is_int(drive_ms(d, "cut web"), 4500, "S4.6: the exit timeout counts from the trigger, not from its answer");
	done(d);
}

static uint32_t run_of(struct drive *d, const char *label)
{
	struct cfw_hook_view v;
	for (int i = 0; i < d->hooks; i++)
		if (strcmp(d->hook[i].label, label) == 0 && !cfw_core_hook_view(d->core, d->hook[i].id, &v))
			return v.run;
	return 0;
}

static int extend(struct drive *d, const char *label, uint64_t ns)
{
	return drive_feed(d, &(struct cfw_event){.type = CFW_EV_EXTEND, .run = run_of(d, label), .ns = ns});
}

static void extension(void)
{
	struct cfw_stop_view v;
	struct drive *d = one();
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(30000);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	is_int(extend(d, "web.pre_stop", MS(10)), 0, "S4.6: an end that is later already stays");
	cfw_core_stop_view(d->core, &v);
	is_int(v.deadline_ns, MS(6000), "S4.6: max(old, now + t)");
	drive_run(d, MS(2000));
	is_int(extend(d, "web.pre_stop", MS(20000)), 0, "S4.6: extend moves the end");
	cfw_core_stop_view(d->core, &v);
	is_int(v.deadline_ns, MS(22000), "S4.6: to now + t");
	is_int(v.margin_ns, MS(21500), "S4.6: the margin moves along");
	is_int(extend(d, "web.pre_stop", MS(600000)), 0, "S4.6: as far as max_exit_timeout");
	cfw_core_stop_view(d->core, &v);
	is_int(v.deadline_ns, MS(61000), "S4.6: counted from the first stopping trigger");
	is_int(extend(d, "web.pre_stop", MS(600000)), CURFEW_EREFUSED, "S4.6: and no further");
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 0"), 30000, "S4.6: the hook had its time");
	done(d);

	d = one();
	d->server[0].stop_ns = CFW_NEVER;
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(4900);
	drive_start(d);
	is_int(extend(d, "global.pre_stop", MS(100)), CURFEW_EREFUSED, "S4.6: without a stop there is nothing to extend");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	is_int(drive_feed(d, &(struct cfw_event){.type = CFW_EV_EXTEND, .run = 4711, .ns = MS(9)}), CURFEW_EREFUSED,
	       "S4.6: only a hook that runs may extend");
	drive_run(d, MS(5600));
	is_int(extend(d, "global.pre_stop", MS(5000)), CURFEW_EREFUSED, "S4.6: refused past the margin");
	done(d);

	d = one();
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(100);
	drive_start(d);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	is_int(extend(d, "web.pre_stop", MS(9000)), CURFEW_EREFUSED, "S4.6: refused in an abort");
	done(d);
}

static void failing_hooks(void)
{
	struct drive *d = pair();
	drive_hook(d, "web", CFW_PRE_STOP, "bad", CFW_NEVER)->outcome = CFW_FAILED;
	drive_hook(d, "web", CFW_PRE_STOP, "next", CFW_NEVER);
	drive_hook(d, "db", CFW_PRE_STOP, "other", CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "done bad", "call next graceful", "stop web", "call other graceful", "stop db", "exit 1", NULL),
	   "S4.9: a hook that fails: the stop goes on for all servers, the code is 1");
	is_int(cfw_core_life(d->core), CFW_L_ERRORED, "S3: life is errored");
	done(d);

	d = one();
	drive_hook(d, "web", CFW_PRE_STOP, "slow", MS(200))->take_ns = CFW_NEVER;
	drive_hook(d, "web", CFW_PRE_STOP, "next", CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "call slow graceful", "cut_hook slow", "call next graceful", "exit 1", NULL),
	   "S4.9: a hook that passes its own limit is cut, the next one runs, the code is 1");
	is_int(drive_ms(d, "cut_hook slow"), 200, "S4.9: at its limit");
	done(d);

	d = one();
	drive_hook(d, "web", CFW_POST_STOP, "bad", CFW_NEVER)->outcome = CFW_FAILED;
	drive_start(d);
	drive_fire(d, CFW_T_EXIT, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 1, "S4.9: a post_stop hook that fails counts as well");
	done(d);

	d = one();
	drive_hook(d, "web", CFW_PRE_STOP, "cut", CFW_NEVER)->outcome = CFW_CUT;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 255, "S4.11: a hook that was cut off at the margin: 255");
	done(d);
}

static void exit_calls_in_hooks(void)
{
	struct drive *d = one();
	struct drive_hook *h = drive_hook(d, "web", CFW_PRE_STOP, "zero", CFW_NEVER);
	h->outcome = CFW_EXIT_CALL;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "done zero", "stop web", "stopped web", "exit 0", NULL), "S4.9: os.exit(0) in a hook completes it");
	done(d);

	d = pair();
	h = drive_hook(d, "web", CFW_PRE_STOP, "three", CFW_NEVER);
	h->outcome = CFW_EXIT_CALL;
	h->code = 3;
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "done three", "call db.pre_stop abort", "cut db", "exit 3", NULL),
	   "S4.9: os.exit(n) in a hook completes it and turns the stop into an abort");
	ok(drive_line(d, "ask exit 1") < 0, "S4.9: nobody is asked about it");
	done(d);

	d = one();
	h = drive_hook(d, "web", CFW_PRE_START, NULL, CFW_NEVER);
	h->outcome = CFW_EXIT_CALL;
	h->code = 4;
	drive_start(d);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "done web.pre_start", "ask exit 1", "lame", "exit 4", NULL),
	   "S2.4: in a start hook it is an exit trigger");
	done(d);
}

static void own_stop_timeout(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("web");
	o.stop_timeout_ns = MS(300);
	struct drive_server *s = drive_add_opts(d, &o);
	s->stop_ns = CFW_NEVER;
	s->cut_ns = MS(5);
	drive_hook(d, "web", CFW_POST_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "stop web", "cut web", "stopped web", "call web.post_stop graceful", "exit 1", NULL),
	   "S4.11: a server that passes its own stop_timeout is cut, its post_stop hooks run, the code is 1");
	is_int(drive_ms(d, "cut web"), 300, "S4.11: at its limit");
	done(d);
}

static void deaths(void)
{
	struct drive *d = pair();
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(100);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, "db", CFW_POST_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, d->now_ns + MS(10));
	drive_close(d, "db", 0, 9);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "closed db", "done web.pre_stop", "stop web", "stopped web", "call db.pre_stop graceful",
		       "call db.post_stop graceful", "exit 1", NULL),
	   "S4.13: a server that dies unasked during a stop: its hooks still run, nobody else is cut for it");
	ok(drive_line(d, "stop db") < 0, "S4.13: it is not told to stop");
	ok(drive_line(d, "ask closed 1") < 0, "S4.13: and nobody is asked");
	is_int(cfw_core_life(d->core), CFW_L_ERRORED, "S4.11: the code is at least 1");
	done(d);

	d = one();
	d->server[0].stop_ns = CFW_NEVER;
	drive_hook(d, "web", CFW_POST_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_close(d, "web", -1, 11);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "stop web", "closed web", "call web.post_stop graceful", "exit 1", NULL),
	   "S4.13: also while it was being stopped");
	done(d);

	d = one();
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(50);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_close(d, "web", 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 1, "S4.11: dying unasked counts also when the server's own code is 0");
	done(d);

	d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("job");
	o.expect_exit = true;
	drive_add_opts(d, &o);
	drive_hook(d, "job", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(50);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_close(d, "job", 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "S4.11: an end that was expected is no fault");
	done(d);
}

static void backoffs_are_cancelled(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("db");
	o.restart = CFW_RESTART_ALWAYS;
	o.backoff_ns = MS(200);
	drive_add_opts(d, &o);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(1000);
	drive_start(d);
	drive_close(d, "db", 1, 0);
	is_int(drive_state(d, "db"), CFW_S_BACKOFF, "S2.7: its own restart comes first");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_count(d, "start db"), 1, "S4.13: the first stopping trigger cancels backoffs");
	is_int(drive_count(d, "call db.pre_stop graceful"), 1, "S4.12: its pre_stop hooks are owed all the same");
	is_int(d->exit_code, 0, "S4.11: what died before the stop is no fault of the stop");
	done(d);
}

static void kills(void)
{
	struct drive *d = pair();
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	struct cfw_action a;
	struct cfw_event ev = drive_trigger(CFW_T_STOP, 0, 0);
	cfw_core_feed(d->core, d->now_ns, &ev);
	while (cfw_core_next(d->core, &a) && a.type != CFW_ACT_ASK)
		;
	ev = (struct cfw_event){.type = CFW_EV_DECISION, .question = a.question, .decision = {CFW_D_KILL, 42}};
	drive_feed(d, &ev);
	ok(d->exited && d->killed && d->exit_code == 42, "S4.14: kill ends at once with its code");
	ok(drive_order(d, "cut db", "cut web", "exit 42 kill", NULL), "S4.14: process trees are killed");
	ok(drive_line(d, "call web.pre_stop abort") < 0, "S4.14: no further hooks");
	is_int(cfw_core_life(d->core), CFW_L_ERRORED, "S3: life is errored");
	done(d);
}

/* The kill comes while hooks wait to be handed out. */
static void kill_before_hooks(void)
{
	struct drive *d = pair();
	struct cfw_action a;
	uint32_t q[2];
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	for (int i = 0; i < 2; i++) {
		struct cfw_event ev = drive_trigger(CFW_T_SIGNAL, TERM, 0);
		cfw_core_feed(d->core, d->now_ns, &ev);
		while (cfw_core_next(d->core, &a))
			q[i] = a.question;
	}
	cfw_core_feed(d->core, d->now_ns,
		      &(struct cfw_event){.type = CFW_EV_DECISION, .question = q[0], .decision = {CFW_D_ABORT, 1}});
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_DECISION, .question = q[1], .decision = {CFW_D_KILL, 9}});
	ok(drive_line(d, "call web.pre_stop abort") < 0 && drive_line(d, "call global.pre_stop abort") < 0,
	   "S4.14: hooks that were not handed out yet are not");
	ok(drive_order(d, "cut db", "cut web", "exit 9 kill", NULL), "S4.14: all is killed");
	done(d);
}

static void after_the_end(void)
{
	struct drive *d = one();
	struct cfw_action a;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	uint64_t late = cfw_core_late_answers(d->core);
	struct cfw_event ev = drive_trigger(CFW_T_SIGNAL, INT, 0);
	is_int(cfw_core_feed(d->core, d->now_ns, &ev), CURFEW_ESTATE, "after the exit a trigger is refused");
	ev = (struct cfw_event){.type = CFW_EV_HOOK_DONE, .run = 1};
	is_int(cfw_core_feed(d->core, d->now_ns, &ev), 0, "an answer is taken");
	is_int(cfw_core_late_answers(d->core), late + 1, "and counted as late");
	ok(cfw_core_deadline(d->core) == CFW_NEVER, "nothing is due any more");
	ok(!cfw_core_next(d->core, &a), "CFW_ACT_EXIT is the last action");
	done(d);
}

static void life_of_an_abort(void)
{
	struct drive *d = pair();
	d->server[0].cut_ns = d->server[1].cut_ns = MS(50);
	d->server[1].start_ns = CFW_NEVER;
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(100);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_START});
	drive_run(d, d->now_ns + MS(10));
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, d->now_ns + MS(110));
	is_int(drive_state(d, "db"), CFW_S_CUTTING, "S4.2: its hooks have ended, it is cut");
	is_int(cfw_core_life(d->core), CFW_L_PRESTOPPED, "S3: and life is prestopped from then on, not from the next event on");
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 1, "the abort ends");
	done(d);
}

static void blocked_loop(void)
{
	struct drive *d = pair();
	d->server[1].stop_ns = CFW_NEVER;
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	d->now_ns += MS(20000);
	d->blocked_ns = d->now_ns;
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_TICK});
	ok(drive_order(d, "call db.pre_stop graceful", "cut web", "exit 255", NULL),
	   "S4.12: when the loop comes back past the deadline, hooks are called before the end");
	done(d);
}

int main(void)
{
	graceful_order();
	hooks_in_turn();
	what_hooks_are_told();
	independent_ones();
	diamond();
	abort_at_once();
	codes();
	stopped_with_code();
	turn_into_abort();
	abort_while_draining();
	deadlines();
	abort_and_the_clock();
	abort_after_margin();
	one_deadline();
	extension();
	failing_hooks();
	exit_calls_in_hooks();
	own_stop_timeout();
	deaths();
	backoffs_are_cancelled();
	kills();
	kill_before_hooks();
	after_the_end();
	life_of_an_abort();
	blocked_loop();
	return tap_done();
}
