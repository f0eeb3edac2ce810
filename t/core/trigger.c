/* S2: words, defaults, what may answer what; questions, counts, late answers. */
#include "base/text.h"
#include "drive.h"

static void words(void)
{
	enum cfw_trigger_kind kind = CFW_T_KINDS;
	int signo = -1;
	is_int(cfw_trigger_parse("SIGTERM", &kind, &signo), 0, "a signal is a name of a trigger");
	ok(kind == CFW_T_SIGNAL && signo == 15, "with its number");
	is_int(cfw_trigger_parse("start_failed", &kind, &signo), 0, "so is start_failed");
	ok(kind == CFW_T_START_FAILED && signo == 0, "without one");
	is_int(cfw_trigger_parse("custom", &kind, &signo), CURFEW_ENOENT, "custom is a kind, no name");
	is_int(cfw_trigger_parse("signal", &kind, &signo), CURFEW_ENOENT, "nor is signal");
	is_int(cfw_trigger_parse("clsoed", &kind, &signo), CURFEW_ENOENT, "a misspelt one is unknown");
	is_int(cfw_trigger_parse(NULL, &kind, &signo), CURFEW_ENOENT, "so is none");
	is_str(cfw_nearest("clsoed", cfw_trigger_names()), "closed", "the nearest name is found among the names");
	int n = 0;
	for (const char *const *name = cfw_trigger_names(); *name; name++, n++) {
		bool found = cfw_trigger_parse(*name, &kind, &signo) == 0;
		is_str(found ? cfw_trigger_name(kind, 0) : NULL, *name, "%s: there and back", *name);
	}
	is_int(n, CFW_T_KINDS - 2, "every name but the signals' and a host's own");
	is_str(cfw_trigger_name(CFW_T_SIGNAL, 1), "SIGHUP", "a signal is shown by its name");
	is_str(cfw_trigger_name(CFW_T_KINDS, 0), "?", "what is none has no name");
	is_str(cfw_decision_name(CFW_D_RESTART), "restart", "decisions have names");
	is_str(cfw_decision_name(CFW_DECISIONS), "?", "what is none has no name");
	is_str(cfw_life_name(CFW_L_START_ABORTED), "start_aborted", "lives have names");
	is_str(cfw_life_name(CFW_LIVES), "?", "what is none has no name");
	is_str(cfw_server_state_name(CFW_S_POST_START), "post_start", "states have names");
	is_str(cfw_server_state_name(CFW_SERVER_STATES), "?", "what is none has no name");
}

static void defaults(void)
{
	static const struct {
		const char *rule;
		struct cfw_trigger t;
		enum cfw_decision_what what;
		int code;
	} rows[] = {
		{"S2.1: SIGINT", {.kind = CFW_T_SIGNAL, .signo = 2}, CFW_D_GRACEFUL, 0},
		{"S2.1: SIGTERM", {.kind = CFW_T_SIGNAL, .signo = 15}, CFW_D_GRACEFUL, 0},
		{"S2.1: SIGQUIT", {.kind = CFW_T_SIGNAL, .signo = 3}, CFW_D_GRACEFUL, 0},
		{"S2.2: SIGHUP", {.kind = CFW_T_SIGNAL, .signo = 1}, CFW_D_ABORT, 1},
		{"a signal with a rule that had no answer", {.kind = CFW_T_SIGNAL, .signo = 10}, CFW_D_IGNORE, 0},
		{"S2.3: exit(0)", {.kind = CFW_T_EXIT}, CFW_D_GRACEFUL, 0},
		{"S2.4: exit(3)", {.kind = CFW_T_EXIT, .code = 3}, CFW_D_ABORT, 3},
		{"S2.18: exit(256) is taken & 255, or 1 where that is 0", {.kind = CFW_T_EXIT, .code = 256}, CFW_D_ABORT, 1},
		{"S2.18: exit(-1)", {.kind = CFW_T_EXIT, .code = -1}, CFW_D_ABORT, 255},
		{"S2.5: error", {.kind = CFW_T_ERROR}, CFW_D_ABORT, 1},
		{"S2.6: rejection", {.kind = CFW_T_REJECTION}, CFW_D_ABORT, 1},
		{"S2.7: closed", {.kind = CFW_T_CLOSED, .code = 0}, CFW_D_ABORT, 255},
		{"S2.8: idle", {.kind = CFW_T_IDLE}, CFW_D_GRACEFUL, 0},
		{"S2.9: stop", {.kind = CFW_T_STOP}, CFW_D_GRACEFUL, 0},
		{"abort", {.kind = CFW_T_ABORT}, CFW_D_ABORT, 1},
		{"S2.10, S4.11: crash by SIGSEGV", {.kind = CFW_T_CRASH, .died_signo = 11}, CFW_D_ABORT, 139},
		{"S2.10, S4.11: a bare _exit(7)", {.kind = CFW_T_CRASH, .code = 7}, CFW_D_ABORT, 7},
		{"S2.10, S4.11: a bare _exit(0)", {.kind = CFW_T_CRASH}, CFW_D_ABORT, 1},
		{"S2.16: start_failed", {.kind = CFW_T_START_FAILED}, CFW_D_GRACEFUL, 1},
		{"S2.17: stall", {.kind = CFW_T_STALL}, CFW_D_ABORT, 255},
		{"reload", {.kind = CFW_T_RELOAD}, CFW_D_RELOAD, 0},
		{"hurry", {.kind = CFW_T_HURRY}, CFW_D_ACCEPT, 0},
		{"extend", {.kind = CFW_T_EXTEND}, CFW_D_ACCEPT, 0},
		{"skip", {.kind = CFW_T_SKIP}, CFW_D_ACCEPT, 0},
		{"cancel", {.kind = CFW_T_CANCEL}, CFW_D_ACCEPT, 0},
		{"start_server", {.kind = CFW_T_SERVER_START}, CFW_D_ACCEPT, 0},
		{"stop_server", {.kind = CFW_T_SERVER_STOP}, CFW_D_ACCEPT, 0},
		{"restart_server", {.kind = CFW_T_SERVER_RESTART}, CFW_D_ACCEPT, 0},
		{"a host's own", {.kind = CFW_T_CUSTOM}, CFW_D_IGNORE, 0},
	};
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct cfw_decision d = cfw_decision_default(&rows[i].t);
		ok(d.what == rows[i].what && d.code == rows[i].code, "%s: %s(%d)", rows[i].rule,
		   cfw_decision_name(rows[i].what), rows[i].code);
		ok(cfw_decision_allowed(rows[i].t.kind, d.what), "S2.12: the default is allowed itself");
	}
}

