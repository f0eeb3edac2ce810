/* What one life of a server, a hook, a stop or a request leaves to the next: nothing. */
#include "drive.h"

enum { TERM = 15, REQUEST = 77 };

static struct cfw_action reply, last_cut, last_exit, last_steered;
static int replies;
static bool timed; /* an action that nothing bounds has a deadline */

static void note(struct drive *d, const struct cfw_action *a)
{
	(void)d;
	timed |= a->deadline_ns != CFW_NEVER && a->type != CFW_ACT_START && a->type != CFW_ACT_STOP && a->type != CFW_ACT_CALL;
	if (a->type == CFW_ACT_REPLY && a->request >= REQUEST) {
		reply = *a;
		replies++;
	}
	if (a->type == CFW_ACT_CUT)
		last_cut = *a;
	if (a->type == CFW_ACT_EXIT)
		last_exit = *a;
	if (a->type == CFW_ACT_STEERED)
		last_steered = *a;
}

static struct drive *make(void)
{
	struct drive *d = drive_new(NULL);
	d->on_action = note;
	replies = 0;
	return d;
}

static int ask(struct drive *d, enum cfw_event_type type, const char *server)
{
	struct cfw_event ev = {.type = type, .request = REQUEST, .server = server ? d->server[drive_find(d, server)].id : 0};
	return drive_feed(d, &ev);
}

static int request(struct drive *d, enum cfw_trigger_kind kind, bool no_exit)
{
	struct cfw_event ev = drive_trigger(kind, 0, 0);
	ev.trigger.request = REQUEST;
	ev.trigger.no_exit = no_exit;
	int rc = drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	return rc;
}

static const struct cfw_journal_entry *find(const struct drive *d, uint64_t from, enum cfw_journal_what what)
{
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(d->core, from)) != NULL && e->what != what)
		from = e->seq + 1;
	return e;
}

/* ---- starts ---- */

static struct cfw_decision ignoring(struct drive *d, const struct cfw_trigger *t)
{
	(void)d;
	return (struct cfw_decision){t->kind == CFW_T_START_FAILED || t->kind == CFW_T_CUSTOM ? CFW_D_IGNORE : CFW_D_NONE, 0};
}

/* A failed start that is being undone is overtaken by a stop: a later start of all is answered all the same. */
static void undone_and_overtaken(void)
{
	struct drive *d = make();
	d->policy = ignoring;
	struct drive_server *s = drive_add(d, "web");
	s->fails = true;
	s->stop_ns = MS(500);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_START});
	drive_run(d, d->now_ns + MS(10));
	is_int(drive_state(d, "web"), CFW_S_STOPPING, "a start that failed is undone");
	is_int(ask(d, CFW_EV_SERVER_STOP, "web"), 0, "somebody wants it stopped meanwhile");
	drive_run(d, d->now_ns + MS(1000));
	is_int(drive_state(d, "web"), CFW_S_DOWN, "it is down");
	ok(replies == 1 && reply.outcome == CFW_OK, "who asked has heard it");
	s->fails = false;
	replies = 0;
	is_int(ask(d, CFW_EV_START, NULL), 0, "all are to be started");
	drive_run(d, d->now_ns + MS(1000));
	ok(replies == 1 && reply.outcome == CFW_OK && drive_state(d, "web") == CFW_S_STARTED, "and are: it is answered");
	drive_free(d);
}

/* Of a start that fails because another one did, the reason is that of the other. */
static void reason_of_another(void)
{
	struct drive *d = make();
	d->policy = ignoring;
	drive_add(d, "db")->fails = true;
	drive_add(d, "web");
	drive_after(d, "web", "db");
	is_int(ask(d, CFW_EV_SERVER_START, "web"), 0, "a server is to be started");
	drive_run(d, d->now_ns + MS(1000));
	ok(replies == 1 && reply.outcome == CFW_FAILED && reply.text == 77, "it hears why what it needs has failed");
	drive_free(d);
}

/* S2.7: the tries are used up: who waits for it hears that, and the trigger comes. */
static void tries_used_up(void)
{
	struct drive *d = make();
	struct cfw_server_opts o = drive_opts("web");
	o.restart = CFW_RESTART_ALWAYS;
	o.restart_max = 1;
	o.backoff_ns = MS(10);
	struct drive_server *s = drive_add_opts(d, &o);
	d->policy = ignoring;
	drive_start(d);
	s->fails = true;
	drive_close(d, "web", 1, 0);
	is_int(ask(d, CFW_EV_SERVER_START, "web"), 0, "a start is asked for while it waits for its restart");
	drive_run(d, d->now_ns + MS(1));
	ok(replies == 1 && reply.outcome == CFW_FAILED, "it has failed for the last time, and who asked hears so");
	drive_free(d);
}

