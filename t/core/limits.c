/* Numbers at their limits, moments that fall together, and what comes when all is over. */
#include "drive.h"

enum { TERM = 15, REQUEST = 77 };

static uint32_t counted; /* of the last trigger that was asked about */
static struct cfw_action reply;
static bool replied;

static void note(struct drive *d, const struct cfw_action *a)
{
	(void)d;
	if (a->type == CFW_ACT_ASK)
		counted = a->trigger.count;
	if (a->type == CFW_ACT_REPLY && a->request == REQUEST) {
		reply = *a;
		replied = true;
	}
}

static uint32_t count_of(struct drive *d, enum cfw_trigger_kind kind, int signo, uint32_t custom)
{
	struct cfw_event ev = drive_trigger(kind, signo, 0);
	ev.trigger.custom = custom;
	counted = 0;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	return counted;
}

/* S2.13: each has its count; numbers past those that are counted by themselves share one, and touch no other. */
static void counts(void)
{
	enum { MOST_SIGNALS = 128, MOST_CUSTOM = 64 };
	struct drive *d = drive_new(NULL);
	d->on_action = note;
	for (unsigned i = 1; i <= 3; i++) {
		is_int(count_of(d, CFW_T_SIGNAL, 10, 0), i, "S2.13: SIGUSR1 for the %u. time", i);
		is_int(count_of(d, CFW_T_CUSTOM, 0, 5), i, "S2.13: a custom trigger for the %u. time", i);
		is_int(count_of(d, CFW_T_CUSTOM, 0, 6), i, "S2.13: another one for the %u. time", i);
		is_int(count_of(d, CFW_T_CUSTOM, 0, MOST_CUSTOM - 1), i, "S2.13: the last of them for the %u. time", i);
	}
	is_int(count_of(d, CFW_T_SIGNAL, MOST_SIGNALS, 0), 1, "a number that is no signal's");
	is_int(count_of(d, CFW_T_SIGNAL, MOST_SIGNALS + 50, 0), 2, "shares its count with all such");
	is_int(count_of(d, CFW_T_SIGNAL, -1, 0), 3, "negative ones among them");
	is_int(count_of(d, CFW_T_CUSTOM, 0, MOST_CUSTOM), 1, "a custom trigger past the last that is counted");
	is_int(count_of(d, CFW_T_CUSTOM, 0, MOST_CUSTOM + 100), 2, "shares its count with all such");
	is_int(count_of(d, CFW_T_SIGNAL, 1, 0), 1, "SIGHUP has been seen by nobody");
	drive_free(d);
	d = drive_new(NULL);
	d->on_action = note;
	count_of(d, CFW_T_CUSTOM, 0, MOST_CUSTOM + 7);
	is_int(count_of(d, CFW_T_CUSTOM, 0, 1), 1, "nor the first custom trigger");
	drive_free(d);
}

static int asked_code;
static struct cfw_decision with_code(struct drive *d, const struct cfw_trigger *t)
{
	(void)d, (void)t;
	return (struct cfw_decision){CFW_D_GRACEFUL, asked_code};
}

/* S2.18. */
static void codes(void)
{
	static const struct {
		int asked, code;
	} rows[] = {{0, 0},    {1, 1},     {254, 254}, {255, 255}, {256, 1},  {257, 1},
		    {301, 45}, {511, 255}, {-1, 255},  {-2, 254},  {-256, 1}, {65536, 1}};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct drive *d = drive_new(NULL);
		drive_add(d, "web");
		d->policy = with_code;
		asked_code = rows[i].asked;
		drive_start(d);
		drive_fire(d, CFW_T_SIGNAL, TERM, 0);
		drive_run(d, CFW_NEVER);
		is_int(d->exit_code, rows[i].code, "S2.18: a decision with code %d ends with %d", rows[i].asked, rows[i].code);
		drive_free(d);
	}
}

static void words(void)
{
	enum cfw_trigger_kind kind = CFW_T_EXIT;
	int signo = 0;
	is_int(cfw_trigger_parse("SIGHUP", &kind, &signo), 0, "the first signal has a name");
	ok(kind == CFW_T_SIGNAL && signo == 1, "and is a signal");
	bool any = false;
	for (int what = 0; what < CFW_DECISIONS; what++)
		any |= cfw_decision_allowed(CFW_T_KINDS, (enum cfw_decision_what)what);
	ok(!any, "what is no trigger allows nothing");
	ok(!cfw_decision_allowed(CFW_T_SIGNAL, CFW_DECISIONS), "and what is no decision is not allowed");
	struct cfw_decision d = cfw_decision_default(&(struct cfw_trigger){.kind = CFW_T_CRASH, .died_signo = 1, .code = 9});
	ok(d.what == CFW_D_ABORT && d.code == 129, "S4.11: a crash by SIGHUP is 129");
	d = cfw_decision_default(&(struct cfw_trigger){.kind = CFW_T_CRASH, .died_signo = 0, .code = 9});
	ok(d.what == CFW_D_ABORT && d.code == 9, "S4.11: one by _exit(9) is 9");
}

