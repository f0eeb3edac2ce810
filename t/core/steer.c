/* Steering: each way in each state of a stop, accepted or refused, and what follows; a cancelled stop leaves nothing behind; what one
 * server is asked for from outside. */
#include "drive.h"

enum { TERM = 15, REQUEST = 77 };

/* ---- where a stop can be ---- */

enum place { NO_STOP, STARTING, GLOBAL, HELD, PRE_STOP, DRAIN, CUTTING, POST_STOP, ABORT, MARGIN, CANCELLING, PLACES };
static const char *const place_names[PLACES] = {"all is started",
						"a start was broken off",
						"a global hook runs",
						"web waits for top",
						"web's pre_stop hook runs, top has stopped",
						"web drains",
						"web was cut by its own limit",
						"web's post_stop hook runs",
						"an abort runs",
						"the margin has passed",
						"a cancel waits for a hook"};

static enum cfw_refusal why;
static bool replied, accepted;

static void watch(struct drive *d, const struct cfw_action *a)
{
	(void)d;
	if (a->type != CFW_ACT_REPLY || a->request != REQUEST)
		return;
	replied = true;
	accepted = a->outcome == CFW_OK;
	why = a->why;
}

static struct drive *make(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("web");
	o.stop_timeout_ns = MS(2000);
	d->on_action = watch;
	drive_add_opts(d, &o);
	drive_add(d, "top");
	drive_after(d, "top", "web");
	return d;
}

static void slow_hook(struct drive *d, const char *server, enum cfw_phase phase)
{
	drive_hook(d, server, phase, NULL, CFW_NEVER)->take_ns = CFW_NEVER;
}

static void stop(struct drive *d)
{
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
}

static struct cfw_event way(struct drive *d, enum cfw_trigger_kind kind)
{
	struct cfw_event ev = drive_trigger(kind, 0, 0);
	ev.trigger.request = REQUEST;
	ev.trigger.ns = MS(9000);
	if (kind == CFW_T_SKIP || kind >= CFW_T_SERVER_START)
		ev.trigger.server = d->server[0].id;
	return ev;
}

static void steer(struct drive *d, enum cfw_trigger_kind kind)
{
	struct cfw_event ev = way(d, kind);
	replied = accepted = false;
	why = CFW_R_NONE;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
}

static struct drive *reach(enum place place)
{
	struct drive *d = make();
	switch (place) {
	case GLOBAL:
		slow_hook(d, NULL, CFW_PRE_STOP);
		break;
	case HELD:
	case CANCELLING:
		slow_hook(d, "top", CFW_PRE_STOP);
		break;
	case PRE_STOP:
	case MARGIN:
	case ABORT:
		slow_hook(d, "web", CFW_PRE_STOP);
		break;
	case DRAIN:
		d->server[0].stop_ns = CFW_NEVER;
		break;
	case CUTTING:
		d->server[0].stop_ns = d->server[0].cut_ns = CFW_NEVER;
		break;
	case POST_STOP:
		slow_hook(d, "web", CFW_POST_STOP);
		break;
	case STARTING:
		d->server[0].start_ns = CFW_NEVER;
		break;
	default:
		break;
	}
	drive_start(d);
	if (place == ABORT)
		drive_fire(d, CFW_T_ERROR, 0, 0);
	else if (place != NO_STOP)
		stop(d);
	if (place == MARGIN)
		drive_run(d, d->now_ns + MS(4600));
	if (place == CUTTING)
		drive_run(d, d->now_ns + MS(2100));
	if (place == CANCELLING)
		steer(d, CFW_T_CANCEL);
	return d;
}

