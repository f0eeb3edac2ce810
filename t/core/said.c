/* What the core says of what it does: its views, the journal, the triggers that it raises; and small print of a stop. */
#include "asks.h"

static struct cfw_action closed; /* the last question about one that has closed */

static void note(struct drive *d, const struct cfw_action *a)
{
	note_reply(d, a);
	if (a->type == CFW_ACT_ASK && a->trigger.kind == CFW_T_CLOSED)
		closed = *a;
}

static struct cfw_server_view view(const struct drive *d, int server)
{
	struct cfw_server_view v = {.state = CFW_SERVER_STATES};
	cfw_core_server_view(d->core, d->server[server].id, &v);
	return v;
}

static struct cfw_stop_view stop_view(const struct drive *d)
{
	struct cfw_stop_view v;
	cfw_core_stop_view(d->core, &v);
	return v;
}

/* The n-th entry of a kind, from 1 on. */
static struct cfw_journal_entry entry(const struct drive *d, enum cfw_journal_what what, int n)
{
	const struct cfw_journal_entry *e;
	for (uint64_t seq = 1; (e = cfw_core_journal(d->core, seq)) != NULL; seq = e->seq + 1)
		if (e->what == what && --n == 0)
			return *e;
	return (struct cfw_journal_entry){.what = CFW_JOURNAL_WHATS};
}

/* ---- views ---- */

static void views(void)
{
	struct drive *d = make();
	struct cfw_server_opts o;
	struct cfw_hook_opts h;
	struct cfw_hook_view hv;
	drive_add(d, "web");
	cfw_id hook = drive_hook(d, "web", CFW_PRE_STOP, NULL, MS(20000))->id, none = d->server[0].id + 4711;
	d->hook[0].take_ns = MS(30);
	is_int(cfw_core_server_opts(d->core, d->server[0].id, &o), 0, "the options of a server");
	is_int(cfw_core_hook_opts(d->core, hook, &h), 0, "and of a hook");
	is_int(cfw_core_server_opts(d->core, none, &o), CURFEW_ENOENT, "what is none has no options");
	is_int(cfw_core_hook_opts(d->core, none, &h), CURFEW_ENOENT, "no hook, either");
	is_int(cfw_core_server_on(d->core, none, 0), 0, "and depends on nothing");
	drive_start(d);
	ok(view(d, 0).started && !view(d, 0).prestopped, "a server that is started has its hooks before it");
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	cfw_core_hook_view(d->core, hook, &hv);
	ok(hv.running && hv.until_ns == stop_view(d).deadline_ns,
	   "a hook that runs has time until its limit, or the end of all");
	trigger(d, CFW_T_CANCEL, false);
	pass(d, MS(100));
	cfw_core_hook_view(d->core, hook, &hv);
	ok(!hv.running && hv.until_ns == hv.since_ns + MS(30), "one that does not has its end");
	ask(d, CFW_EV_SERVER_STOP, "web");
	pass(d, MS(100));
	ok(view(d, 0).state == CFW_S_DOWN && view(d, 0).prestopped, "a server that is down has them behind it");
	d->server[0].start_ns = MS(50);
	ask(d, CFW_EV_SERVER_START, "web");
	ok(!view(d, 0).started && !view(d, 0).prestopped, "and neither when it starts again, before it is up");
	done(d, "views");
}

/* A stop of one server is told as it was, and not as the one before. */
static void cut_once(void)
{
	struct drive *d = make();
	struct cfw_server_opts o = drive_opts("web");
	o.stop_timeout_ns = MS(50);
	drive_add_opts(d, &o)->stop_ns = CFW_NEVER;
	drive_start(d);
	ask(d, CFW_EV_SERVER_STOP, "web");
	pass(d, MS(100));
	ok(replies == 1 && reply.outcome == CFW_CUT, "a stop that passes its time is said to be cut");
	d->server[0].stop_ns = 0;
	ask(d, CFW_EV_SERVER_START, "web");
	ask(d, CFW_EV_SERVER_STOP, "web");
	ok(replies == 3 && reply.outcome == CFW_OK && reply.server == 0, "the next one, which does not, is well");
	done(d, "a cut");
}