/* The wait doubles up to half a minute; ten seconds up, and it begins anew. */
static void backoff(void)
{
	struct drive *d = make();
	struct cfw_server_opts o = drive_opts("web");
	o.restart = CFW_RESTART_ALWAYS;
	o.backoff_ns = MS(1000);
	struct drive_server *s = drive_add_opts(d, &o);
	static const uint64_t waits[] = {1, 2, 4, 8, 16, 30, 30};
	drive_start(d);
	s->fails = true;
	drive_close(d, "web", 1, 0);
	uint64_t from = 1;
	for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
		const struct cfw_journal_entry *e = find(d, from, CFW_J_BACKOFF);
		is_int(e ? (long)((e->ns - e->at_ns) / CFW_SEC) : -1, (long)waits[i], "try %zu: after so many seconds", i + 1);
		from = e ? e->seq + 1 : from;
		drive_run(d, d->now_ns + waits[i] * CFW_SEC);
	}
	s->fails = false;
	drive_run(d, d->now_ns + MS(30000));
	is_int(drive_state(d, "web"), CFW_S_STARTED, "up again");
	static const struct {
		uint64_t up_ms;
		long wait_s;
	} ups[] = {{9999, 30}, {10000, 1}, {9999, 2}};
	for (size_t i = 0; i < sizeof ups / sizeof *ups; i++) {
		struct cfw_server_view v;
		cfw_core_server_view(d->core, s->id, &v);
		d->now_ns = v.since_ns + MS(ups[i].up_ms);
		for (const struct cfw_journal_entry *e; (e = cfw_core_journal(d->core, from)) != NULL;)
			from = e->seq + 1;
		drive_close(d, "web", 1, 0);
		const struct cfw_journal_entry *e = find(d, from, CFW_J_BACKOFF);
		is_int(e ? (long)((e->ns - e->at_ns) / CFW_SEC) : -1, ups[i].wait_s, "after %llu ms up",
		       (unsigned long long)ups[i].up_ms);
		drive_run(d, d->now_ns + MS(60000));
	}
	drive_free(d);
}

/* S7.4: a reload that was asked for while starting comes once, when that is over; not at all when a stop comes first. */
static void one_reload(void)
{
	struct drive *d = make();
	struct drive_server *s = drive_add(d, "web");
	s->start_ns = MS(100);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_START});
	request(d, CFW_T_RELOAD, false);
	drive_run(d, d->now_ns + MS(200));
	is_int(drive_count(d, "reload"), 1, "S7.4: a reload while starting is put off");
	ok(replies == 1 && reply.outcome == CFW_OK && reply.server == 0 && reply.text == 0,
	   "and answered by its beginning, no more");
	drive_add(d, "late");
	ask(d, CFW_EV_START, NULL);
	drive_run(d, d->now_ns + MS(200));
	is_int(drive_count(d, "reload"), 1, "S7.4: it does not come again with the next start");
	drive_free(d);

	d = make();
	drive_add(d, "web")->start_ns = MS(100);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_START});
	request(d, CFW_T_RELOAD, false);
	request(d, CFW_T_STOP, true);
	drive_run(d, d->now_ns + MS(1000));
	drive_start(d);
	drive_run(d, d->now_ns + MS(1000));
	is_int(drive_state(d, "web"), CFW_S_STARTED, "S3.4: a start after a stop that came before all was started");
	is_int(drive_count(d, "reload"), 0, "S7.4: the reload went with the stop");
	drive_free(d);
}

/* ---- a stop that is taken back, or is not ---- */

static void cancel_goes_on(void)
{
	struct drive *d = make();
	drive_add(d, "a");
	drive_add(d, "b");
	drive_hook(d, "a", CFW_PRE_STOP, "a1", CFW_NEVER)->take_ns = MS(100);
	drive_hook(d, "a", CFW_PRE_STOP, "a2", CFW_NEVER);
	drive_hook(d, "b", CFW_PRE_STOP, "b1", CFW_NEVER)->take_ns = MS(1000);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, d->now_ns + MS(50));
	request(d, CFW_T_CANCEL, false);
	drive_run(d, d->now_ns + MS(100));
	ok(drive_line(d, "call a2 graceful") < 0, "a hook ends while a cancel waits for another: the next does not begin");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	ok(replies == 1 && reply.outcome == CFW_FAILED && reply.why == CFW_R_STOPPED_ON, "another trigger: the stop goes on");
	drive_run(d, d->now_ns + MS(10));
	ok(drive_line(d, "call a2 graceful") >= 0, "and so do the hooks of each server, the first among them");
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "to the end");
	drive_free(d);
}

