/* S3: the start, failed starts, single servers, restarts; S7.4. */
#include "drive.h"

enum { TERM = 15 };

static struct drive *pair(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "db");
	drive_add(d, "web");
	drive_after(d, "web", "db");
	return d;
}

static void done(struct drive *d)
{
	if (d->faults)
		ok(false, "an invariant was broken");
	drive_free(d);
}

static void at_once(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "a")->start_ns = MS(50);
	drive_add(d, "b")->start_ns = MS(80);
	drive_add(d, "c")->start_ns = MS(10);
	drive_after(d, "c", "a");
	drive_after(d, "c", "b");
	drive_start(d);
	is_int(cfw_core_life(d->core), CFW_L_STARTING, "S3: life is starting");
	drive_run(d, MS(3000));
	is_int(drive_ms(d, "start b"), 0, "S3.1: independent servers start at once");
	is_int(drive_ms(d, "start c"), 80, "S3.1: a server waits for the slowest that it depends on");
	is_int(drive_ms(d, "reply 1 ok"), 90, "S3.1: start() is over when all are started");
	done(d);

	d = drive_new(NULL);
	drive_start(d);
	is_int(cfw_core_life(d->core), CFW_L_STARTED, "S3.1: with no server at all it is over at once");
	ok(drive_line(d, "reply 1 ok") >= 0, "S3.1: and says so");
	done(d);
}

static void failed(void)
{
	struct drive *d = pair();
	drive_add(d, "cache")->start_ns = MS(200);
	drive_add(d, "bad")->start_ns = MS(100);
	d->server[3].fails = true;
	d->server[0].start_ns = MS(20);
	drive_add(d, "last");
	drive_after(d, "last", "cache");
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, "cache", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, "cache", CFW_POST_START, NULL, CFW_NEVER);
	drive_hook(d, "bad", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_run(d, d->now_ns + MS(150));
	is_int(cfw_core_life(d->core), CFW_L_START_ABORTED, "S3.2: life is start_aborted while one is starting still");
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "start_failed bad", "ask start_failed 1", "lame", "reply 1 failed", NULL),
	   "S3.2: what start() fails with");
	ok(drive_line(d, "stop bad") >= 0, "S3.2: the one that failed is stopped");
	ok(drive_order(d, "stop web", "call db.pre_stop graceful", "stop db", NULL), "S3.2: those already started are stopped");
	ok(drive_order(d, "started cache", "call cache.pre_stop graceful", "stop cache", NULL),
	   "S3.2: one that becomes ready later is stopped at once");
	ok(drive_line(d, "call cache.post_start graceful") < 0, "S3.2: its start goes no further");
	ok(drive_line(d, "call bad.pre_stop graceful") < 0, "S3.2: pre_stop only for servers that had reached started");
	ok(drive_line(d, "start last") < 0, "S3.2: nothing more is started");
	is_int(drive_ms(d, "stop db"), 100,
	       "S3.2: nobody waits for the one that is starting still, but those that it depends on");
	is_int(d->exit_code, 1, "S2.16: graceful(1)");
	done(d);
}

static void first_error(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_action reply = {0}, a;
	drive_add(d, "one")->fails = true;
	drive_add(d, "two")->fails = true;
	cfw_core_feed(d->core, d->now_ns, &(struct cfw_event){.type = CFW_EV_START, .request = 5});
	struct cfw_event ev = {.type = CFW_EV_SERVER_START_FAILED, .server = d->server[1].id, .attempt = 1, .text = 20};
	while (cfw_core_next(d->core, &a))
		;
	cfw_core_feed(d->core, d->now_ns, &ev);
	ev.server = d->server[0].id;
	ev.text = 10;
	cfw_core_feed(d->core, d->now_ns, &ev);
	ev = (struct cfw_event){.type = CFW_EV_DECISION};
	while (cfw_core_next(d->core, &a)) {
		if (a.type == CFW_ACT_ASK) {
			ev.question = a.question;
			cfw_core_feed(d->core, d->now_ns, &ev);
		}
		if (a.type == CFW_ACT_REPLY)
			reply = a;
	}
	is_int(reply.request, 5, "S3.2: the start's request is answered");
	ok(reply.server == d->server[1].id && reply.text == 20 && reply.outcome == CFW_FAILED,
	   "S3.2: the first error is what it fails with");
	drive_free(d);
}