/* What each gives; CFW_R_NONE: it is done. */
#define OK   CFW_R_NONE
#define NS   CFW_R_NO_STOP
#define AB   CFW_R_ABORT
#define MA   CFW_R_MARGIN
#define BEG  CFW_R_BEGUN
#define STA  CFW_R_START
#define NOT  CFW_R_NOTHING
#define STOP CFW_R_STOPPING
#define CAN  CFW_R_CANCELED
#define WAIT CFW_REFUSALS /* accepted, and not done yet */
static const struct {
	enum cfw_trigger_kind kind;
	int want[PLACES];
} table[] = {
	/* clang-format off */
	/*                     none starting global held pre_stop drain cutting post abort margin cancelling */
	{CFW_T_HURRY,          {NS,  OK,      OK,    OK,  OK,     OK,   OK,     OK,  OK,   OK,    CAN}},
	{CFW_T_EXTEND,         {NS,  OK,      OK,    OK,  OK,     OK,   OK,     OK,  AB,   MA,    CAN}},
	{CFW_T_SKIP,           {NS,  OK,      NOT,   NOT, OK,     OK,   NOT,    OK,  OK,   OK,    NOT}},
	{CFW_T_CANCEL,         {NS,  STA,     WAIT,  WAIT, BEG,   BEG,  BEG,    BEG, AB,   MA,    WAIT}},
	{CFW_T_SERVER_START,   {OK,  STOP,    STOP,  STOP, STOP,  STOP, STOP,   STOP, STOP, STOP, STOP}},
	{CFW_T_SERVER_STOP,    {OK,  STOP,    STOP,  STOP, STOP,  STOP, STOP,   STOP, STOP, STOP, STOP}},
	{CFW_T_SERVER_RESTART, {OK,  STOP,    STOP,  STOP, STOP,  STOP, STOP,   STOP, STOP, STOP, STOP}},
	/* clang-format on */
};

static struct cfw_decision refuse(struct drive *d, const struct cfw_trigger *t)
{
	(void)d;
	return (struct cfw_decision){cfw_trigger_steers(t->kind) ? CFW_D_IGNORE : CFW_D_NONE, 0};
}

static void every_place(void)
{
	for (size_t k = 0; k < sizeof table / sizeof *table; k++)
		for (int p = 0; p < PLACES; p++) {
			const char *name = cfw_trigger_name(table[k].kind, 0);
			int want = table[k].want[p];
			struct drive *d = reach((enum place)p);
			steer(d, table[k].kind);
			if (want == WAIT)
				ok(!replied, "%s, %s: accepted, and done later", place_names[p], name);
			else if (want == CFW_R_NONE)
				ok(replied && accepted, "%s, %s: done", place_names[p], name);
			else
				ok(replied && !accepted && why == (enum cfw_refusal)want, "%s, %s: refused: %s", place_names[p],
				   name, cfw_refusal_text((enum cfw_refusal)want));
			if (want != WAIT && why != (enum cfw_refusal)want)
				tap_diag("it said: %s", cfw_refusal_text(why));
			if (d->exited == false) {
				stop(d);
				drive_run(d, CFW_NEVER);
			}
			ok(d->exited && !d->faults, "and it ends, with every hook called (S4.12)");
			drive_free(d);
		}
}

/* S2.12: a rule may refuse each of them, and nothing else but accept answers them. */
static void every_rule(void)
{
	for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
		enum place place = table[k].kind >= CFW_T_SERVER_START ? NO_STOP : PRE_STOP;
		struct drive *d = reach(place);
		int lines = d->lines;
		d->policy = refuse;
		steer(d, table[k].kind);
		ok(replied && !accepted && why == CFW_R_RULE, "a rule refuses %s", cfw_trigger_name(table[k].kind, 0));
		is_int(d->lines - lines, 2, "and nothing follows but question and answer");
		d->policy = NULL;
		stop(d);
		drive_run(d, CFW_NEVER);
		ok(d->exited && !d->faults, "and it ends");
		drive_free(d);
	}
}

static void done(struct drive *d, int code, const char *what)
{
	if (!d->exited)
		drive_run(d, CFW_NEVER);
	ok(d->exited && d->faults == 0, "%s: it ends", what);
	is_int(d->exit_code, code, "S4.11: with %d", code);
	drive_free(d);
}

/* ---- hurry ---- */

static void hurrying(void)
{
	struct cfw_stop_view v;
	struct drive *d = reach(PRE_STOP);
	steer(d, CFW_T_HURRY);
	ok(drive_order(d, "call web.pre_stop graceful", "ask hurry 1", "hurry", "reply 77 ok", NULL),
	   "hurry: the host is told");
	cfw_core_stop_view(d->core, &v);
	ok(v.running && v.hurried, "and can read it");
	is_int(v.deadline_ns, MS(6000), "S4.6: the end stays where it was");
	steer(d, CFW_T_HURRY);
	is_int(drive_count(d, "hurry"), 2, "each time");
	done(d, 255, "a hook that does not hear of it");
}