static void cancel_leaves_nothing(void)
{
	struct drive *d = make();
	struct cfw_stop_view v;
	drive_add(d, "web");
	drive_hook(d, "web", CFW_PRE_STOP, "h", CFW_NEVER)->take_ns = MS(100);
	drive_start(d);
	request(d, CFW_T_STOP, false);
	drive_fire(d, CFW_T_HURRY, 0, 0);
	ok(last_steered.type == CFW_ACT_STEERED && last_steered.hurry, "a stop is hurried");
	last_steered.hurry = true;
	struct cfw_event ev = drive_trigger(CFW_T_CANCEL, 0, 0);
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	ok(!last_steered.hurry, "hooks that are told of the cancel are not told to hurry again");
	drive_run(d, d->now_ns + MS(200));
	ok(replies == 1 && reply.outcome == CFW_FAILED && reply.why == CFW_R_CANCELED && reply.server == 0,
	   "who asked for the stop hears of it");
	cfw_core_stop_view(d->core, &v);
	ok(!v.running && v.began_ns == CFW_NEVER, "no stop runs, and none has begun");
	struct cfw_hook_opts o = {.server = d->server[0].id, .phase = CFW_PRE_STOP, .timeout_ns = CFW_NEVER};
	ok(cfw_core_hook_add(d->core, &o, NULL) != 0, "the server takes hooks again");
	for (int i = 0; i < 3000; i++)
		drive_fire(d, CFW_T_CUSTOM, 0, 0);
	uint64_t last = 0;
	for (const struct cfw_journal_entry *e; (e = cfw_core_journal(d->core, last + 1)) != NULL;)
		last = e->seq;
	drive_fire(d, CFW_T_CUSTOM, 0, 0);
	ok(cfw_core_journal(d->core, last + 1) != NULL, "the journal has places for whatever comes");
	drive_free(d);
}

/* S3.3: what a stop waits for may be a hook before a start. */
static void skip_before_a_start(void)
{
	struct drive *d = make();
	drive_add(d, "web");
	drive_hook(d, "web", CFW_PRE_START, "before", CFW_NEVER)->take_ns = CFW_NEVER;
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_START});
	drive_run(d, d->now_ns + MS(10));
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	struct cfw_event ev = drive_trigger(CFW_T_SKIP, 0, 0);
	ev.trigger.server = d->server[0].id;
	ev.trigger.request = REQUEST;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns + MS(10));
	ok(replies == 1 && reply.outcome == CFW_OK, "a hook before a start is skipped");
	ok(d->exited, "and the stop is over");
	drive_free(d);
}

/* ---- what is handed out ---- */

static void no_deadlines(void)
{
	struct drive *d = make();
	struct cfw_server_opts o = drive_opts("web");
	o.stop_timeout_ns = MS(100);
	drive_add_opts(d, &o)->stop_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(last_cut.type == CFW_ACT_CUT && last_cut.deadline_ns == CFW_NEVER, "a cut has no deadline");
	ok(last_exit.type == CFW_ACT_EXIT && last_exit.deadline_ns == CFW_NEVER, "nor has the end");
	ok(!timed, "nor anything else but a start, a stop and a hook");
	drive_free(d);
}

/* Questions that nobody has taken until their time was over are not asked any more, and the next one is. */
static void not_taken_in_time(void)
{
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	struct cfw_core *core = cfw_core_new(&cfw_alloc_std, &config);
	struct cfw_action a;
	struct cfw_event ev = drive_trigger(CFW_T_CUSTOM, 0, 0), tick = {.type = CFW_EV_TICK};
	if (!core)
		tap_bail("out of memory");
	for (int n = 1; n <= 3; n++) {
		for (int i = 0; i < n; i++)
			cfw_core_feed(core, MS(1000 + 3000 * n + i), &ev);
		cfw_core_feed(core, MS(3000 + 3000 * n), &tick);
		ok(!cfw_core_next(core, &a), "%d questions that nobody took in time are not asked any more", n);
		cfw_core_feed(core, MS(3001 + 3000 * n), &ev);
		ok(cfw_core_next(core, &a) && a.type == CFW_ACT_ASK, "the next one is");
		cfw_core_feed(core, MS(3001 + 3000 * n), &(struct cfw_event){.type = CFW_EV_DECISION, .question = a.question});
	}
	cfw_core_free(core);
}