static void start_hooks_fail(void)
{
	struct drive *d = pair();
	drive_hook(d, "web", CFW_PRE_START, NULL, CFW_NEVER)->outcome = CFW_FAILED;
	drive_hook(d, "web", CFW_PRE_START, "never", CFW_NEVER);
	drive_hook(d, "db", CFW_PRE_START, "first", CFW_NEVER)->take_ns = MS(10);
	drive_hook(d, "db", CFW_PRE_START, "second", CFW_NEVER)->take_ns = MS(10);
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "call first graceful", "done first", "call second graceful", "done second", "start db", NULL),
	   "S4.1: start hooks run one after another");
	ok(drive_line(d, "call never graceful") < 0, "S2.16: after one that failed the rest is not begun");
	ok(drive_order(d, "done web.pre_start", "ask start_failed 1", "stop db", "exit 1", NULL),
	   "S2.16: a pre_start hook that fails fails the start");
	ok(drive_line(d, "start web") < 0 && drive_line(d, "stop web") < 0,
	   "S3.2: `stop` only for a server whose start had begun");
	done(d);

	d = pair();
	drive_hook(d, "web", CFW_POST_START, NULL, CFW_NEVER)->outcome = CFW_FAILED;
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "done web.post_start", "ask start_failed 1", "call web.pre_stop graceful", "stop web", "stop db",
		       "exit 1", NULL),
	   "S4.12: from the started report on it counts as started: its pre_stop hooks run");
	done(d);

	d = pair();
	drive_hook(d, "web", CFW_PRE_START, NULL, MS(70))->take_ns = CFW_NEVER;
	drive_start(d);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "cut_hook web.pre_start", "ask start_failed 1", "exit 1", NULL),
	   "S4.9: a start hook that passes its own limit fails the start");
	done(d);
}

static void start_timeouts(void)
{
	struct drive *d = pair();
	d->server[0].start_ns = CFW_NEVER;
	drive_start(d);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "ask start_failed 1"), 30000, "S2.16: start_timeout has passed");
	ok(drive_order(d, "start db", "stop db", "exit 1", NULL), "S3.2: the silent one is stopped");
	done(d);

	d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("db");
	o.start_timeout_ns = MS(400);
	drive_add_opts(d, &o)->start_ns = CFW_NEVER;
	drive_start(d);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "ask start_failed 1"), 400, "S2.16: a server's own start_timeout");
	done(d);
}

static struct cfw_decision ignore_failures(struct drive *d, const struct cfw_trigger *t)
{
	(void)d;
	return (struct cfw_decision){t->kind == CFW_T_START_FAILED || t->kind == CFW_T_CLOSED ? CFW_D_IGNORE : CFW_D_NONE, 0};
}

static struct cfw_decision restart_failures(struct drive *d, const struct cfw_trigger *t)
{
	d->server[0].fails = false;
	return (struct cfw_decision){t->kind == CFW_T_START_FAILED || t->kind == CFW_T_CLOSED ? CFW_D_RESTART : CFW_D_NONE, 0};
}

static void failure_decided_otherwise(void)
{
	struct drive *d = pair();
	drive_add(d, "other")->start_ns = MS(500);
	d->server[0].fails = true;
	d->policy = ignore_failures;
	drive_start(d);
	drive_run(d, MS(3000));
	is_int(drive_state(d, "db"), CFW_S_FAILED, "S2.16: ignored: the server stays failed");
	is_int(drive_state(d, "web"), CFW_S_DOWN, "S2.16: what needed it is given up");
	is_int(drive_state(d, "other"), CFW_S_STARTED, "S2.16: the others go on");
	ok(drive_order(d, "stop db", "started other", "reply 1 failed", NULL), "S3.2: the start has failed nevertheless");
	is_int(cfw_core_life(d->core), CFW_L_STARTED, "S3: life is started");
	drive_fire(d, CFW_T_STOP, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "S4.11: only started servers count");
	done(d);

	d = pair();
	d->server[0].fails = true;
	d->policy = restart_failures;
	drive_start(d);
	drive_run(d, MS(3000));
	ok(drive_order(d, "start db", "start_failed db", "ask start_failed 1", "stop db", "stopped db", "start db",
		       "started db", "start web", "started web", "reply 1 ok", NULL),
	   "S2.16: answered by restart: what is left of it is stopped, then it starts again");
	done(d);
}