static void allowed(void)
{
	static const char *const want[CFW_T_KINDS] = {
		/* clang-format off */
		/*                     graceful, abort, kill, reloaD, Restart, ignore, accept (y) */
		[CFW_T_SIGNAL]       = "gakdi",
		[CFW_T_EXIT]         = "gak",
		[CFW_T_ERROR]        = "gaki",
		[CFW_T_REJECTION]    = "gaki",
		[CFW_T_CLOSED]       = "gakri",
		[CFW_T_IDLE]         = "gaki",
		[CFW_T_STOP]         = "gaki",
		[CFW_T_ABORT]        = "ak",
		[CFW_T_RELOAD]       = "gakdi",
		[CFW_T_CRASH]        = "ak",
		[CFW_T_START_FAILED] = "gakri",
		[CFW_T_STALL]        = "ak",
		[CFW_T_HURRY]        = "yi",
		[CFW_T_EXTEND]       = "yi",
		[CFW_T_SKIP]         = "yi",
		[CFW_T_CANCEL]       = "yi",
		[CFW_T_SERVER_START] = "yi",
		[CFW_T_SERVER_STOP]  = "yi",
		[CFW_T_SERVER_RESTART] = "yi",
		[CFW_T_CUSTOM]       = "gakdi",
		/* clang-format on */
	};
	static const char letter[CFW_DECISIONS] = {0, 'g', 'a', 'k', 'd', 'r', 'i', 'y'};
	for (int k = 0; k < CFW_T_KINDS; k++)
		for (int w = 1; w < CFW_DECISIONS; w++)
			is_int(cfw_decision_allowed((enum cfw_trigger_kind)k, (enum cfw_decision_what)w),
			       strchr(want[k], letter[w]) != NULL, "S2.12: %s answered by %s",
			       k == CFW_T_SIGNAL ? "a signal" : cfw_trigger_name((enum cfw_trigger_kind)k, 0),
			       cfw_decision_name((enum cfw_decision_what)w));
	ok(!cfw_decision_allowed(CFW_T_STOP, CFW_D_NONE), "S2.12: no answer is no decision");
	ok(!cfw_decision_allowed(CFW_T_KINDS, CFW_D_ABORT), "S2.12: nor is there one to what is no trigger");
}

static struct cfw_decision answer;

static struct cfw_decision give(struct drive *d, const struct cfw_trigger *t)
{
	(void)d;
	(void)t;
	return answer;
}

static bool journaled(struct drive *d, enum cfw_journal_what what, uint32_t a)
{
	const struct cfw_journal_entry *e;
	for (uint64_t seq = 1; (e = cfw_core_journal(d->core, seq)) != NULL; seq = e->seq + 1)
		if (e->what == what && e->a == a)
			return true;
	return false;
}