/* A reload that is not taken before a stop begins does not come in it (S7.4). */
static void reload_overtaken(void)
{
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	struct cfw_core *core = cfw_core_new(&cfw_alloc_std, &config);
	struct cfw_server_opts o = drive_opts("web");
	struct cfw_action a;
	cfw_id questions[2];
	if (!core || !cfw_core_server_add(core, &o, NULL))
		tap_bail("out of memory");
	for (int i = 0; i < 2; i++) {
		struct cfw_event ev = drive_trigger(i ? CFW_T_STOP : CFW_T_RELOAD, 0, 0);
		cfw_core_feed(core, MS(1000), &ev);
		ok(cfw_core_next(core, &a) && a.type == CFW_ACT_ASK, "asked");
		questions[i] = a.question;
	}
	for (int i = 0; i < 2; i++)
		cfw_core_feed(core, MS(1001), &(struct cfw_event){.type = CFW_EV_DECISION, .question = questions[i]});
	bool reloads = false;
	while (cfw_core_next(core, &a))
		reloads |= a.type == CFW_ACT_RELOAD;
	ok(!reloads, "S7.4: no reload in a stop");
	cfw_core_free(core);
}

/* S4.13: a server that ends by itself before it was told to is told nothing any more. */
static void gone_before_it_was_told(void)
{
	struct cfw_core_config config;
	cfw_core_config_default(&config);
	struct cfw_core *core = cfw_core_new(&cfw_alloc_std, &config);
	struct cfw_server_opts o = drive_opts("web");
	struct cfw_action a;
	cfw_id web = core ? cfw_core_server_add(core, &o, NULL) : 0;
	struct cfw_event term = drive_trigger(CFW_T_SIGNAL, TERM, 0);
	cfw_core_feed(core, MS(1000), &(struct cfw_event){.type = CFW_EV_START});
	ok(web && cfw_core_next(core, &a) && a.type == CFW_ACT_START, "a server starts");
	cfw_core_feed(core, MS(1001), &(struct cfw_event){.type = CFW_EV_SERVER_STARTED, .server = web, .attempt = a.attempt});
	cfw_core_feed(core, MS(1002), &term);
	while (cfw_core_next(core, &a) && a.type != CFW_ACT_ASK)
		;
	cfw_core_feed(core, MS(1003), &(struct cfw_event){.type = CFW_EV_DECISION, .question = a.question});
	cfw_core_feed(core, MS(1004), &(struct cfw_event){.type = CFW_EV_SERVER_CLOSED, .server = web, .code = 1});
	bool told = false, ended = false;
	while (cfw_core_next(core, &a)) {
		told |= a.type == CFW_ACT_STOP || a.type == CFW_ACT_CUT;
		ended |= a.type == CFW_ACT_EXIT && a.code == 1;
	}
	ok(!told && ended, "it ends between the decision and its stop: it is not told to stop, and the end comes");
	cfw_core_free(core);
}

/* A server that has ended in a stop cannot be put back. */
static void no_cancel_after_a_death(void)
{
	struct drive *d = make();
	drive_add(d, "a");
	drive_add(d, "b");
	drive_after(d, "b", "a");
	drive_hook(d, "b", CFW_PRE_STOP, "h", CFW_NEVER)->take_ns = MS(1000);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	is_int(drive_state(d, "a"), CFW_S_HELD, "a server waits for its turn to stop");
	drive_close(d, "a", 0, 0);
	request(d, CFW_T_CANCEL, false);
	ok(replies == 1 && reply.outcome == CFW_FAILED && reply.why == CFW_R_BEGUN, "and ends by itself: there is no way back");
	drive_run(d, CFW_NEVER);
	drive_free(d);
}