static void trigger_while_starting(void)
{
	struct drive *d = pair();
	d->server[0].start_ns = MS(100);
	drive_add(d, "late");
	drive_after(d, "late", "web");
	drive_hook(d, "db", CFW_POST_START, NULL, CFW_NEVER)->take_ns = MS(50);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_run(d, d->now_ns + MS(10));
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	is_int(cfw_core_life(d->core), CFW_L_START_ABORTED, "S3.3: life is start_aborted");
	ok(drive_line(d, "reply 1 cut") >= 0, "S3.3: start() is told");
	drive_hook_of(d, d->hook[1].id)->take_ns = MS(40);
	drive_run(d, d->now_ns + MS(145));
	is_int(cfw_core_life(d->core), CFW_L_STOPPING, "S3: when nothing is starting any more life is stopping");
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "started db", "call db.post_start graceful", "done db.post_start", "call global.pre_stop graceful",
		       "call db.pre_stop graceful", "stop db", "exit 0", NULL),
	   "S3.3: graceful brings the start to its end, then stops");
	ok(drive_line(d, "start web") < 0, "S3.3: what waits to start is not begun any more");
	done(d);

	d = pair();
	d->server[0].start_ns = CFW_NEVER;
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "cut db"), 4500, "S3.3: at the latest to the margin");
	is_int(drive_ms(d, "call global.pre_stop graceful"), 4500,
	       "S4.7: the global hooks have not begun: they begin at the margin");
	is_int(d->exit_code, 255, "S4.11: something was cut");
	done(d);

	d = pair();
	d->server[0].start_ns = MS(100);
	d->server[0].cut_ns = MS(3);
	drive_start(d);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 1"), 3, "S3.3: abort does not wait");
	done(d);

	d = pair();
	drive_hook(d, "db", CFW_PRE_START, NULL, CFW_NEVER)->take_ns = MS(100);
	drive_start(d);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "cut_hook db.pre_start", "exit 1", NULL), "S3.3: nor for a start hook");
	is_int(drive_ms(d, "exit 1"), 0, "S3.3: not at all");
	done(d);

	d = pair();
	drive_hook(d, "db", CFW_POST_START, NULL, CFW_NEVER)->take_ns = CFW_NEVER;
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "call db.post_start graceful", "call db.pre_stop abort", "cut db", "exit 1", NULL),
	   "S4.12: a server in its post_start hooks was started: pre_stop runs in the abort");
	done(d);
}

static void becomes_ready_in_an_abort(void)
{
	struct drive *d = pair();
	drive_add(d, "slow")->start_ns = MS(50);
	drive_hook(d, "slow", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(10);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(100);
	drive_start(d);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "call slow.pre_stop abort"), 50,
	       "S4.12: one that becomes ready during an abort gets its hooks at once");
	is_int(drive_ms(d, "exit 1"), 100, "S4.2: and all end together");
	done(d);
}

/* S4.2: all hooks have ended, and what starts still is being cut: nothing is starting any more. */
static void cut_in_an_abort(void)
{
	struct drive *d = drive_new(NULL);
	struct drive_server *s = drive_add(d, "slow");
	s->start_ns = s->cut_ns = CFW_NEVER;
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(10);
	drive_start(d);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	is_int(cfw_core_life(d->core), CFW_L_START_ABORTED, "S3.3: life is start_aborted");
	drive_run(d, d->now_ns + MS(10));
	is_int(drive_state(d, "slow"), CFW_S_CUTTING, "S4.2: the hook has ended, the server is cut");
	is_int(cfw_core_life(d->core), CFW_L_PRESTOPPED, "S3: and life says so at once");
	drive_free(d);
}

