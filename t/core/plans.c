/* What was meant to become of a server: its own restart, a start or a stop that was asked for, the reason of a failure. Each ends with what
 * ended it, and comes back with a stop that is taken back. */
#include "asks.h"

/* One that fails to start is started again, and does not fail then. */
static struct cfw_decision once_more(struct drive *d, const struct cfw_trigger *t)
{
	if (t->kind == CFW_T_START_FAILED)
		d->server[0].fails = false;
	return t->kind == CFW_T_START_FAILED ? (struct cfw_decision){CFW_D_RESTART, 0} : ignoring(d, t);
}

/* All are started, and this one among them. */
static struct drive *with(const struct cfw_server_opts *o)
{
	struct drive *d = make();
	drive_add_opts(d, o);
	drive_start(d);
	return d;
}

static struct cfw_server_opts restarted(int restart, uint32_t max, uint64_t backoff_ns)
{
	struct cfw_server_opts o = drive_opts("web");
	o.restart = (unsigned)restart;
	o.restart_max = max;
	o.backoff_ns = backoff_ns;
	return o;
}

/* ---- its own restart (S2.7) ---- */

/* A stop ends it: the start after that is an ordinary one. */
static void stopped_while_it_waits(void)
{
	struct cfw_server_opts o = restarted(CFW_RESTART_ALWAYS, 0, MS(1000));
	struct drive *d = with(&o);
	drive_close(d, "web", 1, 0);
	is_int(drive_state(d, "web"), CFW_S_BACKOFF, "a server waits for its restart");
	ask(d, CFW_EV_SERVER_STOP, "web");
	is_int(drive_state(d, "web"), CFW_S_DOWN, "and is stopped instead");
	d->server[0].fails = true;
	ask(d, CFW_EV_SERVER_START, "web");
	ok(drive_count(d, "ask start_failed 1") == 1 && drive_state(d, "web") == CFW_S_FAILED,
	   "S2.16: a start that fails after that is a failed start, and not a restart's");
	done(d, "stopped while it waits");
}

/* A start that somebody asks for is the restart that it waited for, only sooner. */
static void started_while_it_waits(void)
{
	struct cfw_server_opts o = restarted(CFW_RESTART_ALWAYS, 0, MS(1000));
	struct drive *d = with(&o);
	d->server[0].fails = true;
	drive_close(d, "web", 1, 0);
	ask(d, CFW_EV_SERVER_START, "web");
	ok(drive_count(d, "start web") == 2 && drive_state(d, "web") == CFW_S_BACKOFF,
	   "S2.7: it fails, and is tried again like any restart");
	is_int(drive_count(d, "ask start_failed 1"), 0, "nobody is asked about it");
	done(d, "started while it waits");
}

/* Once it has given up, or was not due, it is over. */
static void given_up(void)
{
	struct cfw_server_opts o = restarted(CFW_RESTART_ALWAYS, 1, MS(10));
	struct drive *d = with(&o);
	d->server[0].fails = true;
	drive_close(d, "web", 1, 0);
	pass(d, MS(100));
	ok(drive_count(d, "ask closed 1") == 1 && drive_state(d, "web") == CFW_S_CLOSED, "S2.7: a restart has given up");
	ask(d, CFW_EV_SERVER_START, "web");
	is_int(drive_count(d, "ask start_failed 1"), 1, "S2.16: what fails after that is a start");
	is_int(drive_count(d, "ask closed 2"), 0, "and nothing has closed");
	done(d, "given up");

	o = restarted(CFW_RESTART_FAILURE, 0, MS(10));
	d = with(&o);
	drive_close(d, "web", 1, 0);
	pass(d, MS(100));
	is_int(drive_state(d, "web"), CFW_S_STARTED, "S2.7: another was restarted");
	drive_close(d, "web", 0, 0);
	is_int(drive_state(d, "web"), CFW_S_CLOSED, "and ends well: that is no failure");
	d->server[0].fails = true;
	ask(d, CFW_EV_SERVER_START, "web");
	is_int(drive_count(d, "ask start_failed 1"), 1, "S2.16: what fails after that is a start, here too");
	done(d, "not due");

	o.expect_exit = true;
	d = with(&o);
	drive_close(d, "web", 1, 0);
	pass(d, MS(100));
	drive_close(d, "web", 0, 0);
	ok(drive_count(d, "start web") == 2 && drive_state(d, "web") == CFW_S_DOWN, "S2.7: and one that may end so is down");
	d->server[0].fails = true;
	ask(d, CFW_EV_SERVER_START, "web");
	is_int(drive_count(d, "ask start_failed 1"), 1, "S2.16: what fails after that is a start, here too");
	done(d, "over");
}