/* S4.8, S2: what is due in the same moment goes by kind: a hook's limit before a question's. */
static void due_together(void)
{
	struct drive *d = make();
	drive_add(d, "web");
	drive_hook(d, "web", CFW_PRE_STOP, "h", MS(1000))->take_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	d->ask_ns = CFW_NEVER;
	drive_fire(d, CFW_T_CUSTOM, 0, 0);
	uint64_t from = 1;
	for (const struct cfw_journal_entry *e; (e = cfw_core_journal(d->core, from)) != NULL;)
		from = e->seq + 1;
	drive_run(d, d->now_ns + MS(1000));
	const struct cfw_journal_entry *end = find(d, from, CFW_J_HOOK_END), *decision = find(d, from, CFW_J_DECISION);
	ok(end && decision && end->at_ns == decision->at_ns && end->seq < decision->seq,
	   "the hook's limit, then the question's");
	drive_free(d);
}

/* Many limits at once, set in no order: each passes in its time. */
static void many_limits(void)
{
	enum { HOOKS = 60 };
	struct drive *d = make();
	d->config.exit_timeout_ns = MS(100000);
	cfw_core_configure(d->core, &d->config);
	drive_add(d, "web");
	for (int i = 0; i < HOOKS; i++)
		drive_hook(d, "web", CFW_PRE_STOP, NULL, MS(100 + 10 * (i * 37 % HOOKS)))->take_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_ABORT, 0, 0);
	uint64_t began = d->now_ns;
	int running = 0, known = 0;
	struct cfw_hook_view v;
	for (int i = 0; i < HOOKS; i++) {
		bool runs = cfw_core_hook_view(d->core, d->hook[i].id, &v) == 0 && v.running;
		running += runs;
		known += runs && cfw_core_run_hook(d->core, v.run) == d->hook[i].id;
	}
	is_int(running, HOOKS, "an abort has all hooks run at once");
	is_int(known, HOOKS, "each is known by its run");
	is_int(cfw_core_run_hook(d->core, 4711), 0, "what is no run is nobody's");
	drive_run(d, CFW_NEVER);
	int in_time = 0;
	uint64_t from = 1;
	for (const struct cfw_journal_entry *e; (e = find(d, from, CFW_J_HOOK_END)) != NULL; from = e->seq + 1)
		for (int i = 0; i < HOOKS; i++)
			in_time += d->hook[i].id == e->hook && e->at_ns == began + MS(100 + 10 * (i * 37 % HOOKS));
	is_int(in_time, HOOKS, "and each is cut at its own limit");
	is_int(cfw_core_run_hook(d->core, v.run), 0, "a run that is over is nobody's");
	drive_free(d);
}

/* ---- memory ---- */

static size_t held, peak;
static bool dry, sizes_wrong;

/* Keeps the size of each in front of it, and holds the core to what it says of sizes. */
static void *counted(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	size_t *at = ptr ? (size_t *)ptr - 2 : NULL;
	(void)ud;
	sizes_wrong |= old_size != (at ? *at : 0);
	if (!new_size) {
		held -= at ? *at : 0;
		free(at);
		return NULL;
	}
	if (dry)
		return NULL;
	held -= at ? *at : 0;
	at = realloc(at, new_size + 2 * sizeof *at);
	if (!at)
		tap_bail("out of memory");
	*at = new_size;
	held += new_size;
	peak = held > peak ? held : peak;
	return at + 2;
}

static const struct cfw_alloc counting = {counted, NULL};

/* Requests, servers, hooks and edges that come and go leave nothing behind; sizes are told as they are. */
static void nothing_leaks(void)
{
	struct drive *d = drive_new(&counting);
	size_t after = 0;
	int depends = 0;
	drive_add(d, "a");
	drive_add(d, "b");
	for (int round = 0; round < 2000; round++) {
		struct drive_server *c = drive_add(d, "c");
		if (!c || !drive_hook(d, "c", CFW_PRE_STOP, NULL, CFW_NEVER) || drive_after(d, "c", "a") ||
		    drive_after(d, "c", "b"))
			tap_bail("a server");
		depends += cfw_core_server_on(d->core, c->id, 0) == d->server[1].id &&
			   cfw_core_server_on(d->core, c->id, 1) == d->server[0].id && !cfw_core_server_on(d->core, c->id, 2);
		drive_feed(d, &(struct cfw_event){.type = CFW_EV_START, .request = REQUEST});
		drive_run(d, d->now_ns + MS(1));
		drive_feed(d, &(struct cfw_event){.type = CFW_EV_SERVER_STOP, .server = c->id, .request = REQUEST});
		drive_run(d, d->now_ns + MS(1));
		if (cfw_core_server_remove(d->core, c->id, NULL))
			tap_bail("it does not go");
		d->servers = 2;
		d->hooks = d->lines = 0;
		if (round == 200)
			after = held;
	}
	is_int(depends, 2000, "each time it depends on two");
	is_int((long)held, (long)after, "after 2,000 rounds the core holds what it held after 200");
	drive_free(d);
	is_int((long)held, 0, "and in the end nothing");
	ok(!sizes_wrong, "the allocator is told each size as it is");
}