static void without_exit(void)
{
	struct drive *d = pair();
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	struct cfw_event ev = drive_trigger(CFW_T_STOP, 0, 0);
	ev.trigger.no_exit = true;
	ev.trigger.request = 2;
	drive_feed(d, &ev);
	drive_run(d, MS(2000));
	ok(!d->exited &&
		   drive_order(d, "call global.pre_stop graceful", "stop web", "stop db", "stopped db", "reply 2 ok", NULL),
	   "S3.4: stop{ exit = false } stops the servers, the process goes on");
	is_int(cfw_core_life(d->core), CFW_L_STOPPED, "S3.4: life is stopped");
	ok(cfw_core_quiet(d->core), "S2.8: all is quiet");
	drive_start(d);
	drive_run(d, MS(3000));
	is_int(cfw_core_life(d->core), CFW_L_STARTED, "S3.4: start() works again");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_count(d, "call web.pre_stop graceful"), 2, "S3.4: a new life has new marks");
	is_int(drive_count(d, "call global.pre_stop graceful"), 2, "S3.4: for the global hooks too");
	is_int(drive_count(d, "lame"), 2, "S9.1: lame once a stop");
	is_int(d->exit_code, 0, "S4.11");
	done(d);

	d = pair();
	d->server[1].stop_ns = MS(200);
	drive_start(d);
	ev.trigger.request = 3;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns + MS(50));
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 0"), 200, "S3.4: another stopping trigger during it makes it the end");
	done(d);

	d = pair();
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_feed(d, &ev);
	drive_run(d, MS(2000));
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_START, .server = d->server[0].id});
	drive_run(d, MS(3000));
	is_int(drive_state(d, "db"), CFW_S_STARTED, "S3.4: one server is started after it");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_count(d, "call global.pre_stop graceful"), 2, "S4.1: the global hooks run before it stops, too");
	is_int(d->exit_code, 0, "S4.11");
	done(d);

	d = pair();
	d->server[1].stop_ns = CFW_NEVER;
	drive_start(d);
	drive_feed(d, &ev);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "cut web"), 4500, "S3.4: it has its exit timeout like any stop");
	is_int(d->exit_code, 255, "S3.4: when that cuts something the process ends");
	done(d);
}

static void requests_during_a_stop(void)
{
	struct drive *d = pair();
	d->server[1].stop_ns = MS(500);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	is_int(drive_feed(d, &(struct cfw_event){.type = CFW_EV_START, .request = 9}), CURFEW_ESTATE,
	       "start during a stop: refused");
	enum cfw_event_type types[] = {CFW_EV_SERVER_START, CFW_EV_SERVER_STOP, CFW_EV_SERVER_RESTART};
	for (int i = 0; i < 3; i++)
		is_int(drive_feed(d, &(struct cfw_event){.type = types[i], .server = d->server[0].id, .request = 9}),
		       CURFEW_ESTATE, "a server's start, stop or restart during a stop: refused");
	is_int(drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_STOP, .server = 4711}), CURFEW_ENOENT, "no such server");
	struct cfw_event ev = drive_trigger(CFW_T_RELOAD, 0, 0);
	ev.trigger.request = 8;
	drive_feed(d, &ev);
	drive_run(d, CFW_NEVER);
	ok(drive_line(d, "reload") < 0 && drive_line(d, "reply 8 failed") >= 0,
	   "S7.4: a reload during a stop is refused, and told so");
	done(d);
}

static void reloads(void)
{
	struct drive *d = pair();
	d->server[0].start_ns = MS(100);
	drive_start(d);
	drive_fire(d, CFW_T_RELOAD, 0, 0);
	struct cfw_event asked = drive_trigger(CFW_T_RELOAD, 0, 0);
	asked.trigger.request = 6;
	drive_feed(d, &asked);
	drive_run(d, d->now_ns);
	ok(drive_line(d, "reload") < 0 && drive_line(d, "reply 6 ok") < 0, "S7.4: while starting a reload is queued");
	drive_run(d, MS(2000));
	ok(drive_order(d, "started web", "reload", "reply 6 ok", NULL), "S7.4: and done afterwards, and who asked is told");
	is_int(drive_count(d, "reload"), 1, "S7.4: reloads that overlap become one");
	drive_fire(d, CFW_T_RELOAD, 0, 0);
	is_int(drive_count(d, "reload"), 2, "S7: else it is done at once");
	done(d);

	d = pair();
	d->server[0].start_ns = MS(100);
	drive_start(d);
	struct cfw_event ev = drive_trigger(CFW_T_RELOAD, 0, 0);
	ev.trigger.request = 8;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_line(d, "reload") < 0 && drive_line(d, "reply 8 failed") >= 0, "S7.4: a stop drops a queued reload");
	done(d);
}

static struct drive *with_restart(int restart, uint32_t max, uint64_t backoff_ns)
{
	struct drive *d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("db");
	o.restart = (unsigned)restart;
	o.restart_max = max;
	o.backoff_ns = backoff_ns;
	drive_add_opts(d, &o);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	return d;
}