/* What waits for another server has no limit of its own, whatever it waited for before. */
static void waits_for_another(void)
{
	struct cfw_server_opts o = restarted(CFW_RESTART_ALWAYS, 0, MS(1000));
	struct drive *d = make();
	drive_add(d, "db");
	drive_add_opts(d, &o);
	drive_after(d, "web", "db");
	drive_start(d);
	drive_close(d, "db", 1, 0);
	drive_close(d, "web", 1, 0);
	d->server[0].start_ns = MS(5000);
	ask(d, CFW_EV_SERVER_START, "web");
	ok(drive_state(d, "db") == CFW_S_STARTING && drive_state(d, "web") == CFW_S_WAITING,
	   "a server that waited for its restart waits for another");
	is_int((long long)((cfw_core_deadline(d->core) - d->now_ns) / CFW_MS), 30000,
	       "S2.16: the first limit is that of the other's start");
	pass(d, MS(6000));
	is_int(drive_state(d, "web"), CFW_S_STARTED, "then it starts");
	done(d, "waits for another");
}

/* ---- a start after a stop ---- */

/* What was to be started after its stop is so once: when it ends as it is expected to, that is its end. */
static void started_once(void)
{
	struct cfw_server_opts o = drive_opts("job");
	o.expect_exit = true;
	struct drive *d = with(&o);
	ask(d, CFW_EV_SERVER_RESTART, "job");
	ok(drive_state(d, "job") == CFW_S_STARTED && drive_count(d, "start job") == 2, "a server is restarted");
	drive_close(d, "job", 0, 0);
	pass(d, MS(1000));
	ok(drive_state(d, "job") == CFW_S_DOWN && drive_count(d, "start job") == 2, "it ends, and stays down");
	done(d, "restarted");
}

/* The same where what a failed start left was taken down for the sake of the next one. */
static void started_once_after_a_failure(void)
{
	struct cfw_server_opts o = drive_opts("job");
	o.expect_exit = true;
	struct drive *d = make();
	drive_add_opts(d, &o)->fails = true;
	d->ask_ns = CFW_NEVER;
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_START});
	drive_run(d, d->now_ns);
	is_int(drive_state(d, "job"), CFW_S_FAILED, "a start has failed, and nobody has decided on it");
	d->server[0].fails = false;
	ask(d, CFW_EV_SERVER_RESTART, "job");
	ok(drive_order(d, "start_failed job", "stop job", "stopped job", "start job", "started job", NULL),
	   "what it left is taken down before it is started again");
	drive_close(d, "job", 0, 0);
	drive_run(d, d->now_ns + MS(100));
	ok(drive_state(d, "job") == CFW_S_DOWN && drive_count(d, "start job") == 2, "it ends, and stays down");
	done(d, "after a failure");
}

/* A stop that was wanted while it was starting is over when that start has failed: a restart after that starts it, also while nobody has
 * decided on the failure. */