/* ---- extend ---- */

static void extending(void)
{
	struct cfw_stop_view v;
	struct drive *d = reach(PRE_STOP);
	steer(d, CFW_T_EXTEND);
	cfw_core_stop_view(d->core, &v);
	is_int(v.deadline_ns, MS(10000), "S4.6: extend moves the end to now + t");
	is_int(v.margin_ns, MS(9500), "and the margin with it");
	struct cfw_event ev = way(d, CFW_T_EXTEND);
	ev.trigger.ns = MS(5);
	drive_feed(d, &ev);
	cfw_core_stop_view(d->core, &v);
	is_int(v.deadline_ns, MS(10000), "S4.6: max(old, now + t)");
	ok(replied && accepted, "which is no refusal");
	ev.trigger.ns = MS(600000);
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	cfw_core_stop_view(d->core, &v);
	is_int(v.deadline_ns, MS(61000), "S4.6: as far as max_exit_timeout");
	replied = false;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	ok(replied && !accepted && why == CFW_R_LIMIT, "S4.6: and no further");
	done(d, 255, "a hook that never ends");
}

/* ---- skip ---- */

static void skipping(void)
{
	struct drive *d = make();
	slow_hook(d, "web", CFW_PRE_STOP);
	drive_hook(d, "web", CFW_PRE_STOP, "second", CFW_NEVER);
	drive_start(d);
	stop(d);
	steer(d, CFW_T_SKIP);
	ok(drive_order(d, "call web.pre_stop graceful", "cut_hook web.pre_stop", "call second graceful", "stop web", "exit 1",
		       NULL),
	   "skip: a stuck hook is cut, its server's next hook still runs (S4.12), and nobody aborts");
	is_int(drive_ms(d, "exit 1"), 0, "at once");
	done(d, 1, "a skipped hook");

	d = reach(DRAIN);
	drive_hook(d, "web", CFW_POST_STOP, NULL, CFW_NEVER);
	steer(d, CFW_T_SKIP);
	ok(drive_order(d, "stop web", "cut web", "stopped web", "exit 1", NULL), "skip: a stuck drain is cut");
	done(d, 1, "a skipped drain");

	d = make();
	d->server[0].stop_ns = CFW_NEVER;
	drive_add(d, "other")->stop_ns = MS(300);
	drive_hook(d, "web", CFW_POST_STOP, NULL, CFW_NEVER);
	drive_start(d);
	stop(d);
	steer(d, CFW_T_SKIP);
	drive_run(d, CFW_NEVER);
	ok(drive_order(d, "cut web", "call web.post_stop graceful", "stopped other", "exit 1", NULL),
	   "its post_stop hooks run, the others have their time");
	is_int(drive_count(d, "cut other"), 0, "they are not cut");
	done(d, 1, "one of two");

	d = reach(STARTING);
	d->server[0].start_ns = CFW_NEVER;
	steer(d, CFW_T_SKIP);
	ok(drive_order(d, "start web", "ask start_failed 1", "stop web", "exit 1", NULL),
	   "skip: a start that hangs has failed");
	done(d, 1, "a skipped start");

	d = reach(GLOBAL);
	struct cfw_event ev = way(d, CFW_T_SKIP);
	ev.trigger.server = 0;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	ok(drive_order(d, "call global.pre_stop graceful", "cut_hook global.pre_stop", "stop top", "stop web", NULL),
	   "skip without a server: the global hook");
	done(d, 1, "a skipped global hook");
	ev.trigger.server = 4711;
	d = reach(PRE_STOP);
	replied = false;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	ok(replied && !accepted && why == CFW_R_NO_SERVER, "skip: of a server that is gone");
	done(d, 255, "nothing was skipped");
}

/* ---- cancel ---- */

static bool life_is(const struct drive *d, enum cfw_life life)
{
	return cfw_core_life(d->core) == life;
}

static bool no_stop(const struct drive *d)
{
	struct cfw_stop_view v;
	cfw_core_stop_view(d->core, &v);
	return !v.running && v.deadline_ns == CFW_NEVER && v.margin_ns == CFW_NEVER && !v.cancelling && !v.hurried;
}