/* ---- failures ---- */

static void failures(void)
{
	struct drive *d = make();
	struct cfw_server_opts o = drive_opts("web");
	o.start_timeout_ns = MS(200);
	drive_add_opts(d, &o)->fails = true;
	drive_start(d);
	struct cfw_journal_entry e = entry(d, CFW_J_START_FAILED, 1);
	ok(e.server == d->server[0].id && e.text == 77 && e.ns == 0, "a start that fails is told with its reason, and no time");
	pass(d, MS(1000));
	d->server[0].start_ns = CFW_NEVER;
	ask(d, CFW_EV_SERVER_START, "web");
	pass(d, MS(300));
	e = entry(d, CFW_J_START_FAILED, 2);
	ok(e.server == d->server[0].id && e.text == 0 && e.ns == MS(200), "one that passes its limit with how long it had");
	ok(replies == 1 && reply.outcome == CFW_FAILED && reply.server == d->server[0].id && reply.text == 0,
	   "who asked for it hears that it has failed");
	drive_hook(d, "web", CFW_PRE_START, "before", MS(30))->take_ns = CFW_NEVER;
	ask(d, CFW_EV_SERVER_START, "web");
	pass(d, MS(300));
	e = entry(d, CFW_J_START_FAILED, 3);
	ok(e.server == d->server[0].id && e.text == 0 && e.ns == 0, "one whose hook passes its own has neither");
	done(d, "failures");
}

/* S2.7: nothing to wait for at first; then more and more, from a least on: no hot loop. */
static void restarts_at_once(void)
{
	struct drive *d = make();
	d->on_action = note;
	struct cfw_server_opts o = drive_opts("web");
	o.restart = CFW_RESTART_ALWAYS;
	o.restart_max = 3;
	drive_add_opts(d, &o);
	drive_start(d);
	d->server[0].fails = true;
	drive_close(d, "web", 3, 0);
	pass(d, MS(1000));
	static const uint64_t waits[] = {0, 20, 40};
	for (int i = 0; i < 3; i++) {
		struct cfw_journal_entry e = entry(d, CFW_J_BACKOFF, i + 1);
		ok(e.what == CFW_J_BACKOFF && e.ns - e.at_ns == MS(waits[i]), "S2.7: try %d after %d ms", i + 1, (int)waits[i]);
	}
	ok(drive_state(d, "web") == CFW_S_CLOSED && closed.trigger.code == -1 && closed.trigger.died_signo == 0 &&
		   closed.trigger.text == 77,
	   "S2.7: it has given up: no code and no signal, but the reason of the last try");
	done(d, "restarts at once");
}

/* What depends on a server that has ended as expected does not wait for it. */
static void nothing_to_wait_for(void)
{
	struct drive *d = make();
	struct cfw_server_opts o = drive_opts("job");
	o.expect_exit = true;
	drive_add_opts(d, &o);
	drive_add(d, "slow")->start_ns = MS(100);
	drive_add(d, "after");
	drive_after(d, "after", "job");
	drive_after(d, "after", "slow");
	drive_start(d);
	ask(d, CFW_EV_SERVER_START, "after");
	is_int(drive_state(d, "after"), CFW_S_WAITING, "a server waits for two");
	drive_close(d, "job", 0, 0);
	ok(drive_state(d, "after") == CFW_S_DOWN && replies == 1 && reply.outcome == CFW_FAILED,
	   "one ends: it will not start, and that is said at once");
	done(d, "nothing to wait for");
}