static void restarts(void)
{
	struct drive *d = with_restart(CFW_RESTART_FAILURE, 3, MS(100));
	drive_close(d, "db", 1, 0);
	drive_run(d, d->now_ns + MS(99));
	is_int(drive_count(d, "start db"), 1, "S2.7: it waits for its backoff");
	drive_run(d, d->now_ns + MS(1));
	is_int(drive_count(d, "start db"), 2, "S2.7: and is started again");
	drive_close(d, "db", 1, 0);
	drive_run(d, d->now_ns + MS(199));
	is_int(drive_count(d, "start db"), 2, "S2.7: the backoff doubles");
	drive_run(d, d->now_ns + MS(1));
	drive_close(d, "db", -1, 9);
	drive_run(d, d->now_ns + MS(400));
	is_int(drive_count(d, "start db"), 4, "S2.7: a signal is a failure");
	ok(drive_line(d, "ask closed 1") < 0, "S2.7: no trigger so far");
	drive_close(d, "db", 1, 0);
	ok(drive_line(d, "ask closed 1") >= 0, "S2.7: then its own restart has given up");
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 255, "S2.7: abort(255)");
	is_int(drive_count(d, "call db.pre_stop abort"), 1, "S4.12: its pre_stop hooks are called once");
	done(d);

	d = with_restart(CFW_RESTART_FAILURE, 1, MS(100));
	drive_close(d, "db", 1, 0);
	drive_run(d, d->now_ns + MS(100) + MS(10000));
	drive_close(d, "db", 1, 0);
	is_int(drive_state(d, "db"), CFW_S_BACKOFF, "S2.7: one that stayed up for 10 s starts anew");
	struct cfw_server_view v;
	cfw_core_server_view(d->core, d->server[0].id, &v);
	is_int(v.restarts, 2, "restarts are counted");
	done(d);

	d = with_restart(CFW_RESTART_FAILURE, 0, MS(100));
	drive_close(d, "db", 0, 0);
	ok(drive_line(d, "ask closed 1") >= 0, "S2.7: an end with 0 is no failure");
	done(d);

	d = with_restart(CFW_RESTART_ALWAYS, 0, 0);
	for (int i = 0; i < 40; i++) {
		drive_close(d, "db", 0, 0);
		drive_run(d, d->now_ns + MS(31000));
	}
	is_int(drive_count(d, "start db"), 41, "S2.7: no limit, no trigger");
	done(d);
}

static void retry_that_fails(void)
{
	struct drive *d = with_restart(CFW_RESTART_FAILURE, 2, MS(100));
	d->server[0].fails = true;
	drive_close(d, "db", 1, 0);
	drive_run(d, d->now_ns + MS(100));
	ok(drive_order(d, "closed db", "start db", "start_failed db", "stop db", "stopped db", NULL),
	   "S2.7: what a failed restart left is taken down");
	is_int(drive_state(d, "db"), CFW_S_BACKOFF, "S2.7: and counts as a try");
	drive_run(d, CFW_NEVER);
	ok(drive_line(d, "ask start_failed 1") < 0 && drive_line(d, "ask closed 1") >= 0, "S2.7: then `closed` is raised");
	is_int(drive_count(d, "start db"), 3, "S2.7: after as many tries as it may have");
	is_int(drive_count(d, "call db.pre_stop abort"), 1, "S4.12: it had been started: its hooks are called");
	done(d);
}

static int request(struct drive *d, enum cfw_event_type type, const char *name, uint32_t number)
{
	int rc = drive_feed(d,
			    &(struct cfw_event){.type = type, .server = d->server[drive_find(d, name)].id, .request = number});
	drive_run(d, d->now_ns);
	return rc;
}