static void cancelling(void)
{
	struct drive *d = make();
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_hook(d, "top", CFW_PRE_STOP, "hold", CFW_NEVER)->take_ns = MS(1000);
	drive_hook(d, "top", CFW_PRE_STOP, "after", CFW_NEVER);
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	struct cfw_event ev = drive_trigger(CFW_T_EXIT, 0, 0);
	drive_feed(d, &ev);
	drive_run(d, MS(1500));
	steer(d, CFW_T_EXTEND);
	steer(d, CFW_T_CANCEL);
	ok(!replied && life_is(d, CFW_L_STOPPING), "cancel: while a hook runs nothing is taken back yet");
	ok(drive_order(d, "lame", "call global.pre_stop graceful", "call hold graceful", "ask cancel 1",
		       "tell hooks of the cancel", NULL),
	   "but hooks are told");
	drive_run(d, MS(2000));
	ok(replied && accepted, "cancel: it is done when they have ended");
	ok(drive_order(d, "done hold", "unlame", "reply 77 ok", NULL), "readiness is back, who asked is told");
	is_int(drive_count(d, "call after graceful"), 0, "no hook begins any more");
	ok(life_is(d, CFW_L_STARTED) && no_stop(d), "S3: all is started, no stop runs, no deadline");
	ok(drive_state(d, "web") == CFW_S_STARTED && drive_state(d, "top") == CFW_S_STARTED, "so are the servers");
	is_int(cfw_core_deadline(d->core), CFW_NEVER, "nothing is due");
	drive_run(d, MS(60000));
	ok(!d->exited, "and nothing comes of the old deadline");
	steer(d, CFW_T_CANCEL);
	ok(replied && why == CFW_R_NO_STOP, "a second one finds no stop");
	int lines = d->lines;
	stop(d);
	drive_run(d, CFW_NEVER);
	d->lines -= lines;
	memmove(d->line, d->line + lines, (size_t)d->lines * sizeof *d->line);
	memmove(d->at_ns, d->at_ns + lines, (size_t)d->lines * sizeof *d->at_ns);
	ok(drive_order(d, "lame", "call global.pre_stop graceful", "call hold graceful", "call after graceful", "stop top",
		       "call web.pre_stop graceful", "stop web", "exit 0", NULL),
	   "S4.12: the next stop runs every hook");
	done(d, 0, "a stop after a cancelled one");
}

static void cancelled_code(void)
{
	struct drive *d = reach(GLOBAL);
	d->hook[0].outcome = CFW_FAILED;
	struct cfw_event ev = {.type = CFW_EV_HOOK_DONE, .outcome = CFW_FAILED};
	struct cfw_hook_view h;
	struct cfw_stop_view v;
	cfw_core_hook_view(d->core, d->hook[0].id, &h);
	ev.run = h.run;
	steer(d, CFW_T_CANCEL);
	drive_feed(d, &ev);
	cfw_core_stop_view(d->core, &v);
	is_int(v.code, 0, "cancel: the code of the stop is forgotten, and a hook that failed in it");
	d->hook[0].take_ns = 0;
	d->hook[0].outcome = CFW_OK;
	stop(d);
	done(d, 0, "another stop");

	d = make();
	slow_hook(d, NULL, CFW_PRE_STOP);
	drive_start(d);
	ev = drive_trigger(CFW_T_STOP, 0, 0);
	ev.trigger.request = 5;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	steer(d, CFW_T_CANCEL);
	drive_fire(d, CFW_T_CANCEL, 0, 0);
	cfw_core_hook_view(d->core, d->hook[0].id, &h);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_HOOK_DONE, .run = h.run});
	ok(drive_line(d, "reply 5 failed") >= 0, "cancel: who waited for the stop hears that it was taken back");
	ok(replied && accepted, "a second cancel changes nothing");
	d->hook[0].take_ns = 0;
	stop(d);
	done(d, 0, "another stop");
}