static void questions(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web");
	drive_start(d);
	d->policy = give;
	answer = (struct cfw_decision){CFW_D_RESTART, 0};
	drive_fire(d, CFW_T_EXIT, 0, 6);
	drive_run(d, CFW_NEVER);
	ok(journaled(d, CFW_J_REFUSED, CFW_D_RESTART), "S2.12: a decision that the trigger does not allow is journaled");
	is_int(d->exit_code, 6, "S2.12: and the default decides");
	drive_free(d);

	d = drive_new(NULL);
	drive_add(d, "web");
	drive_start(d);
	d->policy = give;
	answer = (struct cfw_decision){CFW_D_IGNORE, 0};
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_run(d, MS(9000));
	ok(!d->exited && cfw_core_life(d->core) == CFW_L_STARTED, "S2.11: ignored is ignored");
	answer = (struct cfw_decision){CFW_D_ABORT, 130};
	drive_fire(d, CFW_T_SIGNAL, 2, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 130, "S2.11: the policy's code is the exit code");
	drive_free(d);

	d = drive_new(NULL);
	drive_add(d, "web");
	drive_start(d);
	d->ask_ns = CFW_NEVER;
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_run(d, d->now_ns + MS(999));
	ok(drive_line(d, "lame") < 0, "S2.11: policy has its time");
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 0"), 1000, "S2.11: policy is dead: the default after ask_timeout");
	drive_free(d);

	d = drive_new(NULL);
	d->config.exit_timeout_ns = MS(400);
	cfw_core_configure(d->core, &d->config);
	drive_add(d, "web");
	drive_hook(d, "web", CFW_PRE_STOP, NULL, CFW_NEVER);
	drive_start(d);
	d->ask_ns = CFW_NEVER;
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "exit 0"), 100, "S4.6: a dead policy uses up at most a quarter of the exit timeout");
	drive_free(d);
}

static void replies(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web");
	drive_start(d);
	d->policy = give;
	answer = (struct cfw_decision){CFW_D_IGNORE, 0};
	struct cfw_event ev = drive_trigger(CFW_T_CUSTOM, 0, 0);
	ev.trigger.request = 5;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	ok(drive_line(d, "reply 5 ok") >= 0, "a request is answered when its decision was carried out");
	ev = drive_trigger(CFW_T_STOP, 0, 0);
	ev.trigger.request = 6;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns);
	ok(drive_line(d, "reply 6 failed") >= 0, "a stop that was ignored has failed");
	drive_free(d);
}

static void several_at_once(void)
{
	struct drive *d = drive_new(NULL);
	uint32_t q[3];
	int n = 0;
	struct cfw_action a;
	drive_add(d, "web");
	drive_start(d);
	for (int i = 0; i < 3; i++) {
		struct cfw_event ev = drive_trigger(CFW_T_SIGNAL, 15, 0);
		cfw_core_feed(d->core, d->now_ns, &ev);
	}
	while (n < 3 && cfw_core_next(d->core, &a))
		if (a.type == CFW_ACT_ASK) {
			is_int(a.trigger.count, n + 1, "S2.13: every trigger carries its count");
			q[n++] = a.question;
		}
	ok(n == 3 && q[0] != q[1] && q[1] != q[2] && q[0] != q[2], "several questions may be open, each with its number");
	struct cfw_event ev = {.type = CFW_EV_DECISION, .question = q[1], .decision = {CFW_D_GRACEFUL, 2}};
	drive_feed(d, &ev);
	uint64_t late = cfw_core_late_answers(d->core);
	ev.decision = (struct cfw_decision){CFW_D_KILL, 77};
	drive_feed(d, &ev);
	ok(!d->killed, "S2.12: a second answer has no effect");
	is_int(cfw_core_late_answers(d->core), late + 1, "it is counted");
	ok(journaled(d, CFW_J_LATE, CFW_EV_DECISION), "and journaled");
	drive_free(d);
}

/* Policy is dead, and two triggers came at the same moment: what came first is the cause. */
static void undecided_at_once(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_stop_view v;
	drive_add(d, "web")->stop_ns = MS(1);
	drive_start(d);
	d->ask_ns = CFW_NEVER;
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	drive_run(d, d->now_ns + MS(1000));
	cfw_core_stop_view(d->core, &v);
	is_str(cfw_trigger_name(v.first.kind, v.first.signo), "SIGTERM",
	       "S4.6: the first of two that nobody decides on is the cause");
	is_int(d->exit_code, 1, "S4.3: and the code is the highest");
	drive_free(d);
}

static void counts(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web");
	d->policy = give;
	answer = (struct cfw_decision){CFW_D_IGNORE, 0};
	drive_fire(d, CFW_T_SIGNAL, 2, 0);
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_fire(d, CFW_T_ERROR, 0, 0);
	ok(drive_line(d, "ask SIGINT 1") >= 0 && drive_line(d, "ask SIGTERM 2") >= 0, "S2.13: signals count by their number");
	ok(drive_line(d, "ask error 1") >= 0, "S2.13: the others by their kind");
	drive_fire(d, CFW_T_SIGNAL, 99999, 0);
	ok(drive_line(d, "ask SIG? 1") >= 0, "a number that is no signal does no harm");
	drive_free(d);
}