static void stopped_and_failed(void)
{
	struct drive *d = make();
	drive_add(d, "web");
	struct drive_hook *h = drive_hook(d, "web", CFW_PRE_START, "before", CFW_NEVER);
	h->take_ns = MS(50);
	h->outcome = CFW_FAILED;
	ask(d, CFW_EV_SERVER_START, "web");
	ask(d, CFW_EV_SERVER_STOP, "web");
	d->ask_ns = CFW_NEVER;
	pass(d, MS(60));
	is_int(drive_state(d, "web"), CFW_S_FAILED, "a server that was to stop once it has started fails to start");
	h->outcome = CFW_OK;
	ask(d, CFW_EV_SERVER_RESTART, "web");
	pass(d, MS(60));
	is_int(drive_state(d, "web"), CFW_S_STARTED, "it is started when somebody asks for that");
	done(d, "stopped and failed");
}

/* A restart was wanted while it was starting, and that start fails: what is decided then has it started, once. */
static void restarted_and_failed(void)
{
	struct cfw_server_opts o = drive_opts("job");
	o.expect_exit = true;
	struct drive *d = make();
	drive_add_opts(d, &o);
	struct drive_hook *h = drive_hook(d, "job", CFW_PRE_START, "before", CFW_NEVER);
	h->take_ns = MS(50);
	h->outcome = CFW_FAILED;
	ask(d, CFW_EV_SERVER_START, "job");
	ask(d, CFW_EV_SERVER_RESTART, "job");
	d->ask_ns = MS(10);
	d->policy = once_more;
	pass(d, MS(55));
	is_int(drive_state(d, "job"), CFW_S_FAILED, "a server that was to be restarted fails to start");
	h->outcome = CFW_OK;
	pass(d, MS(100));
	is_int(drive_state(d, "job"), CFW_S_STARTED, "it is decided to start it again");
	drive_close(d, "job", 0, 0);
	pass(d, MS(100));
	is_int(drive_state(d, "job"), CFW_S_DOWN, "it ends, and stays down");
	done(d, "restarted and failed");
}

/* ---- reasons ---- */

/* S3.2: what start() fails with is why it failed this time, and not the time before. */
static void reason_of_this_time(void)
{
	struct drive *d = make();
	d->policy = once_more;
	drive_add(d, "web")->fails = true;
	drive_add(d, "slow")->start_ns = MS(500);
	ask(d, CFW_EV_START, NULL);
	ok(drive_count(d, "start web") == 2 && drive_state(d, "web") == CFW_S_STARTED,
	   "a start fails with a reason, and succeeds when it is tried again");
	drive_close(d, "web", 1, 0);
	pass(d, MS(1000));
	ok(replies == 1 && reply.outcome == CFW_FAILED && reply.server == d->server[0].id, "it closes before all are started");
	is_int(reply.text, 0, "S3.2: the reason of the first time is not that of the second");
	done(d, "a reason");
}

/* A failure that was made good is nobody's reason: not of a start that succeeds, nor of one that a stop breaks off. */
static void made_good(void)
{
	for (int stopped = 0; stopped <= 1; stopped++) {
		struct drive *d = make();
		d->policy = once_more;
		drive_add(d, "web")->fails = true;
		drive_add(d, "slow")->start_ns = MS(500);
		ask(d, CFW_EV_START, NULL);
		is_int(drive_state(d, "web"), CFW_S_STARTED, "a start fails, and succeeds when it is tried again");
		if (stopped)
			drive_fire(d, CFW_T_SIGNAL, TERM, 0);
		pass(d, MS(1000));
		is_int(replies, 1, "whoever waits for all of them hears of it");
		is_int(reply.outcome, stopped ? CFW_CUT : CFW_OK, stopped ? "a stop has come in between" : "all are started");
		ok(reply.server == 0 && reply.text == 0, "S3.2: no server is named, and no reason");
		done(d, "made good");
	}
}