/* Policy is silent and the loop was blocked: stop, cancel and skip are decided on in one go, and the hook that was begun is handed out. */
static void cancelled_at_once(void)
{
	static const enum cfw_trigger_kind kinds[] = {CFW_T_EXIT, CFW_T_CANCEL, CFW_T_SKIP};
	struct drive *d = make();
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	d->ask_ns = CFW_NEVER;
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		drive_fire(d, kinds[i], 0, 0);
		drive_run(d, d->now_ns + MS(1));
	}
	d->now_ns += MS(2000);
	d->blocked_ns = d->now_ns;
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_TICK});
	ok(no_stop(d) && life_is(d, CFW_L_STARTED), "a stop is cancelled before anybody has heard of it");
	ok(drive_order(d, "lame", "call global.pre_stop graceful", "unlame", NULL),
	   "S4.12: but a hook of it was called, so it is told that this may be begun again");
	d->ask_ns = 0;
	stop(d);
	done(d, 0, "another stop");
}

/* What makes a stop go on that was to be cancelled. */
static void dropped(void)
{
	static const struct {
		const char *what;
		enum cfw_trigger_kind kind;
		int code;
	} rows[] = {
		{"a signal", CFW_T_SIGNAL, 255}, {"an error", CFW_T_ERROR, 255}, {"the death of a server", CFW_T_KINDS, 255}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct drive *d = reach(CANCELLING);
		if (rows[i].kind == CFW_T_KINDS)
			drive_close(d, "web", 1, 0);
		else
			drive_fire(d, rows[i].kind, TERM, 0);
		ok(replied && !accepted && why == CFW_R_STOPPED_ON, "%s drops a cancel", rows[i].what);
		is_int(drive_count(d, "unlame"), 0, "nothing is taken back");
		ok(drive_order(d, "tell hooks of the cancel", "tell hooks that it goes on", NULL), "hooks are told");
		done(d, rows[i].code, rows[i].what);
	}
	struct drive *d = reach(CANCELLING);
	drive_run(d, d->now_ns + MS(4600));
	ok(replied && why == CFW_R_STOPPED_ON, "S4.7: so does the margin");
	done(d, 255, "the margin");
	d = reach(CANCELLING);
	d->policy = NULL;
	struct cfw_event ev = drive_trigger(CFW_T_ABORT, 0, 0);
	d->ask_ns = CFW_NEVER;
	drive_feed(d, &ev);
	drive_run(d, CFW_NEVER);
	ok(replied && !accepted, "S4.10: and so does what policy has no answer to");
	done(d, 255, "a policy that is dead");
}

/* Servers that were not up when the stop began are what they were. */
static void restored(void)
{
	struct drive *d = make();
	struct cfw_server_opts o = drive_opts("flaky");
	o.restart = CFW_RESTART_ALWAYS;
	o.backoff_ns = MS(200);
	drive_add_opts(d, &o);
	drive_add(d, "lone");
	slow_hook(d, NULL, CFW_PRE_STOP);
	drive_start(d);
	drive_close(d, "flaky", 1, 0);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_STOP, .server = d->server[3].id});
	drive_run(d, d->now_ns);
	stop(d);
	ok(drive_state(d, "flaky") == CFW_S_HELD && drive_state(d, "lone") == CFW_S_DOWN, "S4.13: a restart is called off");
	steer(d, CFW_T_CANCEL);
	struct cfw_hook_view h;
	cfw_core_hook_view(d->core, d->hook[0].id, &h);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_HOOK_DONE, .run = h.run});
	drive_run(d, d->now_ns + MS(500));
	ok(drive_state(d, "flaky") == CFW_S_STARTED, "cancel: and is had after all");
	ok(drive_state(d, "lone") == CFW_S_DOWN, "cancel: who was down stays down");
	d->hook[0].take_ns = 0;
	stop(d);
	done(d, 0, "the next stop");

	d = make();
	d->server[0].stop_ns = MS(400);
	slow_hook(d, NULL, CFW_PRE_STOP);
	drive_start(d);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_RESTART, .server = d->server[0].id});
	drive_run(d, d->now_ns + MS(10));
	stop(d);
	steer(d, CFW_T_CANCEL);
	ok(replied && why == CFW_R_BEGUN, "cancel: not while a server was on its way down by itself");
	done(d, 255, "a restart that a stop broke off");
}