static void late_answers(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web");
	drive_hook(d, "web", CFW_PRE_STOP, "short", MS(10))->take_ns = MS(50);
	drive_start(d);
	uint64_t late = cfw_core_late_answers(d->core);
	struct cfw_event ev = {.type = CFW_EV_SERVER_STARTED, .server = d->server[0].id, .attempt = d->server[0].attempt};
	drive_feed(d, &ev);
	ev.attempt--;
	drive_feed(d, &ev);
	ev.server = 12345;
	drive_feed(d, &ev);
	is_int(cfw_core_late_answers(d->core), late + 3, "started twice, another attempt's, nobody's: late");
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 1, "S4.9: the hook passed its limit");
	drive_free(d);

	d = drive_new(NULL);
	drive_add(d, "web")->stop_ns = MS(100);
	drive_hook(d, "web", CFW_PRE_STOP, "short", MS(10))->take_ns = MS(50);
	drive_start(d);
	drive_fire(d, CFW_T_SIGNAL, 15, 0);
	drive_run(d, CFW_NEVER);
	is_int(cfw_core_late_answers(d->core), 1, "a hook's end after it was cut is late");
	is_int(drive_ms(d, "exit 1"), 110, "and moves nothing");
	drive_free(d);
}

/* The host has not even taken the questions when their time is over. */
static void not_handed_out(void)
{
	struct drive *d = drive_new(NULL);
	struct cfw_action a;
	int asked = 0;
	drive_add(d, "web");
	drive_start(d);
	struct cfw_event ev[] = {drive_trigger(CFW_T_CUSTOM, 0, 0), drive_trigger(CFW_T_SIGNAL, 10, 0),
				 drive_trigger(CFW_T_SIGNAL, 15, 0)};
	for (int i = 0; i < 3; i++) {
		cfw_core_feed(d->core, d->now_ns, &ev[i]);
		d->now_ns += MS(500);
	}
	cfw_core_feed(d->core, d->now_ns, &(struct cfw_event){.type = CFW_EV_TICK});
	while (cfw_core_next(d->core, &a))
		asked += a.type == CFW_ACT_ASK;
	is_int(asked, 1, "a question whose time is over is not asked any more");
	is_int(cfw_core_life(d->core), CFW_L_STARTED, "the defaults were taken");
	d->now_ns += MS(500);
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_TICK});
	drive_run(d, CFW_NEVER);
	is_int(d->exit_code, 0, "of all of them");
	ok(d->exited, "and the process ends");
	drive_free(d);
}

static void told_late(void)
{
	struct drive *d = drive_new(NULL);
	drive_add(d, "web")->stop_ns = CFW_NEVER;
	drive_start(d);
	drive_run(d, MS(4000));
	struct cfw_event ev = drive_trigger(CFW_T_SIGNAL, 15, 0);
	ev.trigger.at_ns = MS(2000);
	drive_feed(d, &ev);
	drive_run(d, CFW_NEVER);
	is_int(drive_ms(d, "cut web"), 5500, "S4.6: the exit timeout of a signal that is told late runs from when it came");
	drive_free(d);
}

static void cut_elsewhere(void)
{
	for (int before = 0; before < 2; before++) {
		struct drive *d = drive_new(NULL);
		drive_add(d, "web")->stop_ns = MS(10);
		drive_start(d);
		if (before)
			drive_feed(d, &(struct cfw_event){.type = CFW_EV_CUT});
		drive_fire(d, CFW_T_SIGNAL, 15, 0);
		if (!before)
			drive_feed(d, &(struct cfw_event){.type = CFW_EV_CUT});
		drive_run(d, CFW_NEVER);
		is_int(d->exit_code, 255, "S4.11: a callback that was cut at the margin, told %s the stop",
		       before ? "before" : "in");
		drive_free(d);
	}
}

static void odd_events(void)
{
	struct drive *d = drive_new(NULL);
	is_int(cfw_core_feed(d->core, d->now_ns, &(struct cfw_event){.type = (enum cfw_event_type)99}), CURFEW_EINVAL,
	       "an event that is none is an error");
	is_int(cfw_core_config_get(d->core)->exit_timeout_ns, 5 * CFW_SEC, "the configuration is read back");
	is_int(cfw_core_run_until(d->core, 4711), 0, "a run that is none has no end");
	cfw_core_free(NULL);
	drive_free(d);
}

int main(void)
{
	words();
	defaults();
	allowed();
	questions();
	replies();
	several_at_once();
	undecided_at_once();
	counts();
	late_answers();
	not_handed_out();
	told_late();
	cut_elsewhere();
	odd_events();
	return tap_done();
}