/* A stop that somebody wants while a hook before the start runs: the start itself is not begun. */
static void not_begun(void)
{
	struct drive *d = make();
	drive_add(d, "web");
	drive_hook(d, "web", CFW_PRE_START, "before", CFW_NEVER)->take_ns = MS(50);
	ask(d, CFW_EV_SERVER_START, "web");
	ask(d, CFW_EV_SERVER_STOP, "web");
	pass(d, MS(100));
	ok(drive_count(d, "start web") == 0 && drive_state(d, "web") == CFW_S_DOWN, "S3.2: it is not started any more");
	ok(replies == 2 && reply.outcome == CFW_OK, "and who wanted it down hears that");
	done(d, "not begun");
}

/* ---- stops ---- */

/* S4.5: an abort in a stop that was to leave the process alive ends it. S4.4: what comes after another stop does not take its end away. */
static void without_exit(void)
{
	struct drive *d = make();
	drive_add(d, "web")->stop_ns = MS(100);
	drive_start(d);
	trigger(d, CFW_T_STOP, true);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, CFW_NEVER);
	ok(d->exited && d->exit_code == 1, "S4.5: an abort ends the process, though the stop would not have");
	struct cfw_journal_entry e = entry(d, CFW_J_STOP, 2);
	ok(e.what == CFW_J_STOP && e.b == 1, "it is told as that stop's turn");
	is_int(entry(d, CFW_J_STOP, 3).what, CFW_JOURNAL_WHATS, "and a second one turns nothing");
	done(d, "an abort");

	d = make();
	drive_add(d, "web")->stop_ns = MS(100);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	trigger(d, CFW_T_STOP, true);
	drive_run(d, CFW_NEVER);
	ok(d->exited && d->exit_code == 0, "S4.4: stop{ exit = false } in a stop takes its end not away");
	done(d, "a signal");
}

/* A cancel is not of a stop that was asked for again after it. */
static void asked_again(void)
{
	struct drive *d = make();
	drive_add(d, "web");
	drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(3000);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	d->ask_ns = CFW_NEVER;
	trigger(d, CFW_T_CANCEL, false);
	d->ask_ns = 0;
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	ok(stop_view(d).running && replies == 0, "a second signal is decided on before a cancel that was there first");
	pass(d, MS(1100));
	ok(replies == 1 && reply.outcome == CFW_FAILED && reply.why == CFW_R_NO_STOP, "which does not mean what there is now");
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "the stop goes on");
	done(d, "asked again");
}

static void cut_elsewhere(void)
{
	struct drive *d = make();
	drive_add(d, "web")->stop_ns = MS(100);
	drive_start(d);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_CUT});
	ok(!stop_view(d).cut && stop_view(d).code == 0, "a callback is cut while no stop runs: nothing of a stop is cut");
	trigger(d, CFW_T_STOP, true);
	ok(stop_view(d).cut && stop_view(d).code == 255, "S4.11: the next one has it");
	drive_run(d, CFW_NEVER);
	ok(d->exited && d->exit_code == 255 && cfw_core_life(d->core) == CFW_L_TIMEOUT, "and ends the process");
	done(d, "cut elsewhere");
}

static struct cfw_decision killing(struct drive *d, const struct cfw_trigger *t)
{
	return t->kind == CFW_T_CUSTOM ? (struct cfw_decision){CFW_D_KILL, 5} : ignoring(d, t);
}

/* S4.14: a kill in a stop is that stop's end; one out of nowhere is a stop, and its own. */
static void kills(void)
{
	for (int stopping = 0; stopping <= 1; stopping++) {
		struct drive *d = make();
		d->policy = killing;
		drive_add(d, "web")->stop_ns = MS(100);
		drive_start(d);
		for (int i = 0; i < 50; i++)
			drive_feed(d, &(struct cfw_event){.type = CFW_EV_TICK});
		if (stopping)
			drive_fire(d, CFW_T_SIGNAL, TERM, 0);
		uint64_t began = stop_view(d).seq;
		drive_fire(d, CFW_T_CUSTOM, 0, 0);
		struct cfw_stop_view v = stop_view(d);
		ok(d->exited && d->killed && d->exit_code == 5, "S4.14: kill(5)");
		ok(v.running && v.first.kind == (stopping ? CFW_T_SIGNAL : CFW_T_CUSTOM), "its cause is that of the stop");
		const struct cfw_journal_entry *e = cfw_core_journal(d->core, v.seq);
		ok(e && e->what == CFW_J_STOP && e->a == (stopping ? CFW_GRACEFUL : CFW_ABORT),
		   "which the journal begins with");
		ok(!stopping || v.seq == began, "and once");
		is_int(entry(d, CFW_J_STOP, 2).what, CFW_JOURNAL_WHATS, "there is no other");
		done(d, "a kill");
	}
}