/* Without memory nothing is added, and that is said; what was taken out makes room without any. */
static void adds_without_memory(void)
{
	for (int later = 0; later <= 1; later++) {
		struct drive *d = drive_new(&counting);
		struct curfew_err err = {0};
		for (int i = 0; i < (later ? 16 : 0); i++) {
			char name[8];
			snprintf(name, sizeof name, "s%d", i);
			drive_add(d, name);
		}
		struct cfw_server_opts o = drive_opts("new");
		dry = true;
		is_int(cfw_core_server_add(d->core, &o, &err), 0, "no memory for a server");
		is_int(err.code, CURFEW_ENOMEM, "is said");
		struct cfw_hook_opts h = {.phase = CFW_POST_STOP, .name = "h"};
		err = (struct curfew_err){0};
		is_int(cfw_core_hook_add(d->core, &h, &err), 0, "none for a hook, either");
		is_int(err.code, CURFEW_ENOMEM, "is said");
		dry = false;
		ok(cfw_core_server_add(d->core, &o, &err) && cfw_core_hook_add(d->core, &h, &err), "and there another time");
		h.phase = CFW_PHASES;
		is_int(cfw_core_hook_add(d->core, &h, &err), 0, "a phase past the last is none");
		is_int(err.code, CURFEW_EINVAL, "is said");
		drive_free(d);
	}
	struct drive *d = drive_new(&counting);
	drive_add(d, "web");
	dry = true;
	is_int(ask(d, CFW_EV_START, NULL), CURFEW_ENOMEM, "who asks for a start and cannot be noted hears so");
	is_int(ask(d, CFW_EV_SERVER_START, "web"), CURFEW_ENOMEM, "so does who asks for one of them");
	dry = false;
	drive_free(d);
	d = drive_new(&counting);
	for (int i = 0; i < 40; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%d", i);
		drive_add(d, name);
	}
	cfw_id gone = d->server[39].id;
	is_int(cfw_core_server_after(d->core, gone, d->server[0].id, NULL), 0, "an edge");
	dry = true;
	for (int i = 1; i < 39 && !cfw_core_server_after(d->core, d->server[i].id, d->server[i - 1].id, NULL); i++)
		;
	int full = cfw_core_server_after(d->core, d->server[38].id, d->server[2].id, NULL);
	is_int(full, CURFEW_ENOMEM, "until there is no room for another");
	is_int(cfw_core_server_remove(d->core, gone, NULL), 0, "one goes");
	is_int(cfw_core_server_after(d->core, d->server[38].id, d->server[2].id, NULL), 0,
	       "and its place is there without memory");
	dry = false;
	drive_free(d);
}

/* A name is found by whoever has it, whatever the table of names has been through. */
static void names(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_server_opts o = drive_opts("late");
	o.staged = true;
	cfw_id late = cfw_core_server_add(d->core, &o, NULL);
	for (int i = 0; i < 60; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%d", i);
		drive_add(d, name);
		if (cfw_core_server_find(d->core, "late"))
			break;
	}
	is_int(cfw_core_server_find(d->core, "late"), 0, "what is staged is not found, however many come");
	d->now_ns += MS(500);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_TICK});
	cfw_core_server_commit(d->core, late);
	is_int(cfw_core_server_find(d->core, "late"), late, "until it is committed");
	struct cfw_server_view v;
	cfw_core_server_view(d->core, late, &v);
	ok(v.since_ns == d->now_ns, "which is since when it is there");
	int found = 0;
	for (int i = 0; i < 60; i++)
		found += cfw_core_server_find(d->core, d->server[i].name) == d->server[i].id;
	is_int(found, 60, "and all others are found");
	cfw_id who = 99;
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	ok(!cfw_core_settled(d->core, &who) && who == 0,
	   "in a stop nothing is settled, and nobody in particular is in the way");
	drive_free(d);
}

/* ---- hooks that a reload drops ---- */