static void closed(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("job");
	o.expect_exit = true;
	drive_add_opts(d, &o);
	drive_hook(d, "job", CFW_PRE_STOP, NULL, CFW_NEVER);
	ok(cfw_core_quiet(d->core), "S2.8: quiet before anything was started");
	drive_start(d);
	ok(!cfw_core_quiet(d->core), "S2.8: not while a server is started");
	drive_close(d, "job", 0, 0);
	is_int(drive_state(d, "job"), CFW_S_DOWN, "S2.7: expect_exit: an end with 0 is no trigger");
	ok(cfw_core_quiet(d->core), "S2.8: nothing is left");
	drive_fire(d, CFW_T_IDLE, 0, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "S2.8: graceful(0)");
	ok(drive_line(d, "call job.pre_stop graceful") < 0, "S2.7: its hooks are not due any more");
	done(d);

	d = pair();
	d->policy = restart_failures;
	drive_start(d);
	drive_close(d, "db", 3, 0);
	drive_run(d, MS(2000));
	ok(drive_order(d, "closed db", "ask closed 1", "start db", "started db", NULL), "S2.7: answered by restart");
	is_int(drive_state(d, "web"), CFW_S_STARTED, "S2.7: what depends on it stays");
	drive_close(d, "db", 3, 0);
	ok(drive_line(d, "ask closed 2") >= 0, "S2.13: counted for each server");
	drive_close(d, "web", 3, 0);
	is_int(drive_count(d, "ask closed 1"), 2, "S2.13: by itself");
	done(d);

	d = pair();
	d->policy = ignore_failures;
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, "db", CFW_POST_STOP, NULL, CFW_NEVER);
	drive_start(d);
	drive_close(d, "db", 3, 0);
	is_int(drive_state(d, "db"), CFW_S_CLOSED, "S2.7: ignored, it stays closed");
	ok(!cfw_core_quiet(d->core), "S2.8: the other one is up");
	drive_close(d, "web", 3, 0);
	ok(cfw_core_quiet(d->core), "S2.8: closed ones keep nobody awake");
	request(d, CFW_EV_SERVER_RESTART, "web", 0);
	is_int(drive_state(d, "web"), CFW_S_STARTED, "a closed one is restarted with what it needs");
	is_int(drive_state(d, "db"), CFW_S_STARTED, "which was closed as well");
	drive_close(d, "db", 3, 0);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "stop web", "call db.pre_stop graceful", "call db.post_stop graceful", "exit 0", NULL),
	   "S4.12: a closed server was started: its hooks run in the stop");
	ok(drive_line(d, "stop db") < 0, "and there is nothing to stop");
	done(d);
}

static void single_servers(void)
{
	struct drive *d = pair();
	drive_add(d, "other");
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	is_int(request(d, CFW_EV_SERVER_START, "web", 5), 0, "a server is started");
	ok(drive_order(d, "start db", "started db", "start web", "started web", "reply 5 ok", NULL), "with what it depends on");
	is_int(drive_state(d, "other"), CFW_S_DOWN, "and nothing else");
	is_int(cfw_core_life(d->core), CFW_L_NEW, "S3: that is not the start of all");
	request(d, CFW_EV_SERVER_START, "web", 6);
	ok(drive_line(d, "reply 6 ok") >= 0, "one that is started already is answered at once");
	request(d, CFW_EV_SERVER_STOP, "db", 7);
	ok(drive_order(d, "stop web", "stopped web", "call db.pre_stop graceful", "stop db", "stopped db", "reply 7 ok", NULL),
	   "a server is stopped, what depends on it first");
	ok(drive_line(d, "lame") < 0, "which is no stop of all");
	request(d, CFW_EV_SERVER_STOP, "db", 8);
	ok(drive_line(d, "reply 8 ok") >= 0, "one that is down already is answered at once");
	request(d, CFW_EV_SERVER_START, "web", 9);
	request(d, CFW_EV_SERVER_RESTART, "db", 10);
	is_int(drive_count(d, "call db.pre_stop graceful"), 2, "a restart runs its hooks");
	ok(drive_order(d, "reply 9 ok", "stop web", "stop db", "stopped db", "start db", "started db", "reply 10 ok",
		       "start web", NULL),
	   "those that depend on a restarted server stop before it and start after it");
	is_int(drive_state(d, "web"), CFW_S_STARTED, "they are started again");
	done(d);
}

static void single_server_is_silent(void)
{
	struct drive *d = pair();
	drive_start(d);
	d->server[1].stop_ns = CFW_NEVER;
	request(d, CFW_EV_SERVER_STOP, "web", 7);
	drive_run(d, MS(30000));
	is_int(drive_ms(d, "cut web"), 5000, "a lone stop has a limit too: the exit timeout");
	is_int(drive_ms(d, "reply 7 cut"), 5000, "and says that it was cut");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "S4.11: it was no part of the stop");
	done(d);

	d = pair();
	drive_start(d);
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = CFW_NEVER;
	request(d, CFW_EV_SERVER_STOP, "web", 7);
	drive_run(d, MS(30000));
	ok(drive_order(d, "cut_hook web.pre_stop", "stop web", "reply 7 ok", NULL), "a lone stop's hook has the same limit");
	done(d);
}