/* Whoever waits for a server that is removed hears so: one that has failed, and nobody has decided on it. */
static void removed_undecided(void)
{
	struct drive *d = make();
	cfw_id web = drive_add(d, "web")->id;
	drive_hook(d, "web", CFW_PRE_START, "before", CFW_NEVER)->outcome = CFW_FAILED;
	d->ask_ns = CFW_NEVER;
	ask(d, CFW_EV_SERVER_START, "web");
	ok(drive_state(d, "web") == CFW_S_FAILED && replies == 0,
	   "who asked for a start waits for what is decided on its failure");
	is_int(cfw_core_server_remove(d->core, web, NULL), 0, "its server is removed");
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_TICK});
	ok(replies == 1 && reply.outcome == CFW_CUT && reply.server == 0 && reply.text == 0,
	   "it hears that this is over, and of no server, as there is none");
	done(d, "removed");
}

/* ---- a stop that is taken back ---- */

static struct drive *with_slow_hook(const struct cfw_server_opts *o)
{
	struct drive *d = make();
	drive_add_opts(d, o);
	drive_hook(d, NULL, CFW_PRE_STOP, "slow", CFW_NEVER)->take_ns = MS(100);
	drive_start(d);
	return d;
}

/* Its own restart goes on where it was. */
static void restart_goes_on(void)
{
	struct cfw_server_opts o = restarted(CFW_RESTART_ALWAYS, 0, MS(1000));
	struct drive *d = with_slow_hook(&o);
	drive_close(d, "web", 1, 0);
	d->server[0].fails = true;
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	trigger(d, CFW_T_CANCEL, false);
	pass(d, MS(200));
	ok(replies == 1 && reply.outcome == CFW_OK, "a stop is taken back");
	ok(drive_count(d, "start web") == 2 && drive_state(d, "web") == CFW_S_BACKOFF,
	   "S2.7: what waited for its restart has it, and when that fails, the next one");
	is_int(drive_count(d, "ask start_failed 1"), 0, "nobody is asked about it");
	done(d, "a restart");
}

/* What had closed is closed again. */
static void closed_again(void)
{
	struct cfw_server_opts o = drive_opts("web");
	struct drive *d = with_slow_hook(&o);
	drive_close(d, "web", 1, 0);
	is_int(drive_state(d, "web"), CFW_S_CLOSED, "a server has closed");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	is_int(drive_state(d, "web"), CFW_S_HELD, "its hooks are owed in a stop");
	trigger(d, CFW_T_CANCEL, false);
	pass(d, MS(200));
	ok(replies == 1 && reply.outcome == CFW_OK, "which can be taken back");
	is_int(drive_state(d, "web"), CFW_S_CLOSED, "and it is closed");
	done(d, "a closed one");
}

/* A start that was on its way by itself is brought to its end for the sake of the stop: it cannot be put back. */
static void on_its_way(void)
{
	struct cfw_server_opts o = drive_opts("web");
	struct drive *d = with_slow_hook(&o);
	d->hook[0].take_ns = MS(1000);
	drive_add(d, "late")->start_ns = MS(100);
	ask(d, CFW_EV_SERVER_START, "late");
	is_int(drive_state(d, "late"), CFW_S_STARTING, "a server is starting by itself");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	pass(d, MS(200));
	is_int(drive_state(d, "late"), CFW_S_HELD, "S3.3: its start is brought to its end in a stop");
	replies = 0;
	trigger(d, CFW_T_CANCEL, false);
	ok(replies == 1 && reply.outcome == CFW_FAILED && reply.why == CFW_R_BEGUN, "there is no way back to before");
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "the stop goes on");
	done(d, "one on its way");
}

int main(void)
{
	stopped_while_it_waits();
	started_while_it_waits();
	given_up();
	waits_for_another();
	started_once();
	started_once_after_a_failure();
	stopped_and_failed();
	restarted_and_failed();
	reason_of_this_time();
	made_good();
	removed_undecided();
	restart_goes_on();
	closed_again();
	on_its_way();
	return tap_done();
}