static void dropped_hooks(void)
{
	for (int global = 0; global <= 1; global++) {
		struct drive *d = make();
		cfw_id web = drive_add(d, "web")->id;
		d->server[0].stop_ns = MS(100);
		const char *of = global ? NULL : "web";
		drive_hook(d, of, CFW_PRE_STOP, "old1", CFW_NEVER);
		drive_hook(d, of, CFW_PRE_STOP, "old2", CFW_NEVER);
		if (!global)
			drive_hook(d, of, CFW_PRE_START, "before", CFW_NEVER);
		drive_start(d);
		cfw_core_drop_hooks(d->core, global ? 0 : web);
		is_int(cfw_core_hook_next(d->core, 0), 0, "hooks that are dropped are gone");
		d->hooks = 0;
		drive_hook(d, of, CFW_PRE_STOP, "new1", CFW_NEVER)->take_ns = MS(100);
		drive_hook(d, of, CFW_PRE_STOP, "new2", CFW_NEVER)->take_ns = MS(100);
		cfw_core_hook_discard(d->core, d->hook[0].id);
		cfw_core_hook_discard(d->core, d->hook[1].id + 4711);
		uint64_t from = 1;
		for (const struct cfw_journal_entry *e; (e = cfw_core_journal(d->core, from)) != NULL;)
			from = e->seq + 1;
		ask(d, CFW_EV_SERVER_RESTART, "web");
		drive_run(d, d->now_ns + MS(1000));
		ok(drive_state(d, "web") == CFW_S_STARTED && drive_count(d, "call before graceful") == !global,
		   "nor is one before the start called again");
		drive_fire(d, CFW_T_SIGNAL, TERM, 0);
		drive_run(d, d->now_ns + MS(150));
		is_int(cfw_core_life(d->core), CFW_L_STOPPING, "the first of those in their place has ended: one is owed");
		drive_run(d, d->now_ns + MS(60));
		ok(drive_order(d, "call new1 graceful", "call new2 graceful", "stop web", NULL), "both are called");
		bool told = false;
		for (const struct cfw_journal_entry *e; (e = find(d, from, CFW_J_LIFE)) != NULL; from = e->seq + 1)
			told |= e->a == CFW_L_PRESTOPPED && e->at_ns == d->now_ns - MS(10);
		ok(told, "and when both have ended, nothing is owed any more");
		drive_free(d);
	}
}

/* S3.4: a start is a new life for the global hooks, also where there is no server. */
static void hooks_without_servers(void)
{
	struct drive *d = make();
	drive_hook(d, NULL, CFW_PRE_STOP, "all", CFW_NEVER);
	for (int life = 1; life <= 3; life++) {
		drive_start(d);
		request(d, CFW_T_STOP, true);
		drive_run(d, d->now_ns + MS(100));
		is_int(drive_count(d, "call all graceful"), life, "S3.4: a global hook in life %d", life);
		request(d, CFW_T_STOP, true);
		drive_run(d, d->now_ns + MS(100));
		is_int(drive_count(d, "call all graceful"), life, "and once in each");
	}
	drive_free(d);
}

/* ---- a journal with all that a stop of many can say ---- */

static void full_of_servers(void)
{
	enum { MANY = 500 };
	struct drive *d = make();
	struct cfw_stop_view v;
	for (int i = 0; i < 60; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%d", i);
		drive_add(d, name);
	}
	struct cfw_core *core = d->core;
	for (int i = 60; i < MANY; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%d", i);
		struct cfw_server_opts o = drive_opts(name);
		cfw_core_server_add(core, &o, NULL);
	}
	struct cfw_action a;
	cfw_core_feed(core, d->now_ns, &(struct cfw_event){.type = CFW_EV_START});
	while (cfw_core_next(core, &a))
		if (a.type == CFW_ACT_START)
			cfw_core_feed(
				core, d->now_ns,
				&(struct cfw_event){.type = CFW_EV_SERVER_STARTED, .server = a.server, .attempt = a.attempt});
	struct cfw_event term = drive_trigger(CFW_T_SIGNAL, TERM, 0), tick = {.type = CFW_EV_TICK};
	cfw_core_feed(core, d->now_ns, &term);
	bool ended = false;
	for (int i = 0; i < 10 && !ended; i++) {
		while (cfw_core_next(core, &a)) {
			if (a.type == CFW_ACT_ASK)
				cfw_core_feed(core, d->now_ns,
					      &(struct cfw_event){.type = CFW_EV_DECISION, .question = a.question});
			if (a.type == CFW_ACT_CUT)
				cfw_core_feed(core, d->now_ns,
					      &(struct cfw_event){
						      .type = CFW_EV_SERVER_STOPPED, .server = a.server, .attempt = a.attempt});
			ended |= a.type == CFW_ACT_EXIT;
		}
		d->now_ns = cfw_time_min(cfw_core_deadline(core), d->now_ns + MS(60000));
		if (!ended)
			cfw_core_feed(core, d->now_ns, &tick);
	}
	cfw_core_stop_view(core, &v);
	const struct cfw_journal_entry *first = cfw_core_journal(core, v.seq), *exits = find(d, v.seq, CFW_J_EXIT);
	uint64_t last = v.seq, n = 0;
	for (const struct cfw_journal_entry *e; (e = cfw_core_journal(core, last)) != NULL; last = e->seq + 1)
		n++;
	ok(n >= 5 * MANY && last - v.seq == n,
	   "S9.4: of a stop of %d servers that all are cut nothing is left out: %llu of %llu", MANY, (unsigned long long)n,
	   (unsigned long long)(last - v.seq));
	ok(first && first->seq == v.seq && first->what == CFW_J_STOP, "its beginning is kept");
	ok(find(d, v.seq, CFW_J_MARGIN) && exits && exits->code == 255, "so are its margin and its end");
	d->exited = true;
	drive_free(d);
}