static void asked_while_starting(void)
{
	struct drive *d = pair();
	d->server[0].start_ns = MS(100);
	request(d, CFW_EV_SERVER_START, "db", 5);
	request(d, CFW_EV_SERVER_RESTART, "db", 6);
	drive_run(d, MS(2000));
	ok(drive_order(d, "start db", "reply 5 cut", "started db", "stop db", "stopped db", "start db", "started db",
		       "reply 6 ok", NULL),
	   "a restart while it starts: once that is over");
	done(d);

	d = pair();
	d->server[0].start_ns = MS(100);
	request(d, CFW_EV_SERVER_START, "db", 5);
	request(d, CFW_EV_SERVER_RESTART, "db", 6);
	request(d, CFW_EV_SERVER_STOP, "db", 7);
	drive_run(d, MS(2000));
	is_int(drive_state(d, "db"), CFW_S_DOWN, "the last word counts: it stays down");
	is_int(drive_count(d, "start db"), 1, "and is not started again");
	ok(drive_line(d, "reply 6 cut") >= 0 && drive_line(d, "reply 7 ok") >= 0, "everybody is told");
	done(d);
}

static void stop_of_all_takes_over(void)
{
	struct drive *d = pair();
	d->server[1].stop_ns = MS(100);
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	request(d, CFW_EV_SERVER_RESTART, "db", 7);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_count(d, "start db"), 1, "S4.13: a stop of all cancels a restart");
	is_int(drive_count(d, "stop web"), 1, "nothing is stopped twice");
	is_int(drive_ms(d, "reply 7 cut"), 0, "who waited for it is told at once");
	is_int(d->exit_code, 0, "S4.11");
	done(d);
}

/* S4.13 and S4.1 together: the wreck of a restart is being taken down when the stop begins. */
static void stop_while_unwinding(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("db");
	o.restart = CFW_RESTART_ALWAYS;
	o.backoff_ns = MS(100);
	drive_add_opts(d, &o)->stop_ns = MS(50);
	drive_add(d, "web")->stop_ns = MS(300);
	drive_after(d, "web", "db");
	drive_hook(d, "db", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, "db", CFW_POST_STOP, NULL, CFW_NEVER);
	drive_start(d);
	d->server[0].fails = true;
	drive_close(d, "db", 1, 0);
	drive_run(d, d->now_ns + MS(110));
	is_int(drive_state(d, "db"), CFW_S_STOPPING, "S2.7: what a failed restart left is being taken down");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "stop db", "lame", "stop web", "stopped db", "stopped web", "call db.pre_stop graceful",
		       "call db.post_stop graceful", "exit 0", NULL),
	   "S4.1: its hooks are owed from before, and run when it is its turn");
	is_int(drive_count(d, "stop db"), 1, "it is not stopped twice");
	done(d);
}

static void cancelled(void)
{
	struct drive *d = pair();
	d->server[0].start_ns = MS(10);
	drive_start(d);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_START, .request = 2});
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_CANCEL_START, .request = 1});
	drive_run(d, MS(2000));
	ok(drive_line(d, "reply 1 ok") < 0 && drive_line(d, "reply 2 ok") >= 0, "a request that was cancelled is not answered");
	is_int(cfw_core_life(d->core), CFW_L_STARTED, "and nothing else changes");
	done(d);
}

static void added_later(void)
{
	struct drive *d = pair();
	drive_start(d);
	drive_add(d, "new");
	drive_after(d, "new", "web");
	is_int(drive_state(d, "new"), CFW_S_DOWN, "a server added after start is down");
	drive_start(d);
	is_int(drive_state(d, "new"), CFW_S_STARTED, "the next start starts it");
	is_int(drive_count(d, "start db"), 1, "and leaves the others alone");
	done(d);
}

int main(void)
{
	at_once();
	failed();
	first_error();
	start_hooks_fail();
	start_timeouts();
	failure_decided_otherwise();
	trigger_while_starting();
	becomes_ready_in_an_abort();
	cut_in_an_abort();
	without_exit();
	requests_during_a_stop();
	reloads();
	restarts();
	retry_that_fails();
	closed();
	single_servers();
	single_server_is_silent();
	asked_while_starting();
	stop_of_all_takes_over();
	stop_while_unwinding();
	cancelled();
	added_later();
	return tap_done();
}