/* S4.7, S4.8: what is cut, and what the life is then. */
static void out_of_time(void)
{
	struct drive *d = make();
	drive_add(d, "web");
	drive_hook(d, NULL, CFW_POST_STOP, "last", CFW_NEVER)->take_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	drive_run(d, CFW_NEVER);
	ok(drive_ms(d, "cut_hook last") == 4500 && d->exit_code == 255, "S4.7: a global post_stop hook is cut at the margin");
	is_int(cfw_core_life(d->core), CFW_L_TIMEOUT, "S3: life is timeout");
	done(d, "the margin");

	d = make();
	drive_add(d, "web");
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = CFW_NEVER;
	drive_start(d);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, d->now_ns + MS(4400));
	ok(entry(d, CFW_J_MARGIN, 1).what == CFW_JOURNAL_WHATS, "no margin before its time");
	drive_run(d, CFW_NEVER);
	ok(stop_view(d).cut && cfw_core_life(d->core) == CFW_L_TIMEOUT,
	   "S4.8: a hook that never ends is cut by the exit timeout");
	ok(drive_ms(d, "exit 255") == 5000 && entry(d, CFW_J_TIMEOUT, 1).what == CFW_J_TIMEOUT, "which is told");
	done(d, "the exit timeout");
}

/* Whoever prolongs a stop from outside is no hook and no server. */
static void prolonged(void)
{
	struct drive *d = make();
	drive_add(d, "web")->stop_ns = MS(100);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, TERM, 0);
	struct cfw_event ev = drive_trigger(CFW_T_EXTEND, 0, 0);
	ev.trigger.ns = MS(9000);
	drive_feed(d, &ev);
	pass(d, 0);
	struct cfw_journal_entry e = entry(d, CFW_J_EXTEND, 1);
	ok(e.what == CFW_J_EXTEND && e.hook == 0 && e.server == 0 && e.ns == d->now_ns + MS(9000), "S4.6: a stop is prolonged");
	drive_run(d, CFW_NEVER);
	done(d, "prolonged");
}

/* What a cancel has come to. */
static void cancels(void)
{
	for (int goes_on = 0; goes_on <= 1; goes_on++) {
		struct drive *d = make();
		drive_add(d, "web");
		drive_hook(d, NULL, CFW_PRE_STOP, NULL, CFW_NEVER)->take_ns = MS(100);
		drive_start(d);
		drive_fire(d, CFW_T_SIGNAL, TERM, 0);
		trigger(d, CFW_T_CANCEL, false);
		if (goes_on)
			drive_fire(d, CFW_T_SIGNAL, TERM, 0);
		pass(d, MS(200));
		is_int((int)entry(d, CFW_J_CANCEL, 1).a, 0, "a cancel is asked for");
		is_int((int)entry(d, CFW_J_CANCEL, 2).a, goes_on ? 2 : 1, goes_on ? "and comes to nothing" : "and done");
		is_int(d->exited, goes_on, goes_on ? "the stop goes on" : "the stop is over");
		done(d, "a cancel");
	}
}

int main(void)
{
	views();
	cut_once();
	failures();
	restarts_at_once();
	nothing_to_wait_for();
	not_begun();
	without_exit();
	asked_again();
	cut_elsewhere();
	kills();
	out_of_time();
	prolonged();
	cancels();
	return tap_done();
}