/* What comes when it has ended is late, or refused; nothing moves. */
static void after_the_end(void)
{
	static const struct {
		enum cfw_event_type type;
		int rc;
		bool late;
	} rows[] = {
		{CFW_EV_TICK, 0, false},
		{CFW_EV_DECISION, 0, true},
		{CFW_EV_HOOK_DONE, 0, true},
		{CFW_EV_SERVER_STARTED, 0, true},
		{CFW_EV_SERVER_START_FAILED, 0, true},
		{CFW_EV_SERVER_STOPPED, 0, true},
		{CFW_EV_SERVER_CLOSED, 0, true},
		{CFW_EV_EXTEND, CURFEW_EREFUSED, false},
		{CFW_EV_START, CURFEW_ESTATE, false},
		{CFW_EV_TRIGGER, CURFEW_ESTATE, false},
	};
	struct drive *d = drive_new(NULL);
	drive_add(d, "web");
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct cfw_event ev = {.type = rows[i].type, .server = d->server[0].id, .attempt = d->server[0].attempt};
		uint64_t before = cfw_core_late_answers(d->core);
		struct cfw_action a;
		is_int(cfw_core_feed(d->core, d->now_ns, &ev), rows[i].rc, "event %d after the end", (int)rows[i].type);
		is_int((long)(cfw_core_late_answers(d->core) - before), rows[i].late, "is late, or not");
		ok(!cfw_core_next(d->core, &a), "and nothing comes of it");
	}
	drive_free(d);
}

static void *dry(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	const bool *empty = ud;
	return new_size && *empty ? NULL : cfw_alloc_std.fn(cfw_alloc_std.ud, ptr, old_size, new_size);
}

/* Policy is asked also when there is no memory left from the first moment on. */
static void first_question_without_memory(void)
{
	bool empty = false;
	const struct cfw_alloc alloc = {dry, &empty};
	struct drive *d = drive_new(&alloc);
	d->on_action = note;
	empty = true;
	is_int((long)count_of(d, CFW_T_SIGNAL, TERM, 0), 1, "the first question needs no memory");
	empty = false;
	drive_free(d);
}

/* The end of a stop's time, by its limits. */
static void limits_of_a_stop(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_stop_view v;
	d->config.exit_timeout_ns = d->config.max_exit_timeout_ns = CFW_NEVER;
	cfw_core_configure(d->core, &d->config);
	drive_add(d, "web")->stop_ns = MS(100000);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	cfw_core_stop_view(d->core, &v);
	ok(v.deadline_ns == CFW_NEVER && v.margin_ns == CFW_NEVER, "without an exit timeout there is no margin before it");
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 0"), 100000, "and the stop takes as long as it takes");
	drive_free(d);

	d = drive_new(NULL);
	drive_add(d, "web");
	struct drive_hook *h = drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER);
	h->take_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	cfw_core_stop_view(d->core, &v);
	struct cfw_hook_view hv;
	cfw_core_hook_view(d->core, h->id, &hv);
	struct cfw_event extend = {.type = CFW_EV_EXTEND, .run = hv.run, .ns = v.deadline_ns - d->now_ns};
	is_int(cfw_core_feed(d->core, d->now_ns, &extend), 0,
	       "S4.6: an extension to the very end that there is is none, and no refusal");
	cfw_core_stop_view(d->core, &v);
	extend.ns = MS(10000);
	is_int(cfw_core_feed(d->core, v.margin_ns, &extend), CURFEW_EREFUSED,
	       "S4.7: one that comes in the moment of the margin is refused");
	cfw_core_stop_view(d->core, &v);
	ok(v.cut, "and the margin cuts what there is");
	drive_free(d);
}

static struct cfw_decision killing(struct drive *d, const struct cfw_trigger *t)
{
	(void)d, (void)t;
	return (struct cfw_decision){CFW_D_KILL, 3};
}

/* A cancel that is under way when the end is forced is answered: the stop went on. */
static void cancelled_by_a_kill(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_stop_view v;
	d->on_action = note;
	drive_add(d, "web");
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	struct cfw_event ev = drive_trigger(CFW_T_CANCEL, 0, 0);
	ev.trigger.request = REQUEST;
	replied = false;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	cfw_core_stop_view(d->core, &v);
	ok(v.cancelling && !replied, "a cancel waits for a hook");
	d->policy = killing;
	drive_fire(d, CFW_T_SIGNAL, 12, 0);
	ok(d->exited && d->killed && d->exit_code == 3, "S4.14: kill(3)");
	cfw_core_stop_view(d->core, &v);
	ok(!v.cancelling, "a kill ends that");
	ok(replied && reply.outcome == CFW_FAILED && reply.why == CFW_R_STOPPED_ON && reply.server == 0,
	   "and it hears that the stop went on");
	drive_free(d);
}

/* A limit that is set anew before it has passed: only the new one passes. */
static void set_anew(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("web");
	o.stop_timeout_ns = MS(500);
	struct drive_server *s = drive_add_opts(d, &o);
	s->stop_ns = s->cut_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, d->now_ns + MS(100));
	struct cfw_event skip = drive_trigger(CFW_T_SKIP, 0, 0);
	skip.trigger.server = s->id;
	drive_feed(d, &skip);
	drive_run(d, d->now_ns + MS(500));
	is_int(drive_state(d, "web"), CFW_S_CUTTING, "a server that was cut before its stop_timeout is waited for beyond that");
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 1"), 1100, "S4.2: for ten times what an abort waits");
	drive_free(d);
}

int main(void)
{
	counts();
	codes();
	words();
	after_the_end();
	first_question_without_memory();
	limits_of_a_stop();
	cancelled_by_a_kill();
	set_anew();
	return tap_done();
}