/* Wherever in the ring a stop begins and ends, what is kept of it is in order; and so is what comes between two of them. */
static void kept_from_anywhere(void)
{
	int wrong = 0;
	for (int before = 0; before < 620; before += 31) {
		struct drive *d = make();
		drive_add(d, "web");
		drive_hook(d, "web", CFW_PRE_STOP, "h", CFW_NEVER);
		drive_start(d);
		for (int i = 0; i < before; i++)
			drive_fire(d, CFW_T_CUSTOM, 0, 0);
		for (int round = 0; round < 2; round++) {
			request(d, CFW_T_STOP, true);
			drive_run(d, d->now_ns + MS(100));
			drive_start(d);
			for (int i = 0; i < 700 * (1 - round) + before; i++)
				drive_fire(d, CFW_T_CUSTOM, 0, 0);
			uint64_t seq = 0, at = 0;
			for (const struct cfw_journal_entry *e; (e = cfw_core_journal(d->core, seq + 1)) != NULL;
			     seq = e->seq, at = e->at_ns)
				wrong += e->seq <= seq || e->at_ns < at || cfw_core_journal(d->core, e->seq) != e;
		}
		drive_free(d);
	}
	is_int(wrong, 0, "every entry is in order, and found by its number");
}

/* A kept stop takes no place from what comes after it, once there is a reason to grow. */
static void room_beside_a_kept_stop(void)
{
	struct drive *d = make();
	for (int i = 0; i < 60; i++) {
		char name[8];
		snprintf(name, sizeof name, "s%d", i);
		drive_add(d, name);
		for (int k = 0; k < 1; k++)
			drive_hook(d, name, CFW_PRE_STOP, NULL, CFW_NEVER);
	}
	drive_start(d);
	request(d, CFW_T_STOP, true);
	drive_run(d, d->now_ns + MS(1000));
	struct cfw_server_opts o = drive_opts("one more");
	ok(cfw_core_server_add(d->core, &o, NULL) != 0, "a server comes");
	uint64_t last = 0, n = 0;
	for (int i = 0; i < 2000; i++)
		drive_fire(d, CFW_T_CUSTOM, 0, 0);
	for (const struct cfw_journal_entry *e; (e = cfw_core_journal(d->core, last + 1)) != NULL; last = e->seq)
		n += e->what == CFW_J_TRIGGER || e->what == CFW_J_DECISION;
	ok(n >= 512, "the last 512 entries are there, besides the stop: %llu", (unsigned long long)n);
	drive_free(d);
}

int main(void)
{
	undone_and_overtaken();
	reason_of_another();
	tries_used_up();
	backoff();
	one_reload();
	cancel_goes_on();
	cancel_leaves_nothing();
	skip_before_a_start();
	no_deadlines();
	not_taken_in_time();
	reload_overtaken();
	gone_before_it_was_told();
	no_cancel_after_a_death();
	due_together();
	many_limits();
	nothing_leaks();
	adds_without_memory();
	names();
	dropped_hooks();
	hooks_without_servers();
	full_of_servers();
	kept_from_anywhere();
	room_beside_a_kept_stop();
	return tap_done();
}