/* A policy may answer late: what was asked for first means what there was then. */
static void in_order(void)
{
	struct drive *d = make();
	slow_hook(d, NULL, CFW_PRE_STOP);
	drive_start(d);
	d->ask_ns = CFW_NEVER;
	struct cfw_event cancel = way(d, CFW_T_CANCEL), term = drive_trigger(CFW_T_SIGNAL, TERM, 0);
	replied = false;
	drive_feed(d, &cancel);
	drive_feed(d, &term);
	drive_run(d, d->now_ns + MS(1500));
	ok(replied && why == CFW_R_NO_STOP, "a cancel is not of a stop that was asked for later");
	done(d, 255, "that stop");
}

/* The hook that asks is one that it would wait for. */
static void at_once(void)
{
	struct drive *d = reach(HELD);
	struct cfw_event ev = way(d, CFW_T_CANCEL);
	ev.trigger.at_once = true;
	replied = false;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	ok(replied && accepted && !no_stop(d), "cancel, at once: answered when it is accepted");
	done(d, 255, "a hook that does not end");
}

/* ---- one server ---- */

static void one_server(void)
{
	struct drive *d = make();
	drive_start(d);
	steer(d, CFW_T_SERVER_STOP);
	ok(drive_order(d, "ask stop_server 1", "stop top", "stopped top", "stop web", "stopped web", "reply 77 ok", NULL),
	   "stop_server: what depends on it first, answered when it is down");
	steer(d, CFW_T_SERVER_START);
	ok(drive_state(d, "web") == CFW_S_STARTED && drive_state(d, "top") == CFW_S_DOWN,
	   "start_server: it, and what it needs");
	ok(replied && accepted, "answered when it is up");
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_START});
	drive_run(d, d->now_ns);
	d->lines = 0;
	steer(d, CFW_T_SERVER_RESTART);
	ok(drive_order(d, "stop top", "stop web", "start web", "started web", "start top", NULL),
	   "restart_server: both, in order");
	ok(replied && accepted, "answered");
	struct cfw_event ev = way(d, CFW_T_SERVER_START);
	ev.trigger.server = 4711;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	ok(why == CFW_R_NO_SERVER, "a server that is gone");
	d->server[0].fails = true;
	steer(d, CFW_T_SERVER_STOP);
	steer(d, CFW_T_SERVER_START);
	drive_run(d, CFW_NEVER);
	ok(replied && !accepted && why == CFW_R_NONE, "start_server: of one that fails, with its own reason");
	done(d, 1, "S2.16: a failed start");
}

/* An open question about a server keeps no start from it but where its fate is the question. */
static void questions(void)
{
	struct drive *d = make();
	d->ask_ns = MS(300);
	struct cfw_event ev = way(d, CFW_T_SERVER_STOP);
	drive_feed(d, &ev);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_START});
	drive_run(d, d->now_ns + MS(100));
	ok(drive_state(d, "web") == CFW_S_STARTED, "a start does not wait for somebody's wish about a server");
	drive_run(d, d->now_ns + MS(300));
	ok(drive_state(d, "web") == CFW_S_DOWN, "which is met when it is decided on");
	stop(d);
	done(d, 0, "a stop");
}

static void words(void)
{
	int missing = 0;
	for (int w = 0; w < CFW_REFUSALS; w++)
		missing += !cfw_refusal_text((enum cfw_refusal)w) || strcmp(cfw_refusal_text((enum cfw_refusal)w), "?") == 0;
	is_int(missing, 0, "every refusal has its words");
	is_str(cfw_refusal_text(CFW_REFUSALS), "?", "what is none has none");
	for (int k = 0; k < CFW_T_KINDS; k++)
		if (cfw_trigger_steers((enum cfw_trigger_kind)k))
			is_int(cfw_trigger_closed((enum cfw_trigger_kind)k) == NULL, k == CFW_T_HURRY || k == CFW_T_CANCEL,
			       "S10.1: %s by its name alone", cfw_trigger_name((enum cfw_trigger_kind)k, 0));
}

int main(void)
{
	every_place();
	every_rule();
	hurrying();
	extending();
	skipping();
	cancelling();
	cancelled_code();
	cancelled_at_once();
	dropped();
	restored();
	in_order();
	at_once();
	one_server();
	questions();
	words();
	return tap_done();
}
